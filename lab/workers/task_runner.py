"""An experiment's tasks as worker processes see them: the one that runs the experiment, and those that help it.

The experiment's own process computes tasks like any other while it waits for the rest; which task goes where is for the one who
started them to say (lab.run.scheduler).
"""

from __future__ import annotations

import queue
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from lab import device, progress, tasks
from lab.errors import LabError, Refused
from lab.keys import experiments, key, refusals
from lab.pickling import pickled, unpickled
from lab.results import codec
from lab.workers import arithmetic, draws, provenance
from lab.workers.messages import (
    Failed,
    HandOut,
    HelpOut,
    Message,
    Proceed,
    Progress,
    Ready,
    TaskDone,
    TaskFailed,
    TaskOrder,
    TaskResult,
    Tell,
)
from lab.workers.stages import StageLog
from press import reads, recorder

EVERY = 0.1  # seconds between two reports of progress
PATIENCE = 60.0  # seconds after which a helper that is asked for nothing ends


class TaskRunner:
    """Has an experiment's tasks computed, here and by helpers, and keeps account of what that cost."""

    def __init__(self, tell: Tell, inbox: queue.Queue[Message]) -> None:
        self._tell, self._inbox = tell, inbox
        self._batch = 0
        self.helped = 0.0  # CPU seconds of the tasks that others computed
        self.machines: set[str] = set()  # that helped
        self.arithmetic: list[dict[str, Any]] = []  # theirs, each once
        self._begun = time.process_time()
        self.log = StageLog(self.total_cost)

    def total_cost(self) -> float:
        """Return the CPU seconds that all has taken so far: what a run costs must not depend on what else the machine does."""
        return time.process_time() - self._begun + self.helped

    def __call__(self, calls: list[str], what: str) -> list[str]:
        """Return the results of all tasks.  An exception in a helper is raised here, as if it had happened here."""
        self._batch += 1
        found: dict[int, str] = {}
        self.log.note(what, 0, len(calls) or None)
        self._tell(HandOut(self._batch, what, calls))
        while True:
            message = self._inbox.get()
            if getattr(message, "batch", None) != self._batch:
                continue  # of one that was given up
            match message:
                case TaskOrder(number=number):
                    found[number], _ = timed_task(message, self._tell)
                    self._tell(TaskDone(number))
                case TaskResult(number=number):
                    found[number] = message.result
                    self.helped += message.seconds
                    self.machines.add(message.machine)
                    take_in(message.reads)
                    if message.arithmetic not in self.arithmetic:
                        self.arithmetic.append(message.arithmetic)
                case TaskFailed():
                    raise _exception(message)
                case Proceed():
                    self.log.note(what, len(calls), len(calls))
                    return [found[number] for number in range(len(calls))]


def help_out(job: HelpOut, root: Path, tell: Tell, inbox: queue.Queue[Message]) -> None:
    """Compute tasks of somebody else's experiment, until nobody asks for more."""
    wanted = key.compute(job.experiment, root, job.changes)
    if wanted.key != job.key:
        raise LabError(
            f"the code, data or versions of {job.experiment} are others here ({provenance.node()}) than where the run began\n"
            f"type again: lab run {job.experiment}"
        )
    here, recording = provenance.machine(), recorder.current()
    prepare(wanted)
    experiments.load(job.experiment, root)
    draws.remember()
    tell(Ready())
    while True:
        try:
            order = inbox.get(timeout=PATIENCE)
        except queue.Empty:
            return
        assert isinstance(order, TaskOrder)
        try:
            recording.running = True
            result, seconds = timed_task(order, tell)
            check_reads()
        except Exception as error:
            tell(_failed_task(order.batch, error))
        else:
            # All that was read since it started: what a cache in the code keeps is read once.
            tell(TaskResult(order.batch, order.number, result, seconds, here, arithmetic.here(), recording.record))


def take_in(record: reads.Record) -> None:
    """Add what another process of this run has read.  Raises LabError where the two have read different things."""
    if differ := reads.merge(recorder.current().record, record):
        said = f"two processes of this run have read different things: {', '.join(differ)}"
        raise LabError(f"{said}; its result was not kept")


def check_reads() -> None:
    """Raise Refused for what was read and cannot be recorded, LabError for what has changed since it was read."""
    recording = recorder.current()
    recording.running = False
    if recording.refused:
        raise Refused(recording.refused)
    if changed := recording.settle():
        raise LabError(f"the code or data changed while it ran ({', '.join(changed)}); its result was not kept")


def prepare(wanted: key.Key) -> None:
    """Make this process compute as all do: one thread, deterministic algorithms, and a record of what it reads."""
    recording = recorder.current()
    recording.strict, recording.running = wanted.book, True
    recording.follows(wanted.files.values())
    draws.seed(wanted.parts["versions"])
    if "torch" in wanted.parts["versions"]:
        import torch

        torch.set_num_threads(1)
        torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms would load the compiler: two seconds
        device.check_device()
        _refuse_operator()
    recorder.refuse_by_name(refusals.READERS, reads_files=True)
    recorder.refuse_by_name(refusals.CHANGING)


@cache
def _refuse_operator() -> Any:
    """Let PyTorch's operator that reads a file raise, by whatever name it is called; it does while what is returned lasts."""
    import torch

    def refused(*_: object, **__: object) -> None:
        recorder.current().refuse("torch.from_file", refusals.READERS["torch.from_file"], sys._getframe(1))

    operators: Any = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is overridden on purpose
        operators.impl("from_file", refused, "CPU")
    return operators


def whole(setting: tuple[str, dict[str, Any]]) -> tuple[dict[str, Any], dict[str, codec.Table]]:
    """Run an experiment (its name, its parameters) from first to last; return numbers and tables."""
    name, values = setting
    module = experiments.load(name, Path.cwd())  # a worker's working directory is the project, wherever that lies
    draws.remember()
    found = module.run(module.Params(**values))
    if not isinstance(found, module.Result):
        raise LabError(f"run in experiments.{name} returned {type(found).__name__}, not its Result")
    return codec.encode(found)


def timed_task(order: TaskOrder, tell: Tell) -> tuple[str, float]:
    """Return the result of a task, and the CPU seconds it took."""
    begun = time.process_time()
    with reports(tell, order.batch, order.number), draws.of_task():
        result = tasks.run_task(order.call)
    return result, time.process_time() - begun


@contextmanager
def reports(tell: Tell, batch: int = 0, number: int | None = None, log: StageLog | None = None) -> Iterator[None]:
    """Tell of all progress meanwhile, each kind of item a few times a second at most; note the parts of a run in `log`."""
    last: dict[str, float] = {}  # when each kind was last told of

    def listener(what: str, done: int, total: int | None) -> None:
        if log:
            log.note(what, done, total)
        if (now := time.monotonic()) - last.get(what, 0.0) >= EVERY or done == total:
            last[what] = now
            tell(Progress(what, done, total, batch, number))

    before = progress.listen(listener)
    try:
        yield
    finally:
        progress.listen(before)


def failure(error: Exception) -> Failed:
    """Say what went wrong, with the traceback from the experiment on, through the task that raised it."""
    if isinstance(error, LabError | recorder.Unrecordable) or type(error).__module__.partition(".")[0] in (
        "experiments",
        "nets",
    ):
        return Failed(str(error))  # the project's own say all there is
    trace = _not_ours(traceback.format_exception(error))
    trace[-1:-1] = getattr(error, "frames", [])
    return Failed(f"{type(error).__name__}: {error}", "".join(trace))


def _failed_task(batch: int, error: Exception) -> TaskFailed:
    """Return an exception as it travels: itself where it can be pickled, and where it happened."""
    said = failure(error)
    try:
        exception = pickled(error)
        unpickled(exception)
    except Exception:  # made in a way of its own
        exception = pickled(RuntimeError(said.error))
    return TaskFailed(batch, said.error, said.trace, exception, _not_ours(traceback.format_tb(error.__traceback__)))


def _exception(failed: TaskFailed) -> Exception:
    if not failed.exception:
        return LabError(failed.error)
    error: Exception = unpickled(failed.exception)
    error.frames = failed.frames  # type: ignore[attr-defined]
    return error


def _not_ours(frames: list[str]) -> list[str]:
    return [frame for frame in frames if f'File "{Path(__file__).parents[1]}' not in frame]
