"""Which results are computed, when and where.

`status` says where each result stands; `run_state` has what is to be computed and who takes part; `scheduler` gives free cores
something to do, until all is done; `verification` compares what came out with the book's result.

Nothing here computes anything itself: that is done by processes, `lab.workers`, here or on a Dask cluster, `lab.dask`.
"""
