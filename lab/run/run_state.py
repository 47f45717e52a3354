"""What is to be computed in a run and who takes part: the process of each experiment, the helpers beside it, and the tasks that a cluster has."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.workers.messages import ComputeResult, HandOut, HelpOut, Message, Proceed, TaskFailed, TaskOrder
from lab.workers.stages import Stage
from lab.workers.worker_process import WorkerProcess

Hear = Callable[[WorkerProcess, Message | None], None]


@dataclass(frozen=True)
class Job:
    """One result to compute."""

    experiment: str
    changes: dict[str, str] = field(default_factory=dict)  # to the book's parameters, as typed
    verify: bool = False  # compute beside the committed result, which stays as it is
    force: bool = False  # also if the result is fresh
    expected: float | None = None  # seconds, from the last time
    stages: Sequence[Stage] = ()  # the parts of the last run

    def message(self, away: bool) -> ComputeResult:
        """Return what its process is told; `away`: tasks are computed elsewhere."""
        return ComputeResult(self.experiment, self.changes, self.verify, self.force, away)


@dataclass
class Outcome:
    """What became of a job."""

    job: Job
    computed: bool = False  # False with no error: somebody else had just computed it
    seconds: float = 0.0
    error: str = ""
    trace: str = ""
    said: str = ""  # on stderr, warnings for example


class ExperimentProcess(WorkerProcess):
    """The process that computes one result, and how far the tasks are that it waits for, if it does."""

    def __init__(self, outcome: Outcome, root: Path, away: bool, hear: Hear) -> None:
        self.outcome = outcome
        self.busy = True  # computing: it takes one of the places
        self.key = ""
        self.helpers: list[HelperProcess] = []
        self.futures: list[Any] = []  # a cluster's, of its tasks
        self.handed_out = HandOut(0, "", [])  # the batch of tasks that it waits for
        self.open = deque[int]()  # tasks that nobody has taken
        self.left = -1  # tasks that are not done; -1: there are none to wait for
        self.deaths = Counter[int]()  # of processes, by task
        self.failed = False  # a task has
        super().__init__(root, outcome.job.message(away), hear)

    @property
    def help_wanted(self) -> HelpOut:
        """What a helper has to know."""
        job = self.outcome.job
        return HelpOut(job.experiment, job.changes, self.key)

    def begin(self, handed_out: HandOut) -> None:
        """Note that it has cut its work into tasks, and waits for what to do about them."""
        self.handed_out = handed_out
        self.left = len(handed_out.calls)
        self.open = deque(range(self.left))
        self.deaths.clear()
        self.busy = self.failed = False

    def order(self, number: int) -> TaskOrder:
        """Return what to tell whoever is to compute a task."""
        return TaskOrder(self.handed_out.batch, number, self.handed_out.calls[number])

    def compute(self) -> None:
        """Have it compute an open task itself."""
        self.busy = True
        self.send(self.order(self.open.popleft()))

    def proceed(self) -> None:
        """Let it go on: all tasks are done."""
        self.left, self.busy = -1, True
        self.send(Proceed(self.handed_out.batch))

    def fail(self, error: TaskFailed) -> None:
        """Hand on how a task failed; it will raise that, and need no more tasks."""
        if not self.failed:
            self.open.clear()
            self.failed = self.busy = True
            self.send(error)


class HelperProcess(WorkerProcess):
    """A process that computes tasks of one experiment."""

    def __init__(self, owner: ExperimentProcess, root: Path, hear: Hear) -> None:
        self.owner = owner
        self.ready = False  # it has imported what it needs; until then it gets no task, or that would have to wait
        self.order: TaskOrder | None = None  # in hand
        super().__init__(root, owner.help_wanted, hear)

    def take(self, number: int) -> None:
        """Compute a task."""
        self.order = self.owner.order(number)
        self.send(self.order)


class ClusterTask:
    """A task that a cluster has."""

    def __init__(self, owner: ExperimentProcess, number: int) -> None:
        self.owner = owner
        self.order: TaskOrder | None = owner.order(number)
