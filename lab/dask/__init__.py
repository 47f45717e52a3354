"""Tasks on other machines, through a Dask cluster (`lab run --executor dask`).

`client` is this side: it connects, compares keys with every worker, and hands out tasks.  `worker_plugin` is what runs on Dask's
workers, and starts processes of ours there; `source_archive` is the project that they get.  The room is reached from `lab.run` alone,
and imported only when a cluster is asked for.

No number depends on it: a worker that would compute another one is found before anything runs.
"""
