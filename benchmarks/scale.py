"""How long `lab status` takes: of the book, and as the number of experiments grows, in a temporary project of up to 1,000 synthetic ones.

They share a tree of helper modules, one for every five experiments.  Each helper has two functions, and its children call one
or the other, so that it is known by construction which experiments an edit of one function reaches; that `lab status` finds
exactly those is checked, not assumed.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.project import ROOT, best, seconds

SIZES = (10, 100, 300, 1000)
TIMES = 5  # that each is timed; the shortest counts, of CPU the mean
TARGET = 2.0  # seconds that `lab status` may take with 1,000 experiments
BOOK = 0.3  # and of the book itself
STATUS = [sys.executable, "-m", "lab", "status"]

SETTINGS = "project:\n  type: book\nbook:\n  title: Many questions\n  chapters:\n    - index.qmd\n"
HELPER = '''\
"""Helper {number} of the tree."""

from __future__ import annotations
{imports}
FACTOR = 1.0


def even(value: float) -> float:
    """What children with even numbers call."""
    return FACTOR * {above}(value) + 1.0


def odd(value: float) -> float:
    """What children with odd numbers call."""
    return FACTOR * {above}(value) + 2.0


def unused(value: float) -> float:
    """What nothing calls."""
    return value + 3.0
'''
EXPERIMENT = '''\
"""Is question {number} one of many?

Method  A number is handed up the tree of helpers.
Cost    Nothing to speak of.
Notes   None.
"""

from __future__ import annotations

from dataclasses import dataclass

from nets import helper_{helper}


@dataclass(frozen=True)
class Params:
    start: float = {number}.0  # handed up
    steps: int = 3  # times


SMOKE = Params(steps=1)


@dataclass(frozen=True)
class Result:
    end: float


CLAIMS = ()


def run(params: Params) -> Result:
    value = params.start
    for _ in range(params.steps):
        value = helper_{helper}.{function}(value)
    return Result(value)
'''


def main() -> None:
    """Measure and print the curve."""
    head = ("experiments", "first look, s", "status, s", "of which CPU, s", "after an edit, s", "affected")
    table = Table(*head, title="lab status and its growth")
    took: dict[int, float] = {}
    cpu: dict[int, float] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            project = Path(folder)
            make(project, size)
            fill(project)
            shutil.rmtree(project / ".lab/analysis")
            cold = seconds(STATUS, project)
            before = _cpu()
            took[size] = best(STATUS, project, TIMES)
            cpu[size] = (_cpu() - before) / TIMES
            number, function = 1, "odd"
            expected = reached(size, number, function)
            edit(project, number, function)
            edited = seconds(STATUS, project)
            found = stale(project)
            assert found == expected, f"an edit reached {sorted(found ^ expected)} wrongly"
            shown = [f"{value:.2f}" for value in (cold, took[size], cpu[size], edited)]
            table.add_row(f"{size}", *shown, f"{len(found)}, exactly")
    console = Console()
    console.print(table)
    least, most = min(SIZES), max(SIZES)
    for size in SIZES[1:]:
        each = 1000 * (cpu[size] - cpu[least]) / (size - least)
        console.print(f"from {least} to {size}: {each:.2f} ms of CPU for each experiment more")
    before = _cpu()
    book = best(STATUS, ROOT, TIMES)
    verdict = "within" if book <= BOOK else "OVER"
    processor = (_cpu() - before) / TIMES
    console.print(f"the book: {book:.2f} s, of which {processor:.2f} s of CPU, {verdict} the {BOOK:g} s aimed at")
    verdict = "within" if took[most] <= TARGET else "OVER"
    text = f"{took[most]:.2f} s, of which {cpu[most]:.2f} s of CPU"
    console.print(f"{most} experiments: {text}, {verdict} the {TARGET:g} s aimed at")


def _cpu() -> float:
    """Return the CPU seconds of all processes that have ended: what other work on this machine does not lengthen."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make(project: Path, size: int) -> None:
    """Write a project of `size` experiments and their tree of helpers."""
    write(project / "_quarto.yml", SETTINGS)
    write(project / "experiments/__init__.py", "")
    write(project / "nets/__init__.py", "")
    for number in range(helpers(size)):
        above = f"helper_{parent(number)}.{side(number)}" if number else "float"
        imports = f"\nfrom nets import helper_{parent(number)}\n" if number else ""
        text = HELPER.format(number=number, imports=imports, above=above)
        write(project / f"nets/helper_{number}.py", text)
    for number in range(size):
        text = EXPERIMENT.format(number=number, helper=number % helpers(size), function=side(number))
        write(project / f"experiments/{name(number)}.py", text)


def fill(project: Path) -> None:
    """Give every experiment a fresh result, as a run would, without the cost of a thousand processes."""
    program = f"""
import os
from pathlib import Path
from lab.keys import key
from lab.results import codec, store
from lab.keys.experiments import load, names
from lab.keys.call_graph import Reach
from press import reads
os.fsync = lambda file: None
root = Path({str(project)!r})
look = Reach(root)
for name in names(root):
    wanted, module = key.compute(name, root, look=look), load(name, root)
    numbers, tables = codec.encode(module.run(module.Params()))
    made = dict(date="2026-01-01T00:00:00+00:00", seconds=0.1, machine="", python="", versions=dict(), commit=None)
    parts = wanted.parts | dict(reads=reads.empty())  # they read nothing
    store.write_result(root / "results" / name, root, store.Stored(name, wanted.key, wanted.packed, numbers, tables, parts, made))
"""
    seconds([sys.executable, "-c", program], project)


def edit(project: Path, number: int, function: str) -> None:
    """Change what one function of one helper returns."""
    path = project / f"nets/helper_{number}.py"
    before = path.read_text(encoding="utf-8")
    after = re.sub(rf"(def {function}\(.*?\+ )(\d)", r"\g<1>1\2", before, count=1, flags=re.DOTALL)
    assert after != before
    path.write_text(after, encoding="utf-8")


def reached(size: int, number: int, function: str) -> set[str]:
    """Return the experiments that call a helper's function, at any distance."""
    found = set()
    for experiment in range(size):
        helper, called = experiment % helpers(size), side(experiment)
        while (helper, called) != (number, function) and helper:
            helper, called = parent(helper), side(helper)
        if (helper, called) == (number, function):
            found.add(name(experiment))
    return found


def stale(project: Path) -> set[str]:
    """Return the experiments that `lab status` calls stale; the others must be fresh."""
    said = subprocess.run(
        STATUS, cwd=project, capture_output=True, text=True, check=True, env=os.environ | {"LAB_ROOT": str(project)}
    )
    words = dict(line.split()[:2] for line in said.stdout.splitlines())
    assert set(words.values()) <= {"fresh", "stale"}, said.stdout
    return {experiment for experiment, word in words.items() if word == "stale"}


def helpers(size: int) -> int:
    """Number of helper modules."""
    return max(2, size // 5)


def parent(number: int) -> int:
    """Return the helper that a helper calls, in a binary tree with its root at 0."""
    return (number - 1) // 2


def side(number: int) -> str:
    """Return which of the parent's functions a helper or an experiment calls."""
    return "odd" if number % 2 else "even"


def name(number: int) -> str:
    """Return an experiment's name."""
    return f"question_{number:04}"


def write(path: Path, text: str) -> None:
    """Write a file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
