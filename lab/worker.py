"""Computes one result in a process of its own: `python -m lab.worker`, one job as JSON on stdin, events as JSON on stdout.

It computes with one thread and deterministic algorithms, so that the number of workers cannot matter; it holds the result's
lock while it works, so that two processes asked for one result compute it once; and it dies with the one who asked.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import Timeout

from lab import codec, experiment, key, machine, progress, store
from lab.errors import LabError, NoResult
from lab.lock import lock_of
from lab.plain import dumps, loads

EVERY = 0.1  # seconds between two reports of progress


def main() -> None:
    """Do one job."""
    job = loads(sys.stdin.readline())
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what an experiment prints goes to stderr, events alone to stdout
    threading.Thread(target=_die_with_parent, daemon=True).start()

    def tell(**event: Any) -> None:
        events.write(dumps(event) + "\n")
        events.flush()

    root = Path(job["root"])
    try:
        work(job["experiment"], root, job["changes"], tell, verify=job["verify"], force=job["force"])
    except LabError as error:
        tell(event="failed", error=str(error))
        sys.exit(1)
    except Exception as error:
        trace = traceback.format_exception(error)
        mine = [frame for frame in trace if f'File "{Path(__file__).parent}' not in frame]
        last = f"{type(error).__name__}: {error}"
        tell(event="failed", error=last, trace="".join(mine))
        sys.exit(1)


def work(
    name: str, root: Path, changes: dict[str, str], tell: Any, *, verify: bool = False, force: bool = False
) -> None:
    """Compute a result and publish it, unless somebody else has by the time the lock is free."""
    wanted = key.compute(name, root, changes)
    place = verify_folder(root, name) if verify else store.folder(root, name, wanted.key, wanted.book)
    lock = lock_of(place, root)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell(event="waiting")
        lock.acquire()
    with lock:
        lock.release()  # acquired twice by now; once is enough, and then it is free at the end
        if not (force or verify) and is_fresh(wanted, place, root):
            tell(event="done", seconds=0.0, computed=False, key=wanted.key)
            return
        if not (force or verify) and (earlier := _earlier(wanted, root)):
            _keep(place, wanted, root)
            store.write(place, root, earlier)
            tell(event="done", seconds=0.0, computed=False, key=wanted.key)
            return
        tell(event="started", key=wanted.key)
        try:
            stored = compute(wanted, root, tell)
        except Exception:
            _refuse_changed(wanted, root, changes)  # half-saved code fails in ways of its own, which explain nothing
            raise
        _refuse_changed(wanted, root, changes)
        if not verify:
            _keep(place, wanted, root)
        store.write(place, root, stored)
        tell(event="done", seconds=stored.provenance["seconds"], computed=True, key=wanted.key)


def _earlier(wanted: key.Key, root: Path) -> store.Stored | None:
    """Return the book's result as it was when this very key was last the book's: an edit was taken back."""
    place = store.folder(root, wanted.experiment, wanted.key, False)
    return store.read(place, root) if wanted.book and is_fresh(wanted, place, root) else None


def _keep(place: Path, wanted: key.Key, root: Path) -> None:
    """Put the book's result that is about to be replaced into the cache, where other settings' results are."""
    with suppress(NoResult):
        there = store.read(place, root)
        if wanted.book and there.key != wanted.key:
            kept = store.folder(root, wanted.experiment, there.key, False)
            with suppress(Timeout), lock_of(kept, root).acquire(timeout=0):
                store.write(kept, root, there)


def _refuse_changed(wanted: key.Key, root: Path, changes: dict[str, str]) -> None:
    name = wanted.experiment
    try:
        now = key.compute(name, root, changes).key
    except LabError:  # saved in the middle of a thought
        now = ""
    if now != wanted.key:
        raise LabError(
            f"the code or data of {name} changed while it ran; its result was not kept\ntype: lab run {name}"
        )


def compute(wanted: key.Key, root: Path, tell: Any) -> store.Stored:
    """Run an experiment at one setting; the caller publishes what comes back."""
    module = experiment.load(wanted.experiment, root)
    if "torch" in wanted.parts["versions"]:
        import torch

        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
    last: dict[str, float] = {}  # when each kind of item was last told of

    def listener(what: str, done: int, total: int | None) -> None:
        if (now := time.monotonic()) - last.get(what, 0.0) >= EVERY or done == total:
            last[what] = now
            tell(event="progress", what=what, done=done, total=total)

    progress.listen(listener)
    begin = time.perf_counter()
    try:
        found = module.run(module.Params(**wanted.values))
    finally:
        progress.listen(None)
    seconds = round(time.perf_counter() - begin, 2)
    if not isinstance(found, module.Result):
        raise LabError(f"run in experiments/{wanted.experiment}.py returned {type(found).__name__}, not its Result")
    numbers, tables = codec.encode(found)
    provenance = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
        "machine": machine.name(),
        "python": sys.version.split()[0],
        "versions": wanted.parts["versions"],
        "commit": machine.commit(root),
    }
    return store.Stored(wanted.experiment, wanted.key, wanted.packed, numbers, tables, wanted.parts, provenance)


def is_fresh(wanted: key.Key, place: Path, root: Path) -> bool:
    """Say whether the result at `place` is the wanted one, undamaged."""
    try:
        return store.read(place, root).key == wanted.key
    except NoResult:
        return False


def verify_folder(root: Path, name: str) -> Path:
    """Return where a result is recomputed to, beside the committed one."""
    return root / ".lab" / "verify" / name


def _die_with_parent() -> None:
    sys.stdin.read()  # ends when the parent does, however it ends
    os._exit(1)


if __name__ == "__main__":
    main()
