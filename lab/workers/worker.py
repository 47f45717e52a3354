"""Computes one result in a process of its own: `python -m lab.workers.worker`, messages on stdin and stdout.

It computes with one thread and deterministic algorithms, so that the number of workers cannot matter; it holds the result's
lock while it works, so that two processes asked for one result compute it once; and it dies with the one who asked.
"""

from __future__ import annotations

import json
import os
import queue
import re
import sys
import tempfile
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import Timeout

from lab import tasks
from lab.errors import LabError, NoResult, Refused
from lab.keys import key
from lab.results import codec, registration, store
from lab.results.shared_cache import Shared
from lab.results.writing import check_writable, lock_of
from lab.workers import arithmetic, task_runner
from lab.workers.messages import Done, HelpOut, Job, Message, Started, Tell, Waiting, from_line, to_line
from press import reads, recorder


def main() -> None:
    """Do one job in the project that is the working directory."""
    around, job = json.loads(sys.stdin.readline()), from_line(sys.stdin.readline())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what an experiment prints goes to stderr, messages alone to stdout
    inbox: queue.Queue[Message] = queue.Queue()
    threading.Thread(target=_listen, args=(inbox,), daemon=True).start()

    def tell(message: Message) -> None:
        answers.write(to_line(message))
        answers.flush()

    root = Path.cwd()
    recorder.start(root, around)
    try:
        if isinstance(job, HelpOut):
            task_runner.help_out(job, root, tell, inbox)
        else:
            assert isinstance(job, Job)
            publish(job, root, tell, inbox)
    except Exception as error:
        tell(task_runner.failure(error))
        sys.exit(1)


def publish(job: Job, root: Path, tell: Tell, inbox: queue.Queue[Message]) -> None:
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
        if not anyway and _is_there(place, wanted, root, reads.Present(root, recorder.current().variables())):
            tell(Done(0.0, computed=False))
            return
        if isinstance(place, Shared):
            place.check()
        else:
            check_writable(place)
        tell(Started(wanted.key, wanted.spreads))
        try:
            stored = compute_result(wanted, root, tell, inbox, job.away)
        finally:  # also where it failed: half-saved code fails in ways of its own, which explain nothing
            _refuse_changed(wanted, root, job.changes)
        if not job.verify:
            _keep(place, stored, root)
        beside = not (job.verify or wanted.book)
        store.write_result(store.place_for(place, root, stored) if beside else place, root, stored)
        tell(Done(stored.provenance["seconds"], computed=True))


def _is_there(place: Path | Shared, wanted: key.Key, root: Path, present: reads.Present) -> bool:
    """Say whether the wanted result is there; the book's may lie in the cache, since code or data are again as they were."""
    if store.find_fresh(place, root, wanted, present):
        return True
    kept = store.local(root, wanted.experiment, wanted.key)
    if not (wanted.book and (found := store.find_fresh(kept, root, wanted, present))):
        return False
    _keep(place, found[1], root)
    store.write_result(place, root, found[1])
    return True


def _keep(place: Path | Shared, new: store.Stored, root: Path) -> None:
    """Put the book's result that is about to be replaced into the cache, where other settings' results are."""
    if place != root / "results" / new.experiment:
        return
    with suppress(NoResult):
        there = store.read_result(place, root)
        if (there.key, there.parts.get("reads")) != (new.key, new.parts.get("reads")):
            kept = store.local(root, new.experiment, there.key)
            with suppress(Timeout), lock_of(kept, root).acquire(timeout=0):
                store.write_result(store.place_for(kept, root, there), root, there)


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
    tasks.through(runner)
    try:
        if waited:
            ((numbers, tables),) = tasks.spread(task_runner.whole, [(wanted.experiment, wanted.values)], "runs")
        else:
            task_runner.prepare(wanted)
            with task_runner.reports(tell, log=runner.log):
                numbers, tables = task_runner.whole((wanted.experiment, wanted.values))
    except recorder.Unrecordable as error:
        raise Refused(str(error)) from None
    finally:
        tasks.through(None)
    task_runner.check_reads()
    _refuse_places(numbers, tables, root)
    recording = recorder.current()
    mine = [] if waited else [arithmetic.here()]
    made = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(runner.total_cost(), 2),  # of CPU, all of it
        "stages": runner.log.stages,
        "machine": "; ".join(sorted(runner.machines | (set() if waited else {arithmetic.machine()}))),
        "arithmetic": [*runner.arithmetic, *(one for one in mine if one not in runner.arithmetic)],
        "python": sys.version.split()[0],
        "versions": wanted.parts["versions"],
        "commit": registration.git_says(root, "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*")
        or None,
    }
    if wanted.book:
        if left := registration.unregistered(wanted.experiment, root):
            hint = f"type before the first run: lab register {wanted.experiment}, and commit it"
            print(f"the rules of {', '.join(left)} are not registered; {hint}", file=sys.stderr)
        if registered := registration.for_result(wanted.experiment, root):
            made["registered"] = registered
    parts = wanted.parts | {"reads": {kind: dict(sorted(found.items())) for kind, found in recording.record.items()}}
    return store.Stored(wanted.experiment, wanted.key, wanted.packed, numbers, tables, parts, made)


def _refuse_places(numbers: dict[str, Any], tables: dict[str, codec.Table], root: Path) -> None:
    """Raise Refused for a text in a result that says where the project lies, or where in memory something did."""
    for name, found in [*numbers.items(), *((name, table.csv.decode()) for name, table in tables.items())]:
        text = str(found)
        for place in (str(root.resolve()), tempfile.gettempdir() + os.sep):
            if place in text:
                raise Refused(
                    f"{name} in the result names a place on this machine: {place}\nname what lies there instead"
                )
        if met := re.search(r" at 0x[0-9a-f]{6,}>", text):
            raise Refused(f"{name} in the result says{met[0][:-1]}\nno two runs have the same: write what it means")


def verify_folder(root: Path, name: str) -> Path:
    """Return where a result is recomputed to, beside the committed one."""
    return root / ".lab" / "verify" / name


def _listen(inbox: queue.Queue[Message]) -> None:
    for line in sys.stdin:
        inbox.put(from_line(line))
    os._exit(1)  # the parent has ended, however it ended


if __name__ == "__main__":
    main()
