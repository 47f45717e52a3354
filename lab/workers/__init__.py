"""The processes that compute, one thread each: their own side and that of whoever starts them.

Read `messages` first, what the two say to each other; then `worker_process`, which starts one and speaks with it, and `worker`,
which is what runs in it: it computes a result and publishes it.  `task_runner` is how an experiment's tasks are computed, in the
experiment's own process and in those that help it.  `arithmetic` says what this machine is, and what decides a number's last bits on it.

Nothing here decides what is computed when or where: that is `lab.run`.
"""
