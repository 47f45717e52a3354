"""Experiments side by side: computed once, the same bits however many at a time, and kept when the rest is given up."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from small_project import ENDLESS, TABLES, Project

from lab.results import store
from lab.results.writing import is_held, lock_of
from lab.run import status
from lab.run.scheduler import run_jobs
from lab.run.status import State
from lab.workers.messages import Failed, Job, Message, Started


def test_two_processes_asked_for_one_stale_result_compute_it_once(project: Project) -> None:
    """Both wait for the lock, which this test holds; the first to get it computes, the other finds it done."""
    with lock_of(project.result(), project.root):
        both = [project.start("run", stderr=subprocess.STDOUT) for _ in range(2)]
        said = [_until(process.stdout, "waiting") for process in both]
        assert status.status_of("quick", project.root).state is State.RUNNING
    said = [text + process.communicate(timeout=120)[0] for text, process in zip(said, both, strict=True)]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(bool(re.search("quick: done in", text)) for text in said) == [False, True], said
    assert sorted(bool(re.search("quick: already there", text)) for text in said) == [False, True], said
    assert status.status_of("quick", project.root).is_fresh


def test_eight_processes_asked_for_one_stale_result_compute_it_once(project: Project) -> None:
    """All at once, with nothing to hold them back; the experiment itself notes each time that it is run."""
    project.lab("run")
    project.edit("experiments/quick.py", "    walks = []\n", "    walks = []\n    print('it runs')\n")
    assert status.status_of("quick", project.root).state is State.STALE
    all_eight = [project.start("run", stderr=subprocess.STDOUT) for _ in range(8)]
    said = [process.communicate(timeout=120)[0] for process in all_eight]
    assert [process.returncode for process in all_eight] == [0] * 8, said
    assert sum(text.count("it runs") for text in said) == 1
    assert sum("quick: done in" in text for text in said) == 1
    assert status.status_of("quick", project.root).is_fresh


def test_results_do_not_depend_on_how_many_run_at_a_time(project: Project) -> None:
    project.write("experiments/tables.py", TABLES)
    project.lab("run", "--jobs", "1")
    alone = _contents(project)
    project.lab("run", "--force", "--jobs", "3")
    assert _contents(project) == alone
    assert {Path(name).name for name in alone} == {"result.json", "walks.csv"}


def test_ctrl_c_loses_only_the_run_in_hand(project: Project) -> None:
    project.write("experiments/second.py", ENDLESS)
    project.write("experiments/third.py", ENDLESS)
    running = project.start("run", "--jobs", "1")
    _until(running.stdout, "second: running")
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130
    assert said == "stopped; kept: quick; lost: second; not begun: third\nthe same command goes on from here\n"
    assert status.status_of("quick", project.root).is_fresh
    assert status.status_of("second", project.root).state is State.MISSING
    assert not is_held(project.result("second"), project.root)  # its worker is gone


def test_what_was_finished_before_ctrl_c_is_not_run_again(project: Project) -> None:
    text = (project.root / "experiments/quick.py").read_text()
    for name in ("apple", "berry"):
        project.write(f"experiments/{name}.py", text)
    project.write("experiments/cherry.py", text.replace("walks = []", "walks = [1 / len([])]"))
    project.write("experiments/middle.py", ENDLESS)
    (project.root / "experiments/quick.py").rename(project.root / "experiments/zebra.py")
    running = project.start("run", "--jobs", "1")
    _until(running.stdout, "middle: running")
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert said.startswith("stopped; kept: apple, berry; failed: cherry; lost: middle; not begun: zebra\n")
    kept = {path: path.stat().st_mtime_ns for path in project.root.glob("results/*/*")}
    project.edit("experiments/middle.py", "1_000_000_000", "3")
    project.edit("experiments/cherry.py", "walks = [1 / len([])]", "walks = []")
    said = project.lab("run")
    assert "middle: done" in said and "cherry: done" in said and "zebra: done" in said
    assert "apple" not in said and "berry" not in said
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items())


def test_a_worker_dies_with_the_one_who_asked(project: Project) -> None:
    project.write("experiments/second.py", ENDLESS)
    running = project.start("run", "second")
    _until(running.stdout, "second: running")
    running.kill()
    running.communicate()
    end = time.monotonic() + 120
    while is_held(project.result("second"), project.root):
        assert time.monotonic() < end, "the worker goes on for nobody"
        time.sleep(0.02)


def test_a_worker_that_is_killed_is_a_failure_that_names_the_signal(project: Project) -> None:
    project.edit("experiments/quick.py", "from random import Random", "import machine\nfrom random import Random")
    project.edit("experiments/quick.py", "    walks = []\n", "    walks = []\n    machine.die()\n")
    said: list[Message] = []
    (outcome,) = run_jobs([Job("quick")], project.root, 1, lambda job, message: said.append(message))
    assert outcome.error == "its process ended with signal 9" and not outcome.computed
    assert said[-1] == Failed(outcome.error)
    assert status.status_of("quick", project.root).state is State.MISSING


def test_what_an_experiment_prints_is_not_taken_for_an_event(project: Project) -> None:
    project.edit("experiments/quick.py", "    walks = []\n", '    walks = []\n    print(\'{"event": "failed"}\')\n')
    (outcome,) = run_jobs([Job("quick")], project.root, 1)
    assert not outcome.error and outcome.computed
    printed, of_the_lab = outcome.said.split("\n", 1)
    assert printed == '{"event": "failed"}' and of_the_lab.startswith("the rules of far are not registered")


def test_the_longest_starts_first(project: Project) -> None:
    for name in ("brief", "long"):
        project.write(f"experiments/{name}.py", (project.root / "experiments/quick.py").read_text())
    begun: list[str] = []
    jobs = [Job("brief", expected=1.0), Job("long", expected=9.0), Job("quick")]
    run_jobs(
        jobs,
        project.root,
        1,
        lambda job, message: begun.append(job.experiment) if isinstance(message, Started) else None,
    )
    assert begun == ["quick", "long", "brief"]  # one that has never run may take any time


@pytest.mark.parametrize("saved", ["SCALE = 3.0", "SCALE = 3.0 +"])  # whole, and in the middle of a thought
def test_code_that_changes_while_it_runs_gives_no_result(saved: str, project: Project) -> None:
    place, aside = project.root / "experiments/quick.py", project.root / "quick.new"
    project.edit("experiments/quick.py", "        draw = ", "        sum(range(10_000_000))\n        draw = ")
    changed = place.read_text().replace("SCALE = 1.0", saved)

    def edit(job: Job, message: Message) -> None:
        if isinstance(message, Started):
            aside.write_text(changed)
            aside.replace(place)

    (outcome,) = run_jobs([Job("quick")], project.root, 1, edit)
    assert "the code or data of quick changed while it ran" in outcome.error and "type: lab run quick" in outcome.error
    assert status.status_of("quick", project.root).state is (State.MISSING if saved == "SCALE = 3.0" else State.FAILED)
    assert not project.result().exists()


def _until(lines: Iterable[str] | None, words: str) -> str:
    """Read lines up to the one with `words`, and return them."""
    assert lines
    said = ""
    for line in lines:
        said += line
        if words in line:
            return said
    pytest.fail(f"it ended without saying {words!r}:\n{said}")


def _contents(project: Project) -> dict[str, Any]:
    """Return every file of the results, without what says when and where."""
    found: dict[str, Any] = {}
    for path in sorted(project.root.glob("results/*/*")):
        if path.name == store.FILE:
            content = json.loads(path.read_text())
            assert content.pop("checksum") and content.pop("provenance")
            found[str(path)] = content
        else:
            found[str(path)] = path.read_bytes()
    return found
