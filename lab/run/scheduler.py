"""Runs experiments side by side, one process each, the longest first; and where a core is free after that, their pieces.

`workers` processes compute at a time, whatever they compute.  An experiment that has cut its work into pieces (lab.tasks) computes
them one by one in its own process; once no experiment waits to begin, helpers take some of them.  With a cluster, all pieces go
there, and this machine computes only what lies between them.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lab.run.run_state import Experiment, Helper, Sent
from lab.workers.worker_process import Event, Process, ended

if TYPE_CHECKING:
    from lab.dask.client import Cluster

DEATHS = 3  # of processes, by a signal, in one piece: then it is the piece's fault


@dataclass(frozen=True)
class Job:
    """One result to compute; all but `expected` is what its process is told."""

    experiment: str
    changes: dict[str, str] = field(default_factory=dict)  # to the book's parameters, as typed
    verify: bool = False  # compute beside the committed result, which stays as it is
    force: bool = False  # also if the result is fresh
    expected: float | None = None  # seconds, from the last time


@dataclass
class Outcome:
    """What became of a job."""

    job: Job
    computed: bool = False  # False with no error: somebody else had just computed it
    seconds: float = 0.0
    error: str = ""
    trace: str = ""
    said: str = ""  # on stderr, warnings for example


Listener = Callable[[Job, Event], None]


def run(
    jobs: Sequence[Job],
    root: Path,
    workers: int,
    listener: Listener = lambda job, event: None,
    cluster: Cluster | None = None,
) -> list[Outcome]:
    """Do all jobs, `workers` at a time, and tell `listener` of each event.  A job that fails stops no other.

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
        self.running: list[Experiment] = []
        self.events: queue.Queue[tuple[Experiment | Helper | Sent, Event | None]] = queue.Queue()

    def all(self) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            while self.waiting or self.running:
                while self._computing < self.workers and self._next():
                    pass
                source, event = self.events.get()
                if not isinstance(source, Experiment):
                    self._heed(source, event)
                elif event is not None:
                    self._note(source, event)
                else:
                    outcomes.append(self._close(source))
        finally:
            self.listener = lambda job, event: None  # what is cut short here has not failed
            for process in [*self.running, *(helper for experiment in self.running for helper in experiment.helpers)]:
                process.terminate()
            for experiment in list(self.running):
                self._close(experiment)
        return outcomes

    @property
    def _computing(self) -> int:
        helpers = sum(helper.piece is not None for experiment in self.running for helper in experiment.helpers)
        return helpers + sum(experiment.busy for experiment in self.running)

    def _next(self) -> bool:
        """Put one free core to use; say whether there was a use for it."""
        for experiment in self.running:
            if experiment.busy:
                continue
            if experiment.left == 0:
                experiment.tell("go on")
                return True
            if experiment.open:
                experiment.tell("compute", piece=experiment.open.popleft())
                return True
        most = self.workers + (self.cluster.threads if self.cluster else self.workers)
        if self.waiting and len(self.running) < most:
            job = self.waiting.pop(0)
            told = {name: value for name, value in asdict(job).items() if name != "expected"}
            first = told | {"root": str(self.root), "away": self.cluster is not None}
            self.running.append(Experiment(Outcome(job), self.root, first, self._hear))
            return True
        for experiment in sorted(self.running, key=lambda experiment: -len(experiment.open)):
            for helper in experiment.helpers:
                if experiment.open and helper.ready and helper.piece is None:
                    helper.take(experiment.open.popleft())
                    return True
        starting = [helper for experiment in self.running for helper in experiment.helpers if not helper.ready]
        behind = max(self.running, key=lambda experiment: len(experiment.open), default=None)
        if not behind or len(behind.open) <= len(starting) or self._computing + len(starting) >= self.workers:
            return False
        behind.helpers.append(Helper(behind, self.root, self._hear))
        return True

    def _hear(self, process: Process, event: Event | None) -> None:
        assert isinstance(process, Experiment | Helper)
        self.events.put((process, event))

    def _note(self, experiment: Experiment, event: Event) -> None:
        """Take in what the process of an experiment says."""
        outcome = experiment.outcome
        if event["event"] == "pieces":
            experiment.begin(event)
            self._progress(experiment)
            if self.cluster:
                for piece in experiment.open:
                    self._send(experiment, piece)
                experiment.open.clear()
            return
        if event["event"] == "computed":
            experiment.busy = experiment.failed  # it will not ask whether it may go on
            self._done(experiment, event["piece"])
            return
        if event["event"] == "started":
            experiment.key = event["key"]
        elif event["event"] == "done":
            outcome.computed, outcome.seconds = event["computed"], event["seconds"]
        elif event["event"] == "failed":
            outcome.error, outcome.trace = event["error"], event.get("trace", "")
        self.listener(outcome.job, event)

    def _send(self, experiment: Experiment, piece: int) -> None:
        assert self.cluster
        sent = Sent(experiment, piece)
        order = {"piece": piece, "call": experiment.calls[piece]}
        experiment.sent.append(self.cluster.send(experiment.helps, order, lambda event: self.events.put((sent, event))))

    def _heed(self, helper: Helper | Sent, event: Event | None) -> None:
        """Take in what a helper, here or elsewhere, says of a piece."""
        experiment, piece = helper.owner, helper.piece
        if experiment not in self.running:
            return
        if event is None:
            assert isinstance(helper, Helper)
            self._bury(helper)
        elif event["event"] == "ready":
            assert isinstance(helper, Helper)
            helper.ready = True
        elif event["event"] == "failed" and piece is None:
            experiment.fail(event)  # it could not begin
        elif event["event"] == "progress":
            if helper.spread == experiment.spread:
                self.listener(experiment.outcome.job, event)
        elif piece is not None:
            helper.piece = None
            experiment.outcome.said += event.pop("said", "")
            if helper.spread != experiment.spread:
                return  # of one that was given up
            if event["event"] == "computed":
                experiment.tell("take", **event)
                self._done(experiment, piece)
            else:
                experiment.fail(event)

    def _bury(self, helper: Helper) -> None:
        """Take leave of a helper that has ended: its piece, if it had one in hand, is for another."""
        experiment, piece, code = helper.owner, helper.piece, helper.end()
        experiment.helpers.remove(helper)
        experiment.outcome.said += helper.said
        if piece is None or helper.spread != experiment.spread:
            return
        experiment.deaths[piece] += 1
        if code < 0 and experiment.deaths[piece] < DEATHS:
            experiment.open.append(piece)
        else:
            experiment.fail({"error": ended(code)})

    def _done(self, experiment: Experiment, piece: int) -> None:
        experiment.left -= 1
        self.listener(experiment.outcome.job, {"event": "computed", "piece": piece})
        self._progress(experiment)

    def _progress(self, experiment: Experiment) -> None:
        total = len(experiment.calls)
        event = {"event": "progress", "what": experiment.what, "done": total - experiment.left, "total": total}
        self.listener(experiment.outcome.job, event)

    def _close(self, experiment: Experiment) -> Outcome:
        """Take leave of an experiment whose process has ended, and of its helpers."""
        self.running.remove(experiment)
        outcome, code = experiment.outcome, experiment.end()
        for helper in experiment.helpers:
            helper.terminate()
            helper.end()
            outcome.said += helper.said
        if self.cluster:
            self.cluster.forget(experiment.sent)
        outcome.said = experiment.said + outcome.said
        if code and not outcome.error:
            outcome.error, outcome.trace = ended(code), outcome.said
        self.listener(outcome.job, {"event": "ended", "error": outcome.error})
        return outcome
