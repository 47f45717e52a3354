"""What a result depends on, as far as its source tells: the key that decides whether a stored result is still the wanted one.

Read `experiments` first (what an experiment is), then `key`, which puts a key together: the parameters (`params`), the versions of
libraries (`versions`), and the form of the code (`key_parts`).  Code is followed by its syntax, from the outside in: `call_graph` goes
from statement to statement, `sources` finds modules, and `outline` says what each statement of one uses (`uses`,
`syntax`), and which statements count even where nothing uses them.  `refusals` lists what may not be used, by name.

Nothing here runs or imports what it reads, and nothing guesses which files code might read: that is recorded while it runs, by
`press.execute.recorder`, and lies in the result beside the key.
"""
