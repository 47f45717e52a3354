"""Runs experiments side by side, one process each, the longest first; and where a core is free after that, their tasks.

`workers` processes compute at a time, whatever they compute.  An experiment that has cut its work into tasks (lab.tasks) computes
them one by one in its own process; once no experiment waits to begin, helpers take some of them.  With a cluster, all tasks go
there, and this machine computes only what lies between them.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.run.run_state import ClusterTask, ExperimentProcess, HelperProcess, Job, Outcome
from lab.workers.messages import (
    Done,
    Ended,
    Failed,
    HandOut,
    Message,
    Progress,
    Ready,
    Said,
    Started,
    TaskDone,
    TaskFailed,
    TaskResult,
)
from lab.workers.worker_process import WorkerProcess, ended

if TYPE_CHECKING:
    from lab.dask.client import Cluster

DEATHS = 3  # of processes, by a signal, in one task: then it is the task's fault
LONG = 10.0  # seconds on one core; a helper takes about two to be ready


Listener = Callable[[Job, Message], None]


def run_jobs(
    jobs: Sequence[Job],
    root: Path,
    workers: int,
    listener: Listener = lambda job, message: None,
    cluster: Cluster | None = None,
) -> list[Outcome]:
    """Do all jobs, `workers` at a time, and tell `listener` what happens.  A job that fails stops no other.

    KeyboardInterrupt ends the jobs in hand and passes on; results published by then stay.
    """
    return _Run(jobs, root, workers, listener, cluster).all()


@contextmanager
def connected(
    address: str | None, jobs: Sequence[Job], root: Path, say: Callable[[str], None]
) -> Iterator[Cluster | None]:
    """Hold a connection to the Dask cluster at `address`, with all it needs for the jobs; without an address, none."""
    if address is None:
        yield None
        return
    from lab.dask.client import Cluster

    cluster = Cluster(address, say)
    try:
        cluster.prepare([(job.experiment, job.changes) for job in jobs], root)
        yield cluster
    finally:
        cluster.close()


class _Run:
    def __init__(
        self, jobs: Sequence[Job], root: Path, workers: int, listener: Listener, cluster: Cluster | None
    ) -> None:
        self.root, self.workers, self.listener, self.cluster = root, workers, listener, cluster
        self.waiting = sorted(jobs, key=lambda job: -(job.expected if job.expected is not None else float("inf")))
        self.running: list[ExperimentProcess] = []
        self.heard: queue.Queue[tuple[WorkerProcess | ClusterTask, Message | None]] = queue.Queue()

    def all(self) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            while self.waiting or self.running:
                while self._computing < self.workers and self._use_a_core():
                    pass
                source, message = self.heard.get()
                if isinstance(source, ExperimentProcess):
                    if message is None:
                        outcomes.append(self._close(source))
                    else:
                        self._note(source, message)
                elif isinstance(source, HelperProcess | ClusterTask) and source.owner in self.running:
                    self._heed(source, message)
        finally:
            self.listener = lambda job, message: None  # what is cut short here has not failed
            for process in [*self.running, *(helper for experiment in self.running for helper in experiment.helpers)]:
                process.terminate()
            for experiment in list(self.running):
                self._close(experiment)
        return outcomes

    @property
    def _computing(self) -> int:
        helpers = sum(helper.order is not None for experiment in self.running for helper in experiment.helpers)
        return helpers + sum(experiment.busy for experiment in self.running)

    def _use_a_core(self) -> bool:
        """Put one free core to use; say whether there was a use for it."""
        for experiment in self.running:
            if not experiment.busy and experiment.left == 0:
                experiment.proceed()
                return True
            if not experiment.busy and experiment.open:
                experiment.compute()
                return True
        most = self.workers + (self.cluster.threads if self.cluster else self.workers)
        if self.waiting and len(self.running) < most:
            outcome = Outcome(self.waiting.pop(0))
            self.running.append(ExperimentProcess(outcome, self.root, self.cluster is not None, self._hear))
            return True
        for experiment in sorted(self.running, key=lambda experiment: -len(experiment.open)):
            for helper in experiment.helpers:
                if experiment.open and helper.ready and helper.order is None:
                    helper.take(experiment.open.popleft())
                    return True
        starting = [helper for experiment in self.running for helper in experiment.helpers if not helper.ready]
        behind = max(self.running, key=lambda experiment: len(experiment.open), default=None)
        if not behind or len(behind.open) <= len(starting) or self._computing + len(starting) >= self.workers:
            return False
        behind.helpers.append(HelperProcess(behind, self.root, self._hear))
        return True

    def _hear(self, process: WorkerProcess, message: Message | None) -> None:
        self.heard.put((process, message))

    def _note(self, experiment: ExperimentProcess, message: Message) -> None:
        """Take in what the process of an experiment says."""
        outcome = experiment.outcome
        match message:
            case HandOut():
                experiment.begin(message)
                self._progress(experiment)
                if self.cluster:
                    self._send_away(experiment, self.cluster)
                return
            case TaskDone(number):
                experiment.busy = experiment.failed  # it will not ask whether it may go on
                self._done(experiment, number)
                return
            case Started(key, spreads):
                experiment.key = key
                if spreads:
                    self._make_ready(experiment)
            case Done():
                outcome.computed, outcome.seconds = message.computed, message.seconds
            case Failed():
                outcome.error, outcome.trace = message.error, message.trace
        self.listener(outcome.job, message)

    def _make_ready(self, experiment: ExperimentProcess) -> None:
        """Start helpers for tasks to come, where cores are free for them: they import while the experiment itself does."""
        job = experiment.outcome.job
        if self.cluster or not job.stages or (job.expected or 0.0) < LONG:
            return
        _, pieces, _ = job.stages[0]  # as it was the last time
        free = self.workers - sum(1 + len(of.helpers) for of in self.running)
        for _ in range(min(int(pieces or 0) - 1, free)):
            experiment.helpers.append(HelperProcess(experiment, self.root, self._hear))

    def _send_away(self, experiment: ExperimentProcess, cluster: Cluster) -> None:
        while experiment.open:
            task = ClusterTask(experiment, experiment.open.popleft())
            assert task.order

            def tell(message: Message, task: ClusterTask = task) -> None:
                self.heard.put((task, message))

            experiment.futures.append(cluster.submit(experiment.help_wanted, task.order, tell))

    def _heed(self, source: HelperProcess | ClusterTask, message: Message | None) -> None:
        """Take in what is said of a task by a helper, here or elsewhere."""
        experiment, order = source.owner, source.order
        current = (
            order is not None and order.batch == experiment.handed_out.batch
        )  # else it is of one that was given up
        match message:
            case None:
                assert isinstance(source, HelperProcess)
                self._bury(source, current)
            case Ready():
                assert isinstance(source, HelperProcess)
                source.ready = True
            case Said(text):
                experiment.outcome.said += text
            case Failed():  # it could not begin
                experiment.fail(TaskFailed(experiment.handed_out.batch, message.error, message.trace))
            case Progress() if current:
                self.listener(experiment.outcome.job, message)
            case TaskResult(number=number):
                source.order = None
                if current:
                    experiment.send(message)
                    self._done(experiment, number)
            case TaskFailed():
                source.order = None
                if current:
                    experiment.fail(message)

    def _bury(self, helper: HelperProcess, current: bool) -> None:
        """Take leave of a helper that has ended: its task, if it had one in hand, is for another."""
        experiment, code = helper.owner, helper.end()
        experiment.helpers.remove(helper)
        experiment.outcome.said += helper.said
        if not helper.order or not current:
            return
        number = helper.order.number
        experiment.deaths[number] += 1
        if code < 0 and experiment.deaths[number] < DEATHS:
            experiment.open.append(number)
        else:
            experiment.fail(TaskFailed(helper.order.batch, ended(code)))

    def _done(self, experiment: ExperimentProcess, number: int) -> None:
        experiment.left -= 1
        self.listener(experiment.outcome.job, TaskDone(number))
        self._progress(experiment)

    def _progress(self, experiment: ExperimentProcess) -> None:
        total = len(experiment.handed_out.calls)
        done = total - experiment.left
        self.listener(experiment.outcome.job, Progress(experiment.handed_out.what, done, total))

    def _close(self, experiment: ExperimentProcess) -> Outcome:
        """Take leave of an experiment whose process has ended, and of its helpers."""
        self.running.remove(experiment)
        outcome, code = experiment.outcome, experiment.end()
        for helper in experiment.helpers:
            helper.terminate()
            helper.end()
            outcome.said += helper.said
        if self.cluster:
            self.cluster.forget(experiment.futures)
        outcome.said = experiment.said + outcome.said
        if code and not outcome.error:
            outcome.error, outcome.trace = ended(code), outcome.said
        self.listener(outcome.job, Ended(outcome.error))
        return outcome
