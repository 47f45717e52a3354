"""A result made here is fresh elsewhere: on the newest Python there is, in another folder, for another user, without a compiler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from small_project import ROOT, Project
from test_key import _interpreters

from lab.keys.canonical_json import pack
from lab.results import store
from lab.run import status

EXPERIMENT = '''"""Does it travel?

Method  Everything that can be recorded is read, and a sum is taken in C++ where there is a compiler.
Cost    Nothing.
Notes   None.
"""

from __future__ import annotations

import ctypes
import math
import os
from dataclasses import dataclass
from pathlib import Path
from random import Random

from lab.compiled import library
from lab.tasks import spread

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Params:
    data: Path = Path("data/numbers.txt")  # one number a line
    folder: Path = Path("data/größe und mehr")  # files of the same
    seeds: int = 4  # walks


SMOKE = Params(seeds=1)


@dataclass(frozen=True)
class Result:
    total: int
    ends: tuple[float, ...]
    files: tuple[str, ...]
    switched: bool
    missing: bool


CLAIMS = ()


def total(numbers: list[int]) -> int:
    found = library(HERE / "add.cpp", LIMIT=100)
    if found is None:
        return sum(numbers)
    return found.add((ctypes.c_int * len(numbers))(*numbers), len(numbers))


def walk(seed: int) -> float:
    draw = Random(seed)
    return math.fsum(draw.gauss(0, 1) for _ in range(50)) + math.tanh(seed)  # sum is another since Python 3.12


def run(params: Params) -> Result:
    files = sorted(params.folder.glob("*.txt"))
    numbers = [int(line) for file in (params.data, *files) for line in file.read_text().split()]
    ends = spread(walk, range(params.seeds), "walks")
    switched = bool(os.environ.get("TRAVEL_SWITCH"))
    return Result(total(numbers), tuple(ends), tuple(f.name for f in files), switched, Path("data/none").exists())
'''
ADD = '#include "add.h"\nextern "C" int add(const int* x, int n) { int sum = 0; for (int i = 0; i < n && i < LIMIT; ++i) sum += plus(x[i]); return sum; }\n'
# What a stranger's Python says of the project, without the packages that it may not have.
THERE = """
import json, os, shutil, sys
from pathlib import Path
sys.path[:0] = [sys.argv[3], sys.argv[2], sys.argv[1]]
assert shutil.which("c++") is None and shutil.which("g++") is None
from lab.run import status
root = Path(sys.argv[3])
found = status.status_of("travel", root)
os.chdir(root)
from experiments import travel
print(json.dumps([found.state.value, list(found.why), vars(travel.run(travel.Params())), sys.version.split()[0], os.geteuid()]))
"""


def test_a_result_made_here_is_fresh_and_the_same_for_a_stranger_on_another_python(
    project: Project,
) -> None:
    """On every Python that is installed here; in CI there may be this one alone."""
    shutil.rmtree(project.root / "experiments")
    project.write("experiments/__init__.py", "")
    project.write("experiments/travel.py", EXPERIMENT)
    project.write("experiments/add.cpp", ADD)
    project.write("experiments/add.h", "static int plus(int x) { return x; }\n")
    project.write("data/größe und mehr/ä.txt", "3\n4\n")
    project.lab("run")
    stored = store.read_result(project.result("travel"), project.root)
    assert status.status_of("travel", project.root).is_fresh
    assert "experiments/add.h" in stored.parts["reads"]["read"] or not any(map(shutil.which, ("c++", "g++", "clang++")))
    elsewhere = Path(tempfile.mkdtemp(prefix="another folder ü "))  # where another user may look
    try:
        tried = _try_everywhere(project, stored, elsewhere)
    finally:
        shutil.rmtree(elsewhere)
    assert tried


def _try_everywhere(project: Project, stored: store.Stored, elsewhere: Path) -> list[str]:
    elsewhere.chmod(0o755)
    tried = []
    ours = elsewhere / "the lab"
    for room in ("lab", "press"):
        shutil.copytree(ROOT / room, ours / room, ignore=shutil.ignore_patterns("__pycache__"))
    for version, python in {"this": sys.executable, "the system's": "/usr/bin/python3", **_interpreters()}.items():
        if not Path(python).exists():
            continue
        python = _for_everybody(python, elsewhere / f"python {version}")
        there = elsewhere / version
        shutil.copytree(project.root, there, ignore=shutil.ignore_patterns(".lab", "__pycache__"))
        there.chmod(0o755)  # the folder of a test is its own
        _build(there)
        alone = elsewhere / f"packages {version}"
        for package in ("filelock",):  # all that looking at a result needs, and it is Python alone
            shutil.copytree(Path(str(find_spec(package).origin)).parent, alone / package)  # type: ignore[union-attr]
        said = subprocess.run(
            [python, "-E", "-s", "-c", THERE, str(ours), str(alone), str(there)],
            env=_environment(elsewhere / "home", python), capture_output=True, text=True, **_another_user(python, elsewhere),
        )  # fmt: skip
        if said.returncode and "not found" in said.stderr + said.stdout:  # a shim of pyenv's
            continue
        assert said.returncode == 0, said.stderr
        state, why, numbers, found, user = json.loads(said.stdout)
        assert user or os.geteuid() or not _all_may_read(elsewhere), f"Python {found} ran as root"
        assert (state, why) == ("fresh", []), f"Python {found}"
        same = {name: pack(tuple(value) if isinstance(value, list) else value) for name, value in numbers.items()}
        assert same == stored.numbers, f"Python {found}"
        tried.append(found)
    return tried


def _build(root: Path) -> None:
    """Leave what building a package and rendering leave in a project."""
    for name in (
        "mine.egg-info/PKG-INFO",
        "__pycache__/x.pyc",
        "experiments/__pycache__/travel.cpython-313.pyc",
        "_book/index.html",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("built")
    for file in root.rglob("*"):
        os.utime(file, (0, 0))


def _environment(home: Path, python: str) -> dict[str, str]:
    home.mkdir(exist_ok=True)
    odd = {"LC_ALL": "tr_TR.ISO-8859-9", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "3"}
    return {"HOME": str(home), "USER": "stranger", "PATH": str(home), "LAB_DEVICE_NOTE": "x", **odd} | {
        "PYTHONUTF8": "1", "LD_LIBRARY_PATH": str(Path(python).parents[1] / "lib"),  # where a copy has its own library
    }  # fmt: skip


def _for_everybody(python: str, copy: Path) -> str:
    """Return a Python that every user can start: this one, or, where root has it for itself, a copy of its links."""
    if os.geteuid() or _all_may_read(Path(python)):
        return python
    asked = subprocess.run([python, "-I", "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True)
    if asked.returncode:  # a shim of pyenv's
        return python
    installed = Path(asked.stdout.strip())
    if not _all_may_read(installed):
        left_out = shutil.ignore_patterns("site-packages", "test", "__pycache__", "share", "include", "config-*")
        shutil.copytree(installed, copy, symlinks=True, copy_function=_link, ignore=left_out)
        installed = copy
    return str(installed / "bin/python3")


def _link(file: str, to: str) -> str:
    try:
        os.link(file, to)
    except OSError:  # on another disk
        shutil.copy2(file, to)
    return to


def _another_user(python: str, elsewhere: Path) -> dict[str, int]:
    """Be somebody else where that can be had: only root may."""
    if os.geteuid() or not (_all_may_read(Path(python)) and _all_may_read(elsewhere)):
        return {}
    return {"user": 65534, "group": 65534}


def _all_may_read(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in path.resolve().parents)
