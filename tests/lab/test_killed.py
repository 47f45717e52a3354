"""Killed at any moment, a run leaves the old result or the new one, whole; and the next run goes on from there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from pairs import pair
from small_project import LARGE, ROOT, Project

from lab.results import store

KILLS, WRITERS = 20, 80  # of whole runs, and of the cheaper writers alone: 100 in all
MANY_FILES = (
    LARGE.replace("import dataclass\n", "import dataclass\n\nimport pandas as pd\n")
    .replace("    halves:", "".join(f"    table_{number}: pd.DataFrame\n" for number in range(40)) + "    halves:")
    .replace("Result(VERSION, ", 'Result(VERSION, *[pd.DataFrame({"version": [VERSION]})] * 40, ')
)


def test_a_run_killed_at_random_moments_leaves_the_old_result_or_the_new(project: Project) -> None:
    """Every other time the worker alone is killed, else the command and the worker; before, while and after it writes."""
    (project.root / "experiments/quick.py").unlink()
    project.write("experiments/large.py", MANY_FILES)
    begun = time.monotonic()
    project.shell("run")
    whole = time.monotonic() - begun
    draw, there, seen = random.Random(1), 0, {"old": 0, "new": 0, "half-written beside the old": 0}
    result, staged = project.result("large"), project.root / ".lab/staged/results+large"
    for version in range(1, KILLS + 1):
        project.edit("experiments/large.py", f"VERSION = {version - 1}\n", f"VERSION = {version}\n")
        before, was = _mark(staged), _mark(result)  # what an earlier kill left staged lies there until the next writer
        running = project.start("run", start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        worker = _child(running)
        # Anywhere from the start on, while the forty tables are synced, one by one, and just after they were published.
        if version % 4 == 2:
            files = draw.randrange(30)
            _wait_for(lambda before=before, files=files: _count(staged, before) >= files, running)
        elif version % 4 == 3:
            _wait_for(lambda was=was: _mark(result) not in (was, 0), running)
        else:
            time.sleep(draw.uniform(0, 1.2 * whole))
        _kill(worker if version % 2 else running.pid)
        running.wait(timeout=120)
        _wait_for(partial(_is_dead, worker))
        found = _version(project)
        assert found in (there, version), f"version {found} after kill {version}, with {there} before"
        seen["new" if found == version else "old"] += 1
        seen["half-written beside the old"] += found == there and _mark(staged) not in (before, 0)
        there = found
    assert min(seen.values()) >= 1, f"the kills came all too early or all too late to mean anything: {seen}"
    # The last kill may have come between publishing and clearing up, and then nothing is stale: one more to write.
    project.edit("experiments/large.py", f"VERSION = {KILLS}\n", f"VERSION = {KILLS + 1}\n")
    project.shell("run")
    assert _version(project) == KILLS + 1
    assert not [*project.root.glob(".lab/staged/*"), *project.root.glob(".lab/previous/*")]


def test_a_writer_killed_at_random_moments_leaves_a_whole_result(tmp_path: Path) -> None:
    """It writes version after version, and says which before and after; what is read is one of the two, whole."""
    program = f"""
import pathlib, sys
sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
from lab.results import store
from pairs import pair
root = pathlib.Path({str(tmp_path)!r})
for version in range(int(sys.argv[1]), 1_000_000):
    print(version, flush=True)
    store.write_result(root / "results" / "pair", root, pair(str(version)))
"""
    place, draw, there, between = tmp_path / "results/pair", random.Random(2), 0, 0
    store.write_result(place, tmp_path, pair("0"))
    for _ in range(WRITERS):
        typed = [sys.executable, "-c", program, str(there + 1)]
        writer = subprocess.Popen(typed, stdout=subprocess.PIPE, text=True)
        assert writer.stdout and int(writer.stdout.readline()) == there + 1
        time.sleep(draw.uniform(0, 0.015))
        writer.kill()
        rest = writer.stdout.read().split()  # communicate would lose what readline read ahead
        writer.stdout.close()
        writer.wait()
        begun = max([there + 1, *map(int, rest)])
        found = store.read_result(place, tmp_path)
        assert int(found.key) in (begun - 1, begun)
        assert {table.csv for table in found.tables.values()} == {f"name\n{found.key}\n".encode()}
        between += any(tmp_path.glob(".lab/staged/*")) or any(tmp_path.glob(".lab/previous/*"))
        there = int(found.key)
    assert between >= WRITERS // 8, f"only {between} of the kills hit a writer in the middle"
    store.write_result(place, tmp_path, pair("last"))
    assert store.read_result(place, tmp_path).key == "last"
    assert not [*tmp_path.glob(".lab/staged/*"), *tmp_path.glob(".lab/previous/*")]


@pytest.mark.parametrize("step", ["wrote one.csv", "wrote two.csv", "staged", "set the old one aside", "published"])
def test_a_writer_killed_at_a_step_leaves_a_whole_result(step: str, tmp_path: Path) -> None:
    place = tmp_path / "results" / "pair"
    store.write_result(place, tmp_path, pair("old"))
    program = f"""
import os, pathlib, signal, sys
sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]
from lab.results import store
from pairs import pair
root = pathlib.Path({str(tmp_path)!r})
stop = lambda step: os.kill(os.getpid(), signal.SIGKILL) if step == {step!r} else None
store.write_result(root / "results" / "pair", root, pair("new"), stop)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    found = store.read_result(place, tmp_path)
    assert found.key == ("new" if step == "published" else "old")
    assert {table.csv for table in found.tables.values()} == {f"name\n{found.key}\n".encode()}
    store.write_result(place, tmp_path, pair("newer"))
    assert store.read_result(place, tmp_path).key == "newer"


def _version(project: Project) -> int:
    """Return which version lies in the store, which must be of that version all through."""
    found = store.read_result(project.result("large"), project.root).numbers
    version = found["version"]
    assert found["halves"] == [version / 2] * 60_000
    return int(version)


def _mark(folder: Path) -> int:
    """Return what tells one folder from another of the same name; 0 if there is none."""
    return folder.stat().st_ctime_ns if folder.exists() else 0


def _count(folder: Path, before: int) -> int:
    """Return the number of files in a folder that has replaced the one with the mark `before`; -1 if none has."""
    with suppress(FileNotFoundError):
        return len(os.listdir(folder)) if _mark(folder) not in (before, 0) else -1
    return -1


def _child(process: subprocess.Popen[str]) -> int:
    """Wait for the worker that a `lab run` starts, and return its process number."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    found: list[str] = []

    def there() -> bool:
        found[:] = children.read_text().split()
        return bool(found)

    _wait_for(there, process)
    return int(found[0])


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "nothing happened for two minutes"
        if process and process.poll() is not None:
            return
        time.sleep(0.002)


def _is_dead(pid: int) -> bool:
    """Say whether a process has ended, waited for or not."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it was quicker
        os.kill(pid, signal.SIGKILL)
