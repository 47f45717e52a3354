"""A small project in a temporary folder, and the command line run in it as a reader would: real processes, no mocks."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from lab.cli import main

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(__file__).parent / "site-packages"  # what tests let an experiment do that no experiment may

SETTINGS = """\
project:
  type: book
book:
  title: A small book
  author: Nobody
  output-file: small
  chapters:
    - index.qmd
"""
QUICK = '''\
"""How far does a walk get?

Method  Random steps are added up.
Cost    Nothing to speak of.
Notes   None.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from lab.claims import Above, Claim
from lab.progress import track

SCALE = 1.0


@dataclass(frozen=True)
class Params:
    data: Path = Path("data/numbers.txt")  # one number a line, added to every walk
    steps: int = 50  # of one walk
    seeds: int = 4  # walks
    widths: tuple[float, ...] = (0.5, 1.0)  # of a step, tried in turn
    signed: bool = True  # both directions


SMOKE = Params(steps=2)


@dataclass(frozen=True)
class Result:
    distance: float  # of the longest walk
    walks: tuple[float, ...]  # how far each walk got


CLAIMS = (
    Claim(
        name="far",
        text="A walk gets [beyond 1]{.given}.",
        source=None,
        line="above 1",
        rule=Above("the distance", lambda r: r.distance, 1),
        number=lambda r: f"distance {r.distance:.3f}",
    ),
)


def run(params: Params) -> Result:
    extra = sum(float(line) for line in params.data.read_text().split())
    walks = []
    for seed in track(range(params.seeds), "walks"):
        draw = Random(seed)
        steps = [draw.gauss(0, 1) for _ in range(params.steps)]
        total = abs(sum(steps if params.signed else map(abs, steps))) + extra
        walks += [SCALE * width * total for width in params.widths]
    return Result(max(walks), tuple(walks))
'''
# The same with everything that a result may hold.
TABLES = '''\
"""How far do walks get, with intervals?

Method  Random steps are added up.
Cost    Nothing to speak of.
Notes   None.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lab.claims import Above, Claim
from lab.estimate import Estimate


@dataclass(frozen=True)
class Params:
    steps: int = 50  # of one walk
    seeds: int = 4  # walks


SMOKE = Params(steps=2)


@dataclass(frozen=True)
class Result:
    distance: Estimate  # at the end
    longest: float  # of all
    walks: pd.DataFrame  # columns seed, distance


CLAIMS = (
    Claim(
        name="far",
        text="Walks get [beyond 1]{.given}.",
        source=None,
        line="above 1",
        rule=Above("the distance", lambda r: r.distance, 1),
        number=lambda r: f"distance {r.distance}",
    ),
)


def run(params: Params) -> Result:
    ends = [float(np.abs(np.random.default_rng(seed).standard_normal(params.steps).sum())) for seed in range(params.seeds)]
    return Result(Estimate.of(ends), max(ends), pd.DataFrame({"seed": range(params.seeds), "distance": ends}))
'''

# A result that takes a while to write.
LARGE = '''\
"""How long does it take to write a result?"""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 0


@dataclass(frozen=True)
class Params:
    numbers: int = 60_000  # in the result


SMOKE = Params(numbers=2)


@dataclass(frozen=True)
class Result:
    version: int
    halves: tuple[float, ...]


CLAIMS = ()


def run(params: Params) -> Result:
    return Result(VERSION, (VERSION / 2,) * params.numbers)
'''
# One that is still at it when it is interrupted.
ENDLESS = '''\
"""When does it end?"""

from __future__ import annotations

from dataclasses import dataclass

from lab.progress import track


@dataclass(frozen=True)
class Params:
    steps: int = 1_000_000_000  # more than anyone waits for


SMOKE = Params(steps=1)


@dataclass(frozen=True)
class Result:
    steps: int


CLAIMS = ()


def run(params: Params) -> Result:
    for _ in track(range(params.steps), "steps"):
        sum(range(100))
    return Result(params.steps)
'''


class Project:
    """A temporary project with one experiment, `quick`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("_quarto.yml", SETTINGS)
        self.write("index.qmd", "# Preface {.unnumbered}\n\nHello.\n")
        self.write("experiments/__init__.py", "")
        self.write("experiments/quick.py", QUICK)
        self.write("data/numbers.txt", "1\n2\n")

    def write(self, file: str, text: str) -> Path:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.root / file).read_text(encoding="utf-8")
        assert old in text
        self.write(file, text.replace(old, new))

    def result(self, name: str = "quick") -> Path:
        return self.root / "results" / name

    def start(self, *typed: str, module: str = "lab", **options: object) -> subprocess.Popen[str]:
        """Start `lab ...` in the project; text pipes unless `options` for Popen say otherwise."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
        variables = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, (self.root, ROOT, LIBRARY))),
            "PYTHONUNBUFFERED": "1",
        }
        variables.pop("LAB_ROOT", None)
        command = [sys.executable, "-m", module, *typed]
        return subprocess.Popen(command, **({"cwd": self.root, "env": variables} | pipes | options))  # type: ignore[call-overload]

    def shell(self, *typed: str, code: int | None = 0, cwd: Path | None = None) -> str:
        """Run `lab ...` in the project, as a process, and return all it printed; the exit code must be `code`."""
        process = self.start(*typed, cwd=cwd or self.root, stderr=subprocess.STDOUT)
        said, _ = process.communicate(timeout=120)
        return _checked(said, process.returncode, code)

    def lab(self, *typed: str, code: int | None = 0, cwd: Path | None = None) -> str:
        """The same within this process, half a second quicker: for commands that import no experiment themselves."""
        said, ended, before = io.StringIO(), 0, os.getcwd()
        argv, variables = mock.patch("sys.argv", ["lab", *typed]), mock.patch.dict(os.environ)  # put back afterwards
        with argv, variables, redirect_stdout(said), redirect_stderr(said):
            os.environ.pop("LAB_ROOT", None)
            os.chdir(cwd or self.root)
            try:
                main()
            except SystemExit as end:
                ended = end.code if isinstance(end.code, int) else int(end.code is not None)
                if isinstance(end.code, str):  # what Python prints on its way out
                    said.write(f"{end.code}\n")
            finally:
                os.chdir(before)
        return _checked(said.getvalue(), ended, code)


def _checked(said: str, ended: int, code: int | None) -> str:
    assert ended == code or code is None, f"exit code {ended}:\n{said}"
    assert "Traceback" not in said or code, said
    return said
