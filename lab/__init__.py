"""Runs the experiments, keeps their results, and says which of the notes' claims hold.

At the top lies what the author of an experiment or of a chapter imports: `claims` and `estimate` for what is found, `progress` and
`tasks` for loops, `compiled` and `device` for speed, `read` and `chapter` for the page.  The machinery is in rooms, each of which
knows only those before it: `keys` (what a result depends on), `results` (results on disk), `workers` (the processes that compute),
`dask` (such processes on other machines), `run` (which result is computed when), `book` (what chapters print, and what they depend
on), `cli` (what is typed).

The lab knows no experiment by name: the folder experiments/ is the list.  It never decides what an experiment measures.
"""
