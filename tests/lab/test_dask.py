"""Tasks on a Dask cluster: a real scheduler and real workers on loopback, one of them killed in the middle."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_project import LIBRARY, ROOT, TABLES, Project
from test_tasks import TASKS, _wait_for

from lab.dask import source_archive
from lab.errors import LabError
from lab.keys.key import Key, compute
from lab.results import store
from lab.workers.messages import Failed, HelpOut, Message
from lab.workers.worker_process import WorkerProcess


class Dask:
    """A scheduler and its workers, each a process of its own, in a folder with no copy of the project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        told = folder / "scheduler.json"  # the port is the system's choice: one found free here might be taken by then
        options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(told))
        self._start("distributed.cli.dask_scheduler", *options)
        _wait_for(lambda: told.exists() and told.read_text().endswith("}"))
        self.address = json.loads(told.read_text())["address"]

    def worker(self, **variables: str) -> subprocess.Popen[bytes]:
        """Start a worker of one thread that nobody starts again."""
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1")
        return self._start("distributed.cli.dask_worker", self.address, *options, **variables)

    def _start(self, module: str, *typed: str, **variables: str) -> subprocess.Popen[bytes]:
        place = self.folder / str(len(self.processes))
        place.mkdir()
        with (place / "said").open("wb") as said:
            options = {"cwd": place, "stdout": said, "stderr": said, "start_new_session": True}
            variables = {
                **os.environ,
                "PYTHONPATH": f"{ROOT}{os.pathsep}{LIBRARY}",
                "DASK_TEMPORARY_DIRECTORY": str(place),
                **variables,
            }
            started = subprocess.Popen([sys.executable, "-m", module, *typed], env=variables, **options)  # type: ignore[call-overload]
        self.processes.append(started)
        return started

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    cluster = Dask(tmp_path_factory.mktemp("dask"))
    try:
        cluster.worker()
        cluster.worker()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def walks(project: Project) -> Project:
    (project.root / "experiments/quick.py").unlink()
    project.write("experiments/walks.py", TASKS)
    return project


def test_results_are_those_of_this_machine_to_the_last_bit(dask: Dask, walks: Project) -> None:
    """With tasks, and without: then an experiment is one task, computed away from here as well."""
    away = 'import machine\n    print("by", machine.parent())\n    ends ='
    walks.write("experiments/tables.py", TABLES.replace("    ends =", f"    {away}", 1))
    walks.shell("run")
    here = _results(walks)
    shutil.rmtree(walks.root / "results")  # what is there would be sent with the project
    said = walks.shell("run", "--force", "--executor", "dask", "--address", dask.address)
    assert _results(walks) == here
    assert {"walks: done", "tables: done"} <= set(re.findall(r"\w+: done", said))
    parents = {int(pid) for pid in re.findall(r"by (\d+)", said)}
    assert parents and parents <= {process.pid for process in dask.processes}
    assert not list((dask.folder / "1").rglob("result.json")), "results are written by the caller"


FILES = """\"\"\"What lies around?

Method  Tasks look at files that no parameter names.
Cost    Nothing.
Notes   None.
\"\"\"

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.tasks import spread


@dataclass(frozen=True)
class Params:
    seeds: int = 3  # tasks


SMOKE = Params(seeds=1)


@dataclass(frozen=True)
class Result:
    found: tuple[str, ...]


CLAIMS = ()


def look(seed: int) -> str:
    shelf = Path("shelf")
    names = [f"{path.name} {path.stat().st_size if path.is_file() else 'folder'}" for path in sorted(shelf.iterdir())]
    deep = sorted(path.name for path in shelf.glob("*/*.txt"))
    there = [Path(name).exists() for name in ("shelf/b.bin", "shelf/none", "aside/deep/x", "aside")]
    return f"{seed} {names} {deep} {there} {Path('aside', 'deep', 'x').read_text()} {(shelf / 'b.bin').read_bytes()!r}"


def run(params: Params) -> Result:
    return Result(tuple(spread(look, range(params.seeds), "looks")))
"""


def test_a_worker_has_whatever_else_the_code_looks_at(dask: Dask, project: Project) -> None:
    (project.root / "experiments/quick.py").unlink()
    project.write("experiments/files.py", FILES)
    project.write("shelf/a.txt", "one")
    (project.root / "shelf/b.bin").write_bytes(bytes(range(256)))
    project.write("shelf/inner/c.txt", "two")
    project.write("aside/deep/x", "three")
    project.shell("run", "--jobs", "1")
    here, reads = _results(project), store.read_result(project.result("files"), project.root).parts["reads"]
    assert {"shelf", "shelf/inner"} <= reads["listed"].keys() and "shelf/none" in reads["found"]
    project.shell("run", "--force", "--executor", "dask", "--address", dask.address)
    assert _results(project) == here
    assert store.read_result(project.result("files"), project.root).parts["reads"] == reads


def test_what_tools_keep_stays_behind_and_a_project_too_large_to_be_sent_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".git/x", ".lab/y", "env/pyvenv.cfg", "env/z", "data/deep/a.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(1000))
    os.mkfifo(tmp_path / "data/pipe")
    with zipfile.ZipFile(io.BytesIO(source_archive.archive([], tmp_path))) as packed:
        sent = {name for name in packed.namelist() if not name.startswith(("lab/", "press/"))}
    assert sent == {"data/", "data/deep/", "data/deep/a.bin"}
    monkeypatch.setattr(source_archive, "MOST", 999)
    with pytest.raises(LabError, match="keep data outside it"):
        source_archive.archive([], tmp_path)


def test_a_worker_killed_in_the_middle_costs_only_its_task(dask: Dask, walks: Project) -> None:
    marks = walks.root / ".lab/marks"
    marks.mkdir(parents=True)
    marked = '    machine.make(f"{params.die}/{seed}-{machine.pid()}")\n    end = machine'
    walks.edit("experiments/walks.py", "    end = machine", marked)
    walks.edit("experiments/walks.py", "    if params.die and", "    if False and")
    doomed = dask.worker()
    _wait_for(lambda: b"Registered to" in (dask.folder / "3/said").read_bytes())
    running = walks.start(
        "run", "walks", "--executor", "dask", "--address", dask.address, "--set", "rest=0.7", "--set", f"die={marks}",
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    _wait_for(lambda: any(int(mark.name.partition("-")[2]) in _helpers(doomed.pid) for mark in marks.iterdir()))
    orphans = _helpers(doomed.pid)
    doomed.send_signal(signal.SIGKILL)
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 0 and "walks: done" in said, said
    tries = [mark.name.partition("-")[0] for mark in marks.iterdir()]
    assert sorted(set(tries)) == list("012345") and len(tries) == 7  # its task twice, every other once
    _wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans))


def test_where_the_last_worker_dies_the_run_says_that_it_waits_for_another(walks: Project, tmp_path: Path) -> None:
    """In plain lines, and above the bars on a terminal; the first run gets another worker, the second ctrl-C."""
    (tmp_path / "own").mkdir()
    cluster = Dask(tmp_path / "own")
    typed = ("run", "walks", "--executor", "dask", "--address", cluster.address, "--set", "walks=2", "--set")
    waits = f"no worker at {cluster.address}: waiting for one (dask worker {cluster.address}); ctrl-C stops"
    late = threading.Timer(100, lambda: running.kill())  # or a run that says nothing would be waited for without end
    late.start()
    try:
        worker = cluster.worker()
        _wait_for(lambda: b"Registered to" in (cluster.folder / "1/said").read_bytes())
        running = walks.start(*typed, "rest=0.5", stderr=subprocess.STDOUT)
        assert running.stdout and running.stdout.readline() == "walks: running\n"
        _wait_for(lambda: _helpers(worker.pid))
        worker.kill()
        assert running.stdout.readline() == f"{waits}\n"
        worker = cluster.worker()
        said, _ = running.communicate(timeout=120)
        assert running.returncode == 0, said
        assert said.startswith(f"there is a worker at {cluster.address} again: going on\nwalks: done in "), said

        _wait_for(lambda: not _helpers(worker.pid))
        terminal, end = pty.openpty()
        wide = os.environ | {
            "COLUMNS": "200",
            "TERM": "xterm",
            "PYTHONPATH": f"{walks.root}{os.pathsep}{ROOT}{os.pathsep}{LIBRARY}",
        }
        running = walks.start(*typed, "rest=60", stdout=end, stderr=end, env=wide)
        os.close(end)
        shown = b""
        while "━" not in shown.decode(errors="ignore"):  # a bar
            shown += os.read(terminal, 1000)
        _wait_for(lambda: _helpers(worker.pid))
        worker.kill()
        while waits not in shown.decode(errors="ignore"):
            shown += os.read(terminal, 1000)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=120) == 130
        os.close(terminal)
    finally:
        late.cancel()
        cluster.close()


def test_a_scheduler_that_dies_fails_the_experiment_and_says_so(walks: Project, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    cluster = Dask(tmp_path / "own")
    try:
        worker = cluster.worker()
        _wait_for(lambda: b"Registered to" in (cluster.folder / "1/said").read_bytes())
        typed = ("run", "walks", "--executor", "dask", "--address", cluster.address, "--set", "rest=60")
        running = walks.start(*typed, stderr=subprocess.STDOUT)
        assert running.stdout and "running" in running.stdout.readline()
        _wait_for(lambda: _helpers(worker.pid))
        cluster.processes[0].kill()
        said, _ = running.communicate(timeout=120)
    finally:
        cluster.close()
    assert running.returncode == 1 and said.endswith(
        "error: walks: the scheduler lost it: the connection broke, or somebody restarted it\n"
    )
    assert "Traceback" not in said


def test_ctrl_c_leaves_the_workers_idle(dask: Dask, walks: Project) -> None:
    workers = [process.pid for process in dask.processes[1:3]]
    _wait_for(lambda: not any(_helpers(pid) for pid in workers))  # of the run before
    typed = ("run", "walks", "--executor", "dask", "--address", dask.address, "--set", "rest=60")
    running = walks.start(*typed)
    assert running.stdout and "running" in running.stdout.readline()
    _wait_for(lambda: all(_helpers(pid) for pid in workers))
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130 and "stopped; lost: walks" in said
    _wait_for(lambda: not any(_helpers(pid) for pid in workers))


def test_a_task_that_raises_reads_as_it_does_here(dask: Dask, walks: Project) -> None:
    typed = ("run", "walks", "--set", "die=raise")
    here = walks.shell(*typed, code=1)
    there = walks.shell(*typed, "--executor", "dask", "--address", dask.address, code=1)
    found = [
        re.findall(r"in (\w+)$|^(error: .*)$", re.sub(r".*(?=Traceback)", "", said), re.M) for said in (here, there)
    ]
    assert found[0] == found[1] and found[0][-1][1] == "error: walks: FloatingPointError: there is no second walk"


def test_a_worker_with_other_versions_stops_the_run_before_it_begins(walks: Project, tmp_path: Path) -> None:
    """NumPy's as its metadata tell, all that a key looks at; and Python's own, as every process there sees it."""
    (tmp_path / "numpy/numpy-0.9.dist-info").mkdir(parents=True)
    (tmp_path / "numpy/numpy-0.9.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.9\n")
    (tmp_path / "python").mkdir()
    (tmp_path / "python/sitecustomize.py").write_text(
        "import sys\nsys.version = '3.99.1 ' + sys.version.split(' ', 1)[1]\n"
    )
    (tmp_path / "own").mkdir()
    cluster = Dask(tmp_path / "own")
    try:
        for number, (other, line) in enumerate(
            {"numpy": r"numpy: \d[\d.]+ → 0\.9", "python": r"Python: 3\.\d+ → 3\.99"}.items(), 1
        ):
            worker = cluster.worker(PYTHONPATH=f"{tmp_path / other}{os.pathsep}{ROOT}{os.pathsep}{LIBRARY}")
            _wait_for(lambda: b"Registered to" in (tmp_path / f"own/{number}/said").read_bytes())  # noqa: B023
            said = walks.shell("run", "walks", "--executor", "dask", "--address", cluster.address, code=1)
            assert re.search(r"error: worker tcp://127\.0\.0\.1:\d+ would compute something else", said), said
            assert re.search(rf"^  {line}\n", said, re.M) and "pip install 'notes-measured[dask]'" in said
            assert "running" not in said and not walks.result("walks").exists()
            worker.terminate()
            worker.wait()
    finally:
        cluster.close()


def test_a_helper_whose_code_is_not_the_callers_computes_nothing(walks: Project) -> None:
    """A worker that joins later was not asked; its helper makes the key before it takes a task."""
    wanted: Key = compute("walks", walks.root)
    heard: list[Message | None] = []
    walks.edit("experiments/walks.py", "FACTOR = 1.0", "FACTOR = 2.0")
    process = WorkerProcess(walks.root, HelpOut("walks", {}, wanted.key), heard.append)
    assert process.end() == 1
    assert isinstance(heard[0], Failed) and "are others here" in heard[0].error and heard[-1] is None


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("--executor", "dask"), "--address tcp://127.0.0.1:8786"),
        (("--address", "tcp://127.0.0.1:1"), "an address is for --executor dask"),
        (("--executor", "ray"), "'ray' is not one of 'local', 'dask'"),
        (("--executor", "dask", "--address", "localhost"), "'localhost' is not tcp://HOST:PORT"),
        (("--executor", "dask", "--address", "http://localhost:80"), "'http://localhost:80' is not tcp://HOST:PORT"),
    ],
)
def test_options_that_do_not_fit_are_errors(typed: tuple[str, ...], words: str, project: Project) -> None:
    assert words in re.sub(r"[\s│]+", " ", project.shell("run", *typed, code=2))


def test_no_scheduler_is_an_error_within_seconds(project: Project) -> None:
    begun = time.monotonic()
    said = project.shell("run", "--executor", "dask", "--address", "tcp://127.0.0.1:9", code=1)
    assert "error: no Dask scheduler answers at tcp://127.0.0.1:9" in said and "dask scheduler" in said
    assert time.monotonic() - begun < 20


def test_without_dask_installed_it_says_what_to_type(project: Project, tmp_path: Path) -> None:
    project.write("distributed.py", "raise ImportError\n")
    said = project.shell("run", "--executor", "dask", "--address", "tcp://127.0.0.1:9", code=1)
    assert said.endswith("type: pip install 'notes-measured[dask]'\n")


def _results(project: Project) -> dict[str, tuple[object, ...]]:
    there = {path.name: store.read_result(path, project.root) for path in project.root.glob("results/*")}
    return {name: (of.key, of.numbers, of.tables) for name, of in there.items()}


def _helpers(pid: int) -> set[int]:
    """Return the processes of ours that a worker has, whichever of its threads started them."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found |= {int(child) for child in task.read_text().split()}
        except OSError:
            continue
    return found
