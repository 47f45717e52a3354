"""Runs experiments side by side, one process each, the longest first; and where a core is free after that, their tasks.

`workers` processes compute at a time, whatever they compute.  An experiment that has cut its work into tasks (lab.tasks) computes
them one by one in its own process; once no experiment waits to begin, helpers take some of them.  With a cluster, all tasks go
there, and this machine computes only what lies between them.
"""

from __future__ import annotations

import queue
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.workers.messages import (
    Done,
    Failed,
    HandOut,
    HelpOut,
    Job,
    Message,
    Progress,
    Started,
    TaskOrder,
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
    address: str | None = None,
    say: Callable[[str], None] = print,
) -> list[Outcome]:
    """Do all jobs, `workers` at a time, and tell `listener` what happens.  A job that fails stops no other.

    With `address`, on a Dask cluster, of which `say` is told what the reader should know.
    KeyboardInterrupt ends the jobs in hand and passes on; results published by then stay.
    """
    if address is None:
        return _Run(jobs, root, workers, listener, None).all()
    from lab.dask.client import Cluster

    with closing(Cluster(address, say)) as cluster:
        cluster.prepare([(job.experiment, job.changes) for job in jobs], root)
        return _Run(jobs, root, workers, listener, cluster).all()


@dataclass
class Outcome:
    """What became of a job."""

    job: Job
    computed: bool = False  # False with no error: somebody else had just computed it
    seconds: float = 0.0
    error: str = ""
    trace: str = ""
    said: str = ""  # on stderr, warnings for example


@dataclass(eq=False)
class _Batch:
    """Tasks that an experiment has handed out and waits for."""

    what: str
    calls: list[str]
    results: dict[int, TaskResult] = field(default_factory=dict)
    deaths: Counter[int] = field(default_factory=Counter)  # of processes, by task

    def __post_init__(self) -> None:
        self.open = deque(range(len(self.calls)))  # tasks that nobody has taken


class _Experiment:
    """One result on its way: its own process, those that help it, and the tasks that it waits for, if it does."""

    def __init__(self, job: Job, root: Path, heard: _Heard) -> None:
        self.outcome = Outcome(job)
        self.key = ""
        self.batch: _Batch | None = None
        self.helpers: list[_Process] = []
        self.futures: list[Any] = []  # a cluster's, of its tasks
        self.printed: list[str] = []  # by others, for it
        self._root, self._heard = root, heard
        self.own = _Process(self, root, job, heard)

    @property
    def open(self) -> int:
        """How many tasks nobody has taken."""
        return len(self.batch.open) if self.batch else 0

    @property
    def help_wanted(self) -> HelpOut:
        """What a helper has to know."""
        return HelpOut(self.outcome.job.experiment, self.outcome.job.changes, self.key)

    def start_helper(self) -> None:
        """Start a process that takes some of its tasks."""
        self.helpers.append(_Process(self, self._root, self.help_wanted, self._heard))

    def fail(self, error: Failed) -> None:
        """Hand on how a task failed: it will raise that, and need no more tasks of this batch."""
        if self.batch:
            self.batch = None
            self.own.send(error)


class _Taker:
    """Who takes tasks of an experiment, one at a time: one of its processes, or a place on a cluster."""

    def __init__(self, experiment: _Experiment) -> None:
        self.experiment = experiment
        self.batch: _Batch | None = None  # of the task in hand
        self.number = 0

    def take(self) -> TaskOrder:
        """Take a task that nobody has taken."""
        assert self.experiment.batch
        self.batch = self.experiment.batch
        self.number = self.batch.open.popleft()
        return TaskOrder(self.batch.calls[self.number])


class _Process(_Taker, WorkerProcess):
    """An experiment's own process, or a helper's."""

    def __init__(self, experiment: _Experiment, root: Path, first: Message, heard: _Heard) -> None:
        _Taker.__init__(self, experiment)
        self.ready = False  # a helper has imported what it needs; until then a task would have to wait
        WorkerProcess.__init__(self, root, first, lambda message: heard.put((self, message)))


_Heard = queue.Queue[tuple[_Taker, Message | None]]


class _Run:
    def __init__(
        self, jobs: Sequence[Job], root: Path, workers: int, listener: Listener, cluster: Cluster | None
    ) -> None:
        self.root, self.workers, self.listener, self.cluster = root, workers, listener, cluster
        self.waiting = sorted(jobs, key=lambda job: -(job.expected if job.expected is not None else float("inf")))
        self.running: list[_Experiment] = []
        self.outcomes: list[Outcome] = []
        self.heard: _Heard = queue.Queue()

    def all(self) -> list[Outcome]:
        try:
            while self.waiting or self.running:
                while self._computing < self.workers and self._use_a_core():
                    pass
                source, message = self.heard.get()
                if source.experiment in self.running:
                    self._heed(source, message)
        finally:
            self.listener = lambda job, message: None  # what is cut short here has not failed
            for experiment in self.running:
                for process in (experiment.own, *experiment.helpers):
                    process.terminate()
            for experiment in list(self.running):
                self._close(experiment)
        return self.outcomes

    @property
    def _computing(self) -> int:
        helpers = sum(helper.batch is not None for experiment in self.running for helper in experiment.helpers)
        return helpers + sum(not of.batch or of.own.batch is not None for of in self.running)

    def _use_a_core(self) -> bool:
        """Put one free core to use; say whether there was a use for it."""
        for experiment in self.running:
            batch, own = experiment.batch, experiment.own
            if batch and not own.batch and len(batch.results) == len(batch.calls):
                for number in range(len(batch.calls)):
                    own.send(batch.results[number])
                experiment.batch = None
                return True
            if batch and not own.batch and batch.open:
                own.send(own.take())
                return True
        most = self.workers + (self.cluster.threads if self.cluster else self.workers)
        if self.waiting and len(self.running) < most:
            job = replace(self.waiting.pop(0), away=self.cluster is not None)
            self.running.append(_Experiment(job, self.root, self.heard))
            return True
        for experiment in sorted(self.running, key=lambda experiment: -experiment.open):
            for helper in experiment.helpers:
                if experiment.open and helper.ready and not helper.batch:
                    helper.send(helper.take())
                    return True
        starting = sum(not helper.ready for experiment in self.running for helper in experiment.helpers)
        behind = max(self.running, key=lambda experiment: experiment.open, default=None)
        if not behind or behind.open <= starting or self._computing + starting >= self.workers:
            return False
        behind.start_helper()
        return True

    def _heed(self, source: _Taker, message: Message | None) -> None:
        """Take in what is said by an experiment's process, by a helper, or of a task on a cluster."""
        experiment, outcome = source.experiment, source.experiment.outcome
        own = source is experiment.own
        match message:
            case None if own:
                self._close(experiment)
            case None:
                assert isinstance(source, _Process)
                self._bury(source)
            case Started() if isinstance(source, _Process) and not own:
                source.ready = True
            case HandOut(what, calls):
                experiment.batch = _Batch(what, calls) if calls else None
                self._tell_how_far(experiment, what, 0, len(calls))
                while self.cluster and experiment.open:
                    self._send_away(experiment, self.cluster)
            case Progress() if source.batch:
                if source.batch is experiment.batch:  # else it is of one that was given up
                    self.listener(outcome.job, replace(message, task=source.number))
            case TaskResult():
                batch, source.batch = source.batch, None
                if batch and batch is experiment.batch:
                    batch.results[source.number] = message
                    self._tell_how_far(experiment, batch.what, len(batch.results), len(batch.calls))
            case Failed() if source.batch or not own:  # of a task, or of a helper that could not begin
                if source.batch in (None, experiment.batch):
                    experiment.fail(message)
                source.batch = None
            case _:
                if isinstance(message, Done):
                    outcome.computed, outcome.seconds = message.computed, message.seconds
                elif isinstance(message, Failed):
                    outcome.error, outcome.trace = message.error, message.trace
                elif isinstance(message, Started):
                    experiment.key = message.key
                    self._make_ready(experiment, message.spreads)
                self.listener(outcome.job, message)

    def _tell_how_far(self, experiment: _Experiment, what: str, done: int, total: int) -> None:
        self.listener(experiment.outcome.job, Progress(what, done, total))

    def _make_ready(self, experiment: _Experiment, spreads: bool) -> None:
        """Start helpers for tasks to come, where cores are free for them: they import while the experiment itself does."""
        job = experiment.outcome.job
        if not spreads or self.cluster or not job.stages or (job.expected or 0.0) < LONG:
            return
        _, pieces, _ = job.stages[0]  # as it was the last time
        free = self.workers - sum(1 + len(of.helpers) for of in self.running)
        for _ in range(min(int(pieces or 0) - 1, free)):
            experiment.start_helper()

    def _send_away(self, experiment: _Experiment, cluster: Cluster) -> None:
        """Have a cluster compute a task."""
        task = _Taker(experiment)

        def tell(message: Message, said: str) -> None:
            experiment.printed.append(said)
            self.heard.put((task, message))

        experiment.futures.append(cluster.submit(experiment.help_wanted, task.take(), tell))

    def _bury(self, helper: _Process) -> None:
        """Take leave of a helper that has ended: its task, if it had one in hand, is for another."""
        experiment, batch, code = helper.experiment, helper.batch, helper.end()
        experiment.helpers.remove(helper)
        experiment.printed.append(helper.said())
        if not batch or batch is not experiment.batch:
            return
        batch.deaths[helper.number] += 1
        if code < 0 and batch.deaths[helper.number] < DEATHS:
            batch.open.append(helper.number)
        else:
            experiment.fail(Failed(ended(code)))

    def _close(self, experiment: _Experiment) -> None:
        """Take leave of an experiment whose process has ended, and of its helpers."""
        self.running.remove(experiment)
        outcome, code = experiment.outcome, experiment.own.end()
        for helper in experiment.helpers:
            helper.terminate()
            helper.end()
            experiment.printed.append(helper.said())
        if self.cluster:
            self.cluster.forget(experiment.futures)
        outcome.said = "".join([experiment.own.said(), *experiment.printed])
        if code and not outcome.error:
            outcome.error, outcome.trace = ended(code), outcome.said
            self.listener(outcome.job, Failed(outcome.error))
        self.outcomes.append(outcome)
