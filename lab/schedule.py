"""Runs experiments side by side, one process each; the longest first, so that no long one is left over at the end."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Job:
    """One result to compute."""

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


Listener = Callable[[Job, dict[str, Any]], None]


def run(jobs: Sequence[Job], root: Path, workers: int, listener: Listener = lambda job, event: None) -> list[Outcome]:
    """Do all jobs, `workers` at a time, and tell `listener` of each event.  A job that fails stops no other.

    KeyboardInterrupt ends the jobs in hand and passes on; results published by then stay.
    """
    waiting = sorted(jobs, key=lambda job: -(job.expected if job.expected is not None else float("inf")))
    outcomes: list[Outcome] = []
    running: dict[int, _Worker] = {}  # by process number
    events: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                worker = _Worker(waiting.pop(0), root, events)
                running[worker.process.pid] = worker
            pid, event = events.get()
            outcome = running[pid].outcome
            if event is not None:
                _note(outcome, event)
                listener(outcome.job, event)
                continue
            code = running.pop(pid).end()
            if code and not outcome.error:
                outcome.error = f"its process ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}"
                outcome.trace = outcome.said
            outcomes.append(outcome)
            listener(outcome.job, {"event": "ended", "error": outcome.error})
    finally:
        for worker in running.values():
            worker.process.terminate()
        for worker in running.values():
            worker.end()
    return outcomes


class _Worker:
    """A process that computes one result, and the threads that hear what it tells."""

    def __init__(self, job: Job, root: Path, events: queue.Queue[tuple[int, dict[str, Any] | None]]) -> None:
        self.outcome = Outcome(job)
        self.process = _start(job, root)
        self._said: list[str] = []
        self._threads = [
            threading.Thread(target=self._hear_errors, daemon=True),
            threading.Thread(target=self._hear_events, args=(events,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        code = self.process.wait()
        for thread in self._threads:
            thread.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()
        self.outcome.said = "".join(self._said)
        return code

    def _hear_errors(self) -> None:
        assert self.process.stderr
        self._said.extend(self.process.stderr)

    def _hear_events(self, events: queue.Queue[tuple[int, dict[str, Any] | None]]) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with suppress(ValueError):  # a line cut short by a kill
                events.put((self.process.pid, json.loads(line)))
        events.put((self.process.pid, None))


def _start(job: Job, root: Path) -> subprocess.Popen[str]:
    here = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join([str(root), here, *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, "-m", "lab.worker"],
        cwd=root,
        env=os.environ | ONE_THREAD | {"PYTHONPATH": path, "PYTHONHASHSEED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # ctrl-C reaches us, and we end the worker
    )
    assert process.stdin
    asked = {"experiment": job.experiment, "root": str(root), "changes": job.changes}
    with suppress(BrokenPipeError):  # it is dead already, which its exit code will say
        process.stdin.write(json.dumps(asked | {"verify": job.verify, "force": job.force}) + "\n")
        process.stdin.flush()  # and left open: the worker ends when it closes
    return process


def _note(outcome: Outcome, event: dict[str, Any]) -> None:
    if event["event"] == "done":
        outcome.computed, outcome.seconds = event["computed"], event["seconds"]
    elif event["event"] == "failed":
        outcome.error, outcome.trace = event["error"], event.get("trace", "")
