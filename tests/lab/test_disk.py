"""A disk that is full, limited, read-only or not ours: the old result stays, the error names the file and what to do."""

from __future__ import annotations

import os
import re
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pairs import pair
from small_project import LARGE, Project

from lab.errors import LabError
from lab.results import store

ENOUGH, LIMIT = 10, 200_000  # numbers in a result that fits; bytes
FULL = "No space left on device"


@pytest.fixture
def mount() -> Iterator[Callable[..., None]]:
    """Return a function that mounts, and skips the test where nobody may."""
    mounted: list[str] = []

    def do(*options: str, at: Path) -> None:
        said = subprocess.run(["mount", *options, str(at)], capture_output=True, text=True, check=False)
        if said.returncode:
            pytest.skip(f"nothing can be mounted here: {said.stderr.strip()}")
        if "remount" not in " ".join(options):
            mounted.append(str(at))

    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    yield do
    for place in reversed(mounted):
        subprocess.run(["umount", place], check=True)


@pytest.fixture
def read_only(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], None]]:
    """Return a function that makes a folder read-only: permissions do not bind root, a mount does."""
    closed: list[Path] = []

    def close(folder: Path) -> None:
        if os.geteuid() == 0:
            mount = request.getfixturevalue("mount")
            mount("--bind", str(folder), at=folder)
            mount("-o", "remount,ro,bind", at=folder)
        else:
            for path in [folder, *folder.rglob("*")]:
                path.chmod(path.stat().st_mode & ~0o222)
                closed.append(path)

    yield close
    for path in closed:
        path.chmod(path.stat().st_mode | 0o200)


def _large(project: Project) -> Project:
    """Give a project the result of an experiment that is small, and make it one that is large."""
    (project.root / "experiments/quick.py").unlink()
    text = project.write("experiments/large.py", LARGE).read_text()
    project.write("experiments/large.py", text.replace("60_000", f"{ENOUGH}"))
    project.lab("run")
    project.write("experiments/large.py", text.replace("VERSION = 0", "VERSION = 1"))
    return project


def _is_old(project: Project) -> None:
    assert store.read_result(project.result("large"), project.root).numbers["halves"] == [0.0] * ENOUGH
    assert not [*project.root.glob(".lab/staged/*"), *project.root.glob(".lab/previous/*")]
    assert sorted(path.name for path in project.result("large").iterdir()) == ["result.json"]


def test_a_full_disk_keeps_the_old_result_and_says_so(tmp_path: Path, mount: Callable[..., None]) -> None:
    mount("-t", "tmpfs", "-o", "size=400k", "none", at=tmp_path)
    project = _large(Project(tmp_path))
    said = project.lab("run", code=1)
    assert re.search(
        rf"^error: large: cannot write \S*results/large: {FULL}; the result there is as it was\nmake room", said, re.M
    )
    assert "Traceback" not in said
    _is_old(project)
    mount("-o", "remount,size=8m", at=tmp_path)
    assert "large: done" in project.lab("run")
    assert store.read_result(project.result("large"), tmp_path).numbers["version"] == 1


def test_a_disk_without_any_room_can_still_be_read_from(tmp_path: Path, mount: Callable[..., None]) -> None:
    mount("-t", "tmpfs", "-o", "size=400k", "none", at=tmp_path)
    project = _large(Project(tmp_path))
    with pytest.raises(OSError, match=FULL):
        (tmp_path / "filler").write_bytes(b"x" * 400_000)
    assert re.search(r"large +stale", project.lab("status"))
    assert "Traceback" not in project.lab("run", code=1)
    assert FULL in project.lab("run", code=1)
    _is_old(project)


def test_a_limit_on_the_size_of_files_keeps_the_old_result_and_says_so(project: Project) -> None:
    _large(project)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))  # noqa: E731
    running = project.start("run", preexec_fn=limit)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 1 and "Traceback" not in said
    assert re.search(
        r"error: large: cannot write \S*results/large: File too large; the result there is as it was\nraise", said
    )
    _is_old(project)
    assert re.search(r"large +failed .*cannot write", project.lab("status"))
    project.lab("run")
    assert store.read_result(project.result("large"), project.root).numbers["version"] == 1


@pytest.mark.parametrize("fault", range(1, 8))
def test_whatever_step_the_disk_refuses_the_old_result_stays(
    fault: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call that changes the disk fails once, the first, the second, ..."""
    place, calls = tmp_path / "results/pair", 0
    store.write_result(place, tmp_path, pair("old"))

    def failing(real: Callable[..., None]) -> Callable[..., None]:
        def call(*given: object) -> None:
            nonlocal calls
            calls += 1
            if calls == fault:
                raise OSError(5, "Input/output error", str(given[0]))
            real(*given)

        return call

    for name in ("fsync", "rename"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))
    told = ""
    try:
        store.write_result(place, tmp_path, pair("new"))
    except LabError as error:
        told = str(error)
    monkeypatch.undo()
    found = store.read_result(place, tmp_path)
    assert {table.csv for table in found.tables.values()} == {f"name\n{found.key}\n".encode()}
    assert ("Input/output error" in told) == (calls >= fault) and (found.key == "old" or not told or calls == 7)
    store.write_result(place, tmp_path, pair("newer"))
    assert store.read_result(place, tmp_path).key == "newer"


@pytest.mark.parametrize("what", [".", "results"])
def test_what_is_read_only_is_read_and_not_lost(what: str, project: Project, read_only: Callable[[Path], None]) -> None:
    project.lab("run")
    before = (project.result() / "result.json").read_bytes()
    read_only(project.root / what)
    assert re.search(r"quick +fresh", project.lab("status"))
    assert re.search(r"quick +far", project.shell("claims"))
    said = project.lab("run", "--force", code=1)
    assert re.search(
        r"error: quick: cannot write \S+: (Read-only|Permission).*\nmake that folder writable, or work in a copy", said
    )
    assert "Traceback" not in said and "running" not in said  # before anything was computed in vain
    assert (project.result() / "result.json").read_bytes() == before
    if what == "results":
        assert "quick: the same to the last bit" in project.shell("verify")
