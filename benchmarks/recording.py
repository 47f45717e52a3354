"""What it costs to record what a run reads: the same runs with and without it, in turn, by the processor time that they take.

Aimed at is less than 2 % of a run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.project import ROOT
from lab.run.status import every_status
from lab.workers.worker_process import FIXED

TIMES = 3  # that each run is done, both ways
CHEAPEST = 3  # runs that are tried: of so many experiments, those that cost least
TARGET = 2.0  # per cent
RUN = """
import json, os, sys, time
from pathlib import Path
name, records = sys.argv[1], sys.argv[2] == "1"
import torch
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
from press import recorder
if records:
    recording = recorder.start(Path.cwd(), {})
    recording.running = True
from lab.keys import experiments
begun = time.process_time()
module = experiments.load(name, Path.cwd())
module.run(module.Params())
print(json.dumps([time.process_time() - begun, sum(map(len, recording.record.values())) if records else 0]))
"""


def main() -> None:
    """Measure and print what recording costs."""
    costs = sorted((there.seconds, there.experiment) for there in every_status(ROOT) if there.seconds)
    chosen = [name for _, name in costs[:CHEAPEST]]
    table = Table("run", "without, s of CPU", "with, s of CPU", "more, %", "things read", title="What recording costs")
    without, recorded = 0.0, 0.0
    for name in chosen:
        pairs = [(_run(name, False)[0], *_run(name, True)) for _ in range(TIMES)]  # in turn
        plain, kept = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
        without, recorded = without + plain, recorded + kept
        table.add_row(name, f"{plain:.2f}", f"{kept:.2f}", f"{100 * (kept / plain - 1):+.1f}", str(pairs[0][2]))
    more = 100 * (recorded / without - 1)
    table.add_section()
    table.add_row("all", f"{without:.2f}", f"{recorded:.2f}", f"{more:+.1f}", "")
    console = Console()
    console.print(table)
    console.print(f"{more:+.1f} %, {'within' if more < TARGET else 'OVER'} the {TARGET:g} % aimed at")


def _run(name: str, records: bool) -> tuple[float, int]:
    command = [sys.executable, "-c", RUN, name, str(int(records))]
    environment = {**os.environ, **FIXED, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    spent, count = json.loads(done.stdout.splitlines()[-1])
    return spent, count


if __name__ == "__main__":
    main()
