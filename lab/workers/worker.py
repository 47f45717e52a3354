"""Computes one result in a process of its own: `python -m lab.workers.worker`, messages on stdin and stdout.

It computes with one thread and deterministic algorithms, so that the number of workers cannot matter; it holds the result's
lock while it works, so that two processes asked for one result compute it once; and it dies with the one who asked.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import Timeout

from lab import tasks
from lab.errors import LabError, NoResult
from lab.keys import key
from lab.results import registration, store, write_errors
from lab.results.lock import lock_of
from lab.results.shared_cache import Shared
from lab.workers import arithmetic, provenance, task_runner
from lab.workers.messages import (
    ComputeResult,
    Done,
    HelpOut,
    Keys,
    MakeKeys,
    Message,
    Started,
    Tell,
    Waiting,
    from_line,
    to_line,
)


def main() -> None:
    """Do one job in the project that is the working directory."""
    job = from_line(sys.stdin.readline())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what an experiment prints goes to stderr, messages alone to stdout
    inbox: queue.Queue[Message] = queue.Queue()
    threading.Thread(target=_listen, args=(inbox,), daemon=True).start()

    def tell(message: Message) -> None:
        answers.write(to_line(message))
        answers.flush()

    root = Path.cwd()
    try:
        match job:
            case ComputeResult():
                publish(job, root, tell, inbox)
            case HelpOut():
                task_runner.help_out(job, root, tell, inbox)
            case MakeKeys():
                tell(Keys(sys.version.split()[0], [_parts(root, *asked) for asked in job.asked]))
    except Exception as error:
        tell(task_runner.failure(error))
        sys.exit(1)


def _parts(root: Path, experiment: str, changes: dict[str, str]) -> dict[str, Any]:
    """Return what a key is made of here, or the error that there is instead of one."""
    try:
        found = key.compute(experiment, root, changes)
    except LabError as error:
        return {"error": str(error)}
    return {"key": found.key, "params": found.packed, "parts": found.parts}


def publish(job: ComputeResult, root: Path, tell: Tell, inbox: queue.Queue[Message]) -> None:
    """Compute a result and publish it, unless somebody else has by the time the lock is free."""
    name, anyway = job.experiment, job.force or job.verify
    wanted = key.compute(name, root, job.changes)
    place: Path | Shared = verify_folder(root, name)
    if not job.verify:
        place = store.folder(root, name, wanted.key, wanted.book)
    lock = lock_of(place, root)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell(Waiting())
        lock.acquire()
    with lock:
        lock.release()  # acquired twice by now; once is enough, and then it is free at the end
        if not anyway and is_fresh(wanted, place, root):
            tell(Done(0.0, computed=False))
            return
        if not anyway and (earlier := _earlier(wanted, root)):
            _keep(place, wanted, root)
            store.write_result(place, root, earlier)
            tell(Done(0.0, computed=False))
            return
        if isinstance(place, Shared):
            place.check()
        else:
            write_errors.check_writable(place)
        tell(Started(wanted.key))
        try:
            stored = compute_result(wanted, root, tell, inbox, job.away)
        except Exception:
            _refuse_changed(
                wanted, root, job.changes
            )  # half-saved code fails in ways of its own, which explain nothing
            raise
        _refuse_changed(wanted, root, job.changes)
        if not job.verify:
            _keep(place, wanted, root)
        store.write_result(place, root, stored)
        tell(Done(stored.provenance["seconds"], computed=True))


def _earlier(wanted: key.Key, root: Path) -> store.Stored | None:
    """Return the book's result as it was when this very key was last the book's: an edit was taken back."""
    place = store.local(root, wanted.experiment, wanted.key)
    return store.read_result(place, root) if wanted.book and is_fresh(wanted, place, root) else None


def _keep(place: Path | Shared, wanted: key.Key, root: Path) -> None:
    """Put the book's result that is about to be replaced into the cache, where other settings' results are."""
    with suppress(NoResult):
        there = store.read_result(place, root)
        if wanted.book and there.key != wanted.key:
            kept = store.local(root, wanted.experiment, there.key)
            with suppress(Timeout), lock_of(kept, root).acquire(timeout=0):
                store.write_result(kept, root, there)


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


def compute_result(
    wanted: key.Key, root: Path, tell: Tell, inbox: queue.Queue[Message], away: bool = False
) -> store.Stored:
    """Run an experiment at one setting; the caller publishes what comes back.

    With `away`, one that does not cut its work into tasks is handed out whole: then this process only waits for it.
    """
    runner = task_runner.TaskRunner(tell, inbox)
    waited = away and not wanted.spreads  # for others, who compute all of it
    begin = time.perf_counter()
    tasks.through(runner)
    try:
        if waited:
            ((numbers, tables),) = tasks.spread(task_runner.whole, [(wanted.experiment, wanted.values)], "runs")
        else:
            task_runner.prepare(wanted)
            with task_runner.reports(tell):
                numbers, tables = task_runner.whole((wanted.experiment, wanted.values))
    finally:
        tasks.through(None)
    mine = [] if waited else [arithmetic.here()]
    made = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - begin - runner.away + runner.cost, 2),  # all of it, on one core
        "machine": "; ".join(sorted(runner.machines | (set() if waited else {provenance.machine()}))),
        "arithmetic": [*runner.arithmetic, *(one for one in mine if one not in runner.arithmetic)],
        "python": sys.version.split()[0],
        "versions": wanted.parts["versions"],
        "commit": provenance.commit(root),
    }
    if wanted.book:
        if left := registration.unregistered(wanted.experiment, root):
            hint = f"type before the first run: lab register {wanted.experiment}, and commit it"
            print(f"the rules of {', '.join(left)} are not registered; {hint}", file=sys.stderr)
        if registered := registration.for_result(wanted.experiment, root):
            made["registered"] = registered
    return store.Stored(wanted.experiment, wanted.key, wanted.packed, numbers, tables, wanted.parts, made)


def is_fresh(wanted: key.Key, place: Path | Shared, root: Path) -> bool:
    """Say whether the result at `place` is the wanted one, undamaged."""
    try:
        return store.read_result(place, root).key == wanted.key
    except NoResult:
        return False


def verify_folder(root: Path, name: str) -> Path:
    """Return where a result is recomputed to, beside the committed one."""
    return root / ".lab" / "verify" / name


def _listen(inbox: queue.Queue[Message]) -> None:
    for line in sys.stdin:
        inbox.put(from_line(line))
    os._exit(1)  # the parent has ended, however it ended


if __name__ == "__main__":
    main()
