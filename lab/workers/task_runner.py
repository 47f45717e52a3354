"""An experiment's tasks as worker processes see them: the one that runs the experiment, and those that help it.

The experiment's own process computes tasks like any other while it waits for the rest; which task goes where is for the one who
started them to say (lab.run.scheduler).
"""

from __future__ import annotations

import platform
import queue
import random
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from lab import device, progress, tasks
from lab.errors import LabError, Refused
from lab.keys import experiments, key, refusals
from lab.pickling import pickled, unpickled
from lab.results import codec
from lab.workers import arithmetic
from lab.workers.messages import Failed, HandOut, HelpOut, Message, Progress, Started, TaskOrder, TaskResult, Tell
from lab.workers.stages import StageLog
from press import reads, recorder

EVERY = 0.1  # seconds between two reports of progress

Draws = list[tuple[Callable[[Any], None], Any]]

_draws_then: Draws = []  # as they were when the project's code had been imported


class TaskRunner:
    """Has an experiment's tasks computed, here and by helpers, and keeps account of what that cost."""

    def __init__(self, tell: Tell, inbox: queue.Queue[Message]) -> None:
        self._tell, self._inbox = tell, inbox
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
        self.log.note(what, 0, len(calls) or None)
        self._tell(HandOut(what, calls))
        results: list[str] = []
        raised: Exception | None = None
        while len(results) < len(calls):
            match self._inbox.get():
                case TaskOrder(call):
                    try:
                        self._tell(TaskResult(_computed(call, self._tell), 0.0, {}))
                    except Exception as error:
                        raised = error
                        self._tell(_failed_task(error))
                case TaskResult() as found:
                    results.append(found.result)
                    if found.helper:
                        self._take_in(found)
                case Failed() as failed:
                    raise raised or _exception(failed)
        self.log.note(what, len(calls), len(calls))
        return results

    def _take_in(self, found: TaskResult) -> None:
        """Add what a helper's task cost, and what that helper has read.  Raises LabError where it read something else."""
        self.helped += found.seconds
        self.machines.add(found.helper["machine"])
        if found.helper["arithmetic"] not in self.arithmetic:
            self.arithmetic.append(found.helper["arithmetic"])
        if differ := reads.merge(recorder.current().record, found.helper["reads"]):
            said = f"two processes of this run have read different things: {', '.join(differ)}"
            raise LabError(f"{said}; its result was not kept")


def help_out(job: HelpOut, root: Path, tell: Tell, inbox: queue.Queue[Message]) -> None:
    """Compute tasks of somebody else's experiment, until it ends this process."""
    wanted = key.compute(job.experiment, root, job.changes)
    if wanted.key != job.key:
        raise LabError(
            f"the code, data or versions of {job.experiment} are others here ({platform.node()}) than where the run began\n"
            f"type again: lab run {job.experiment}"
        )
    machine, recording = arithmetic.machine(), recorder.current()
    prepare(wanted)
    experiments.load(job.experiment, root)
    remember_draws()
    tell(Started(wanted.key))
    while True:
        order = inbox.get()
        assert isinstance(order, TaskOrder)
        begun = time.process_time()
        try:
            recording.running = True
            result = _computed(order.call, tell)
            seconds = time.process_time() - begun
            check_reads()
        except Exception as error:
            tell(_failed_task(error))
        else:
            # All that was read since it started: what a cache in the code keeps is read once.
            here = {"machine": machine, "arithmetic": arithmetic.here(), "reads": recording.record}
            tell(TaskResult(result, seconds, here))


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
    seed_draws(wanted.parts["versions"])
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
    remember_draws()
    found = module.run(module.Params(**values))
    if not isinstance(found, module.Result):
        raise LabError(f"run in experiments.{name} returned {type(found).__name__}, not its Result")
    return codec.encode(found)


def seed_draws(libraries: Iterable[str]) -> None:
    """Seed the generators that are seeded by chance; PyTorch's is not."""
    random.seed(0)
    if libraries:
        with suppress(ImportError):
            import numpy as np

            np.random.seed(0)


def remember_draws() -> None:
    """Let tasks begin with the generators as they are now."""
    global _draws_then
    _draws_then = _draws()


@contextmanager
def draws_of_task() -> Iterator[None]:
    """Compute a task whose numbers depend on no other task, and that leaves the experiment's own as they were."""
    before = _draws()
    _put_back(_draws_then)
    try:
        yield
    finally:
        _put_back(before)


def _draws() -> Draws:
    kept: Draws = [(random.setstate, random.getstate())]
    if numpy := sys.modules.get("numpy.random"):
        kept.append((numpy.set_state, numpy.get_state()))
    if "torch._C" in sys.modules:
        torch = sys.modules["torch"]
        kept.append((torch.set_rng_state, torch.get_rng_state()))
    return kept


def _put_back(kept: Draws) -> None:
    for put, state in kept:
        put(state)


def _computed(call: str, tell: Tell) -> str:
    """Return the result of a task."""
    with reports(tell), draws_of_task():
        return tasks.run_task(call)


@contextmanager
def reports(tell: Tell, log: StageLog | None = None) -> Iterator[None]:
    """Tell of all progress meanwhile, each kind of item a few times a second at most; note the parts of a run in `log`."""
    last: dict[str, float] = {}  # when each kind was last told of

    def listener(what: str, done: int, total: int | None) -> None:
        if log:
            log.note(what, done, total)
        if (now := time.monotonic()) - last.get(what, 0.0) >= EVERY or done == total:
            last[what] = now
            tell(Progress(what, done, total))

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


def _failed_task(error: Exception) -> Failed:
    """Return an exception as it travels: itself where it can be pickled, and where it happened."""
    said = failure(error)
    try:
        exception = pickled(error)
        unpickled(exception)
    except Exception:  # made in a way of its own
        exception = pickled(RuntimeError(said.error))
    return Failed(said.error, said.trace, exception, _not_ours(traceback.format_tb(error.__traceback__)))


def _exception(failed: Failed) -> Exception:
    if not failed.exception:
        return LabError(failed.error)
    error: Exception = unpickled(failed.exception)
    error.frames = failed.frames  # type: ignore[attr-defined]
    return error


def _not_ours(frames: list[str]) -> list[str]:
    return [frame for frame in frames if f'File "{Path(__file__).parents[1]}' not in frame]
