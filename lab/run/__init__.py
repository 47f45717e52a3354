"""Which results are computed, when and where.

`status` says where each result stands; `scheduler` gives free cores something to do, until all is done; `verification` compares what
came out with the book's result.

Nothing here computes anything itself: that is done by processes, `lab.workers`, here or on a Dask cluster, `lab.dask`.
"""
