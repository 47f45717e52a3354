"""Pieces as worker processes see them: the one that runs the experiment, and those that help it.

The experiment's own process computes pieces like any other while it waits for the rest; which piece goes where is for the one who
started them to say (lab.run.scheduler).
"""

from __future__ import annotations

import queue
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import device, pickling, progress, tasks
from lab.errors import LabError, Refused
from lab.keys import experiments, key
from lab.results import codec
from lab.workers import provenance
from press import reads, recorder

EVERY = 0.1  # seconds between two reports of progress
PATIENCE = 60.0  # seconds after which a helper that is asked for nothing ends


class Hands:
    """Has the pieces of an experiment computed, here and by helpers, and keeps account of what that cost."""

    def __init__(self, tell: Any, orders: queue.Queue[dict[str, Any]]) -> None:
        self._tell, self._orders = tell, orders
        self._spreads = 0
        self.away = 0.0  # seconds between handing out and having the last result
        self.cost = 0.0  # seconds that the pieces took, wherever they were computed
        self.machines: set[str] = set()  # that helped

    def __call__(self, calls: list[str], what: str) -> list[str]:
        """Return the results of all pieces.  An exception in a helper is raised here, as if it had happened here."""
        begun = time.perf_counter()
        self._spreads += 1
        found: dict[int, str] = {}
        self._tell(event="pieces", spread=self._spreads, what=what, calls=calls)
        while True:
            order = self._orders.get()
            if order["spread"] != self._spreads:
                continue  # of one that was given up
            if order["do"] == "go on":
                self.away += time.perf_counter() - begun
                return [found[index] for index in range(len(calls))]
            if order["do"] == "fail":
                raise _error(order)
            index = order["piece"]
            if order["do"] == "compute":
                found[index], seconds = compute(calls[index], self._tell, index)
                self._tell(event="computed", piece=index)
            else:
                found[index], seconds = order["result"], order["seconds"]
                self.machines.add(order["machine"])
                take_in(order["reads"])
            self.cost += seconds


def help_out(job: dict[str, Any], root: Path, tell: Any, orders: queue.Queue[dict[str, Any]]) -> None:
    """Compute the pieces of somebody else's experiment, until nobody asks for more."""
    name = job["experiment"]
    experiments.load(name, root)
    wanted = key.compute(name, root, job["changes"])
    if wanted.key != job["key"]:
        raise LabError(
            f"the code, data or versions of {name} are others here ({provenance.node()}) than where the run began\n"
            f"type again: lab run {name}"
        )
    prepare(wanted)
    here, recording = provenance.name(), recorder.active()
    assert recording
    tell(event="ready")
    while True:
        try:
            order = orders.get(timeout=PATIENCE)
        except queue.Empty:
            return
        try:
            recording.running = True
            result, seconds = compute(order["call"], tell, order["piece"])
            check_reads()
        except Exception as error:
            tell(event="failed", **packed(error))
        else:
            told = {"piece": order["piece"], "result": result, "seconds": seconds, "machine": here}
            tell(event="computed", **told, reads=recording.record)  # all since it started: what is cached is read once


def take_in(record: reads.Record) -> None:
    """Add what another process of this run has read.  Raises LabError where the two have read different things."""
    recording = recorder.active()
    assert recording
    if differ := reads.merge(recording.record, record):
        raise LabError(
            f"two processes of this run have read different things: {', '.join(differ)}; its result was not kept"
        )


def check_reads() -> None:
    """Raise Refused for what was read and cannot be recorded, LabError for what has changed since it was read."""
    recording = recorder.active()
    assert recording
    recording.running = False
    if recording.refused:
        raise Refused(recording.refused)
    if changed := recording.settle():
        raise LabError(f"the code or data changed while it ran ({', '.join(changed)}); its result was not kept")


def prepare(wanted: key.Key) -> None:
    """Make this process compute as all do: one thread, deterministic algorithms, and a record of what it reads."""
    recording = recorder.active()
    assert recording
    recording.strict, recording.running = wanted.book, True
    if "torch" in wanted.parts["versions"]:
        import torch

        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        device.check()
    recorder.refuse_unseen()


def whole(setting: tuple[str, dict[str, Any]]) -> tuple[dict[str, Any], dict[str, codec.Table]]:
    """Run an experiment (its name, its parameters) from first to last; return numbers and tables."""
    name, values = setting
    module = experiments.load(name, Path.cwd())  # a worker's working directory is the project, wherever that lies
    found = module.run(module.Params(**values))
    if not isinstance(found, module.Result):
        raise LabError(f"run in experiments/{name}.py returned {type(found).__name__}, not its Result")
    return codec.encode(found)


def compute(call: str, tell: Any, piece: int) -> tuple[str, float]:
    """Return the result of a piece, and the seconds it took."""
    begun = time.perf_counter()
    with reports(tell, piece=piece):
        result = tasks.compute(call)
    return result, time.perf_counter() - begun


@contextmanager
def reports(tell: Any, **about: int) -> Iterator[None]:
    """Tell of all progress meanwhile, each kind of item a few times a second at most."""
    last: dict[str, float] = {}  # when each kind was last told of

    def listener(what: str, done: int, total: int | None) -> None:
        if (now := time.monotonic()) - last.get(what, 0.0) >= EVERY or done == total:
            last[what] = now
            tell(event="progress", what=what, done=done, total=total, **about)

    before = progress.listen(listener)
    try:
        yield
    finally:
        progress.listen(before)


def explained(error: Exception) -> dict[str, str]:
    """Return what went wrong, and the traceback from the experiment on, through the piece that raised it."""
    if isinstance(error, LabError | recorder.Unrecordable) or type(error).__module__.partition(".")[0] in (
        "experiments",
        "nets",
    ):
        return {"error": str(error)}  # the project's own say all there is
    trace = traceback.format_exception(error)
    mine = [frame for frame in trace if f'File "{Path(__file__).parents[1]}' not in frame]
    mine[-1:-1] = getattr(error, "frames", [])
    return {"error": f"{type(error).__name__}: {error}", "trace": "".join(mine)}


def packed(error: Exception) -> dict[str, Any]:
    """Return an exception as it travels: itself where it can be pickled, and where it happened."""
    frames = [
        frame for frame in traceback.format_tb(error.__traceback__) if f'File "{Path(__file__).parents[1]}' not in frame
    ]
    said = explained(error)
    try:
        exception = pickling.pack(error)
        pickling.unpack(exception)
    except Exception:  # made in a way of its own
        exception = pickling.pack(RuntimeError(said["error"]))
    return said | {"exception": exception, "frames": frames}


def _error(order: dict[str, Any]) -> Exception:
    if "exception" not in order:
        return LabError(order["error"])
    error: Exception = pickling.unpack(order["exception"])
    error.frames = order["frames"]  # type: ignore[attr-defined]
    return error
