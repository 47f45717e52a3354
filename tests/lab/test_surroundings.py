"""Where and when a project is makes no difference: an odd folder, a clock set back, files of others that lie in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import ROOT, Project

from lab.results import store
from lab.run.scheduler import run_jobs
from lab.workers.messages import Job

CHAPTER = """\
# Walks {#sec-walks}

```{python}
#| include: false
from experiments import quick
from lab.chapter import read
result = read(quick)
```

A walk gets `{python} f"{result.distance:.4f}"` far.
"""
# A clock that is years behind, for every process that is told to load it first.
CLOCK = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <sys/time.h>
#define BEHIND (9 * 365 * 86400L)
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && clock == CLOCK_REALTIME) now->tv_sec -= BEHIND;
    return failed;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""
# Loaded by every Python that starts with its folder on the path: kernels and workers too.
NO_PICKLE = """\
import _pickle, os, pickle
class Unpickled(Exception): pass
def refuse(*given, **named):
    open(os.environ["UNPICKLED"], "a").write("something was unpickled from a file\\n")
    raise Unpickled
class Unpickler(pickle.Unpickler):
    def __init__(self, file, *given, **named):
        if hasattr(file, "fileno"): refuse()
        super().__init__(file, *given, **named)
pickle.load = pickle.loads = _pickle.load = _pickle.loads = refuse
pickle.Unpickler = _pickle.Unpickler = Unpickler
"""


DETERMINISTIC = """\
import machine
import torch
from dataclasses import dataclass

@dataclass(frozen=True)
class Params:
    pass

SMOKE = Params()

@dataclass(frozen=True)
class Result:
    strict: float
    loaded: float
    compiler: float

CLAIMS = ()

def run(params: Params) -> Result:
    strict = torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled()
    loaded = machine.has_loaded("torch._inductor")
    from torch._inductor import config
    return Result(float(strict), float(loaded), float(config.deterministic))
"""


def _book(project: Project) -> Project:
    project.edit("_quarto.yml", "    - index.qmd\n", "    - index.qmd\n    - walks.qmd\n")
    project.write("walks.qmd", CHAPTER)
    return project


def _distance(project: Project) -> str:
    return f"{store.read_result(project.result(), project.root).numbers['distance']:.4f}"


def _everything(project: Project) -> None:
    """Run, look, verify, read and render, as real processes."""
    assert "quick: done in" in project.shell("run")
    assert re.search(r"^quick +fresh", project.shell("status"), re.M)
    assert "nothing to do" in project.shell("run")
    assert "quick: the same to the last bit" in project.shell("verify")
    assert re.search(r"^quick +far", project.shell("claims"), re.M)
    project.shell("render", "--with", "press", "--to", "html")
    assert f"A walk gets {_distance(project)} far." in (project.root / "_book/walks.html").read_text()


def test_a_folder_with_spaces_and_umlauts(tmp_path: Path) -> None:
    project = _book(Project(tmp_path / "Größe & Maß  №1 'quoted' (100 %)"))
    _everything(project)
    project.shell("run", "quick", "--set", "steps=7")


def test_a_clock_that_was_set_back_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First today, then nine years ago: what lies on disk is from the future, bytecode and locks among it."""
    if not (shutil.which("gcc") and sys.platform == "linux"):
        pytest.skip("no gcc to make another clock with")
    project = _book(Project(tmp_path / "book"))
    project.lab("run")
    project.shell("render", "--with", "press", "--to", "html")
    before = (project.result() / "result.json").read_bytes()
    library = tmp_path / "clock.so"
    (tmp_path / "clock.c").write_text(CLOCK)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "clock.c", "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    told = subprocess.run([sys.executable, "-c", "import time; print(time.time())"], capture_output=True, check=True)
    assert float(told.stdout) < (project.root / "index.qmd").stat().st_mtime - 8 * 365 * 86400, (
        "the clock is not behind"
    )
    assert re.search(r"^quick +fresh", project.shell("status"), re.M)
    assert (project.result() / "result.json").read_bytes() == before
    project.edit("experiments/quick.py", "SCALE = 1.0", "SCALE = 3.0")
    assert re.search(r"^quick +stale", project.shell("status"), re.M)
    old = _distance(project)
    _everything(project)
    assert _distance(project) != old
    years = [store.read_result(project.result(), project.root).provenance["date"][:4], str(before)]
    assert years[0] not in years[1], "it was computed by the other clock"


def test_code_saved_twice_within_a_second_is_not_taken_for_the_old(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same size, same time: Python takes the bytecode it kept for current, and the lab must not."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    project.write("nets/__init__.py", "")
    file = project.write("nets/scale.py", "SCALE = 1.0\n")
    project.edit("experiments/quick.py", "SCALE = 1.0\n", "")
    project.edit("experiments/quick.py", "from lab.progress", "from nets.scale import SCALE\nfrom lab.progress")
    subprocess.run([sys.executable, "-c", "import nets.scale"], cwd=project.root, check=True)  # as a test of it would
    assert [*project.root.glob("nets/__pycache__/scale.*.pyc")]
    project.lab("run")
    before, first = file.stat(), float(_distance(project))
    file.write_text("SCALE = 2.0\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    project.lab("run")
    assert float(_distance(project)) == pytest.approx(2 * first, abs=1e-3)


def test_nothing_is_unpickled_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python process of the lab and of press raises if it does; and files that would do harm are never opened."""
    project = _book(Project(tmp_path / "book"))
    project.shell("run")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(NO_PICKLE)
    harm = f"cposix\nsystem\n(S'touch {tmp_path}/harm'\ntR.".encode()
    for folder in (project.result(), project.root / ".lab", project.root / ".lab/analysis", project.root):
        for name in ("result.pkl", "result.pickle", "cache.pkl", "quick.pickle", "result.pt", "walks.npy"):
            (folder / name).write_bytes(harm)
    monkeypatch.setenv("UNPICKLED", str(tmp_path / "unpickled"))
    real = Project.start

    def start(self: Project, *typed: str, **options: object) -> subprocess.Popen[str]:
        path = os.pathsep.join(map(str, (tmp_path / "site", self.root, ROOT)))
        return real(self, *typed, **{"env": os.environ | {"PYTHONPATH": path}} | options)

    monkeypatch.setattr(Project, "start", start)
    check = subprocess.run(
        [sys.executable, "-c", "import pickle; pickle.loads(b'N.')"],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site"), "UNPICKLED": os.devnull},
        stderr=subprocess.PIPE,
        check=False,
    )
    assert b"Unpickled" in check.stderr, "the guard does not guard"
    project.shell("run", "--force")
    project.shell("status")
    project.shell("claims")
    project.shell("verify")
    project.shell("why", "quick")
    project.shell("run", "quick", "--set", "steps=7")
    project.shell("render", "--with", "press", "--to", "html")
    assert f"A walk gets {_distance(project)} far." in (project.root / "_book/walks.html").read_text()
    assert not (tmp_path / "unpickled").exists() and not (tmp_path / "harm").exists()


def test_a_result_whose_place_is_no_folder_is_damaged_and_no_more(
    project: Project, computed: Callable[[Path], Project]
) -> None:
    computed(project.root)
    for make in (Path.touch, Path.mkdir):
        file = project.result() / "result.json"
        if make is Path.touch:
            shutil.rmtree(project.result())
            project.result().touch()
        else:
            project.result().unlink()
            project.result().mkdir()
            file.mkdir()
        said = project.lab("status")
        why = "cannot be read: Not a directory" if make is Path.touch else "is damaged: result.json is not a file"
        assert re.search(rf"^quick +damaged +results/quick {why}", said, re.M), said


def test_pytorch_and_its_compiler_are_deterministic_and_the_compiler_is_loaded_only_where_it_is_used(
    project: Project,
) -> None:
    """It takes two seconds of every process."""
    project.write("experiments/strict.py", DETERMINISTIC)
    (outcome,) = run_jobs([Job("strict")], project.root, 1)
    assert not outcome.error, outcome
    numbers = store.read_result(project.result("strict"), project.root).numbers
    assert (numbers["strict"], numbers["loaded"], numbers["compiler"]) == (1.0, 0.0, 1.0)
