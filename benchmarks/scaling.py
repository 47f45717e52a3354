"""How an experiment's time grows with its seeds, shrinks with workers, and what 64 workers would make of it.

`tanh_gain` at a cheap setting, one task a seed, into a cache of its own that is thrown away.  A second process costs its start and
imports before it helps.  What handing a task over costs (pickling, two pipes, one JSON line each way) is measured where one process
does everything: the time from start to end less what it spent computing.  The caller does that for one task after the other, so the
model of many workers is

    start + max(longest task, all tasks / workers, handing over x tasks)

with start, the processes' own and the parts of the experiment that are not cut, taken from one worker's times as they grow with seeds.
Wall times need an idle machine; processor times hardly do.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from lab.keys.experiments import find_root
from lab.results.shared_cache import VARIABLE
from lab.run.scheduler import run_jobs
from lab.workers.messages import Done, Job, Message, Started

SEEDS, WORKERS, MANY = (16, 64, 256, 1000), (1, 2), 64
CHEAP = {"depth": "20", "width": "128", "batch": "32"}  # some tens of milliseconds a seed


@dataclass(frozen=True)
class Timed:
    """One run."""

    wall: float  # seconds
    processor: float  # seconds of all its processes
    computing: float  # seconds on one core that the result says it cost
    inside: float  # seconds of wall time between the experiment's start and end


def main() -> None:
    """Measure and print."""
    found: dict[tuple[int, int], Timed] = {}
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = folder
        try:
            for seeds in SEEDS:
                for workers in WORKERS:
                    found[seeds, workers] = _time(seeds, workers)
        finally:
            os.environ.pop(VARIABLE)
            os.environ |= {} if before is None else {VARIABLE: before}
    console = Console()
    table = Table("seeds", "workers", "wall, s", "processor, s", "against one worker", title="tanh_gain, cheap setting")
    for (seeds, workers), timed in found.items():
        ratio = found[seeds, WORKERS[0]].wall / timed.wall
        table.add_row(str(seeds), str(workers), f"{timed.wall:.1f}", f"{timed.processor:.1f}", f"{ratio:.2f}")
    console.print(table)
    task, start = _line({seeds: found[seeds, 1].processor for seeds in SEEDS})
    over, _ = _line({seeds: found[seeds, 1].inside - found[seeds, 1].computing for seeds in SEEDS})
    console.print(
        f"{1e3 * task:.1f} ms of processor time a task, {1e3 * over:.2f} ms to hand one over, {start:.1f} s for the rest"
    )
    most = max(SEEDS)
    for cost, what in ((task, "as cheap as here"), (100 * task, "a hundred times the work")):
        alone, spread = start + most * (cost + over), start + max(cost, most * cost / MANY, most * over)
        console.print(
            f"{MANY} workers, {most} seeds, {what}: {spread:.1f} s by the model, one worker {alone:.1f} s: "
            f"{alone / spread:.0f} times as fast"
        )


def _time(seeds: int, workers: int) -> Timed:
    at: dict[type[Message], float] = {}

    def note(job: Job, message: Message) -> None:
        at.setdefault(type(message), time.perf_counter())

    wall, processor = time.perf_counter(), _processor()
    (outcome,) = run_jobs([Job("tanh_gain", CHEAP | {"seeds": str(seeds)}, force=True)], find_root(), workers, note)
    if outcome.error:
        raise SystemExit(f"{outcome.trace}{outcome.error}")
    wall, processor = time.perf_counter() - wall, _processor() - processor
    return Timed(wall, processor, outcome.seconds, at[Done] - at[Started])


def _processor() -> float:
    """Return the processor time of this process and of all its children that have ended, seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(of.ru_utime + of.ru_stime for of in used)


def _line(values: dict[int, float]) -> tuple[float, float]:
    """Return slope and intercept over seeds."""
    slope, intercept = np.polyfit(list(values), list(values.values()), 1)
    return float(slope), float(intercept)


if __name__ == "__main__":
    main()
