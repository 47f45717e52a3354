"""What it costs to record what a run reads: the same runs with and without it, in turn, by the processor time that they take.

Aimed at is less than 2 % of a run of the book's.  One more, which does nothing but read small files, shows what a file costs.
`--markdown FILE` after `python -m benchmarks.recording` writes the table as well; benchmarks/recording.md is what it wrote.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.project import ROOT
from lab.run.status import every_status
from lab.workers.worker_process import FIXED

TIMES = 3  # that each run is done, both ways
CHEAPEST = 2  # runs that are tried: of so many experiments, those that cost least
TARGET = 2.0  # per cent
SMALL_FILES, ROUNDS = 2000, 3  # how many, and how often each is read
RUN = """
import json, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
from lab.keys import experiments, refusals
from press import recorder
name, records = sys.argv[1], sys.argv[2] == "1"
if records:
    recording = recorder.start(Path.cwd(), {})
    recording.running = True
    recorder.refuse_by_name(refusals.READERS, reads_files=True)
    recorder.refuse_by_name(refusals.CHANGING)
begun = time.process_time()
module = experiments.load(name, Path.cwd())
module.run(module.Params())
assert not records or not recording.settle()
print(json.dumps([time.process_time() - begun, sum(map(len, recording.record.values())) if records else 0]))
"""
READING = f"""
from dataclasses import dataclass
from pathlib import Path
@dataclass(frozen=True)
class Params:
    rounds: int = {ROUNDS}
@dataclass(frozen=True)
class Result:
    letters: int
CLAIMS = ()
SMOKE = Params(rounds=1)
def run(params: Params) -> Result:
    files = sorted(Path("data").iterdir())
    return Result(sum(len(file.read_text()) for _ in range(params.rounds) for file in files))
"""
HEAD = ("run", "without, s of CPU", "with, s of CPU", "more, %", "things read")


def main() -> None:
    """Measure and print what recording costs."""
    costs = sorted((there.seconds, there.experiment) for there in every_status(ROOT) if there.seconds)
    rows, sums = [], (0.0, 0.0)
    for _, name in costs[:CHEAPEST]:
        plain, recorded, count = measured(name, ROOT)
        sums = sums[0] + plain, sums[1] + recorded
        rows.append(_row(name, plain, recorded, count))
    rows.append(_row("all of these", *sums))
    with tempfile.TemporaryDirectory() as folder:
        plain, recorded, count = measured("reading", small_files(Path(folder)))
    rows.append(_row(f"{SMALL_FILES:,} small files, each {ROUNDS} times, and nothing else", plain, recorded, count))
    more = 100 * (sums[1] / sums[0] - 1)
    said = (
        f"{more:+.1f} % of these runs of the book's, {'within' if more < TARGET else 'OVER'} the {TARGET:g} % aimed at; "
        f"{1000 * (recorded - plain) / SMALL_FILES:.2f} ms for a file"
    )
    table = Table(*HEAD, title="What recording costs")
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print(said)
    if "--markdown" in sys.argv:
        lines = [f"| {' | '.join(row)} |" for row in (HEAD, ["---"] * len(HEAD), *rows)]
        Path(sys.argv[sys.argv.index("--markdown") + 1]).write_text("\n".join([*lines, "", said, ""]), encoding="utf-8")


def measured(name: str, root: Path) -> tuple[float, float, int]:
    """Return the CPU seconds of an experiment without recording and with it (medians), and how much is read."""
    turns = [(_run(name, False, root)[0], *_run(name, True, root)) for _ in range(TIMES)]
    without, recorded, counts = zip(*turns, strict=True)
    return median(without), median(recorded), counts[0]


def small_files(root: Path) -> Path:
    """Write a project whose one experiment reads small files, and return where."""
    for folder in ("experiments", "data"):
        (root / folder).mkdir()
    (root / "_quarto.yml").write_text("project:\n  type: book\n")
    (root / "experiments/__init__.py").touch()
    (root / "experiments/reading.py").write_text(READING)
    for number in range(SMALL_FILES):
        (root / f"data/{number:05}.txt").write_text(f"{number}\n" * 100)
    return root


def _row(name: str, plain: float, recorded: float, count: int | str = "") -> list[str]:
    return [name, f"{plain:.2f}", f"{recorded:.2f}", f"{100 * (recorded / plain - 1):+.1f}", str(count)]


def _run(name: str, records: bool, root: Path) -> tuple[float, int]:
    command = [sys.executable, "-c", RUN, name, str(int(records))]
    environment = {**os.environ, **FIXED, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    spent, count = json.loads(done.stdout.splitlines()[-1])
    return spent, count


if __name__ == "__main__":
    main()
