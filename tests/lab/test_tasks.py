"""Tasks of an experiment: the same bits wherever they are computed, no more at a time than allowed, and no trace when it ends."""

from __future__ import annotations

import importlib
import os
import random
import re
import shutil
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from small_project import Project

from lab import tasks
from lab.cli.watch import Position
from lab.errors import LabError
from lab.keys import key
from lab.keys.experiments import find_root, load, names
from lab.results import codec, store
from lab.run.scheduler import run_jobs
from lab.tasks import spread
from lab.workers import task_runner
from lab.workers.messages import Job, Message, Started

ROOT = find_root()

TASKS = '''\
"""How far do walks get, each a task?

Method  Random steps are added up.
Cost    Nothing to speak of.
Notes   None.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import machine
import numpy as np
import pandas as pd

from lab.claims import Claim
from lab.tasks import spread
from lab.progress import track

FACTOR = 1.0


@dataclass(frozen=True)
class Params:
    steps: int = 1000  # of one walk
    walks: int = 6  # tasks
    rest: float = 0.0  # seconds that a task takes at least
    meet: str = ""  # "at: " and a folder with three seats: each process takes one, and waits until the last is taken
    die: str = ""  # in a task: "raise", "always", or "once: " and a folder to be made by the one who dies


SMOKE = Params(steps=2)


@dataclass(frozen=True)
class Result:
    total: float
    walks: pd.DataFrame


CLAIMS: tuple[Claim, ...] = ()


def run(params: Params) -> Result:
    ends = np.stack(spread(partial(_walk, params, machine.pid()), range(params.walks), "walks"))
    again = spread(_double, ends.sum(1).tolist(), "doublings")
    return Result(float(sum(again)), pd.DataFrame(ends, columns=["x", "y"]))


def _walk(params: Params, owner: int, seed: int) -> np.ndarray:
    end = machine.now() + params.rest
    for _ in track(range(params.steps), "steps"):
        pass
    while machine.now() < end:
        machine.sleep(0.005)
    if params.meet:
        _meet(params.meet.removeprefix("at: "))
    if params.die and (seed == 1 if params.die in ("raise", "always") else machine.pid() != owner):
        _die(params.die)
    # Seen from its end: such an array is another one, to the bit, once it is summed in another order.
    return FACTOR * np.random.default_rng(seed).standard_normal((2, params.steps)).T[::-1].sum(0)


def _meet(folder: str) -> None:
    end = machine.now() + 120
    if machine.make(f"{folder}/{machine.pid()}"):
        _sit_down(folder)
    while not machine.is_there(f"{folder}/seat 2"):
        if machine.now() > end:
            raise TimeoutError("nobody came in two minutes")
        machine.sleep(0.005)


def _sit_down(folder: str) -> None:
    for seat in range(9):
        if machine.make(f"{folder}/seat {seat}"):
            return


def _double(value: float) -> float:
    return 2 * value


def _die(how: str) -> None:
    if how == "raise":
        raise FloatingPointError("there is no second walk")
    if how == "always" or machine.make(how.removeprefix("once: ")):
        machine.die()
'''


# One that has no tasks, and goes on until the other has begun.
SLEEPER = (
    TASKS.replace(
        'spread(partial(_walk, params, machine.pid()), range(params.walks), "walks")', "[_walk(params, 0, 0)]"
    )
    .replace('spread(_double, ends.sum(1).tolist(), "doublings")', "[1.0]")
    .replace("from lab.tasks import spread\n", "")
    .replace("rest: float = 0.0", "rest: float = 3.0")
)

# The least that has tasks.
SOWN = """\
from dataclasses import dataclass
from itertools import count
from random import Random

from lab.tasks import spread

TURN = count()
SMOKE = range(4)


@dataclass
class Result:
    numbers: tuple[float, ...]


def run(seeds):
    return Result(tuple(spread(_draw, seeds, "seeds")))


def _draw(seed):
    return Random(seed).random()
"""


@pytest.fixture
def walks(project: Project) -> Project:
    (project.root / "experiments/quick.py").unlink()
    project.write("experiments/walks.py", TASKS)
    return project


def test_in_a_plain_call_it_is_a_loop(walks: Project) -> None:
    assert spread(partial(pow, 2), range(5), "powers") == [1, 2, 4, 8, 16]
    assert spread(abs, []) == []


def test_what_cannot_travel_is_refused_wherever_it_is_computed() -> None:
    with pytest.raises(LabError, match=r"cannot travel(.|\n)*at the top level of its module, or functools\.partial"):
        spread(lambda item: item, [1])


def _inner(item: int) -> list[int]:
    return spread(partial(pow, item), [1, 2])


def test_tasks_inside_a_task_are_not_spread_further() -> None:
    handed: list[str] = []

    def hand_out(calls: list[str], what: str) -> list[str]:
        handed.append(what)
        return [tasks.run_task(call) for call in calls]

    tasks.through(hand_out)
    try:
        assert spread(_inner, [2, 3], "outer") == [[2, 4], [3, 9]]
    finally:
        tasks.through(None)
    assert handed == ["outer"]


@pytest.mark.parametrize("stem", [stem for stem in names(ROOT) if key.compute(stem, ROOT).spreads])
def test_the_book_s_own_tasks_know_nothing_of_each_other_and_are_handed_little(stem: str) -> None:
    _assert_independent(load(stem))


def test_a_task_that_depends_on_those_before_it_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: numbers drawn from a counter instead of their own seed."""
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in (("sown", SOWN), ("counted", SOWN.replace("Random(seed)", "Random(next(TURN) % 4)"))):
        (tmp_path / f"{name}.py").write_text(text)
    _assert_independent(importlib.import_module("sown"))
    with pytest.raises(AssertionError):
        _assert_independent(importlib.import_module("counted"))


def _assert_independent(module: Any) -> None:
    """Compute the tasks last one first, and the first one twice: as bits, the same result as in order."""

    def hand_out(calls: list[str], what: str) -> list[str]:
        assert len(calls) > 1 and max(map(len, calls)) < 10_000, what  # bytes: parameters, a name, a seed
        last_first = [tasks.run_task(call) for call in [*reversed(calls), calls[0]]]
        return last_first[-2::-1]

    plain = codec.encode(module.run(module.SMOKE))
    tasks.through(hand_out)
    try:
        assert codec.encode(module.run(module.SMOKE)) == plain
    finally:
        tasks.through(None)


def test_results_are_the_same_bits_for_any_number_of_workers(walks: Project) -> None:
    walks.edit("experiments/walks.py", "    end = machine", "    print('by', machine.pid())\n    end = machine")
    found, helped = [], []
    for workers in (1, 2, 3):
        job = Job("walks", {"meet": _meeting(walks, workers), "walks": "14"}, force=True)
        (outcome,) = run_jobs([job], walks.root, workers)
        assert outcome.computed, outcome
        (place,) = walks.root.glob(".lab/cache/walks/*")
        there = store.read_result(place, walks.root)
        found.append((there.numbers, there.tables, there.key))
        helped.append(len(set(re.findall(r"by \d+", outcome.said))))
    assert found[0] == found[1] == found[2]
    assert helped == [1, 2, 3]


@pytest.mark.parametrize(
    ("expected", "workers", "other", "processes"),
    [
        (60.0, 3, False, 3),
        (60.0, 9, False, 6),  # one for each task
        (60.0, 1, False, 1),
        (60.0, 3, True, 2),  # the other one computes as well
        (60.0, 1, True, 1),  # and here it waits
        (5.0, 3, False, 1),  # done before a helper could be of use
        (None, 3, False, 1),  # nothing is known of it
    ],
)
def test_helpers_of_a_long_run_are_made_ready_while_it_begins(
    expected: float | None, workers: int, other: bool, processes: int, walks: Project
) -> None:
    walks.write("experiments/whole.py", SLEEPER)
    last = [["walks", 6, 60.0]] if expected else []
    jobs = [Job("walks", {"rest": "0.1"}, expected=expected, stages=last), *([Job("whole", expected=1.0)] * other)]
    before, there = _offspring(os.getpid()), list[int]()

    def listen(job: Job, message: Message) -> None:
        if isinstance(message, Started) and job.experiment == "walks":
            there.append(len(_offspring(os.getpid()) - before) - (other and workers > 1))

    outcomes = run_jobs(jobs, walks.root, workers, listen)
    assert not [outcome.error for outcome in outcomes if outcome.error]
    assert there == [processes]
    assert _offspring(os.getpid()) <= before


def test_a_helper_made_ready_early_takes_its_tasks_and_what_it_cannot_do_is_done_all_the_same(walks: Project) -> None:
    last = [["walks", 6, 60.0]]
    job = Job("walks", {"meet": _meeting(walks, 2), "walks": "12"}, expected=60.0, stages=last)
    (outcome,) = run_jobs([job], walks.root, 2)
    assert outcome.computed and not outcome.error, outcome
    before, begun = _offspring(os.getpid()), list[int]()

    def kill(job: Job, message: Message) -> None:
        if isinstance(message, Started):
            begun.extend(_offspring(os.getpid()) - before)
            os.kill(max(begun), signal.SIGKILL)  # the last one started

    (outcome,) = run_jobs([Job("walks", {"rest": "0.2"}, expected=60.0, stages=last)], walks.root, 2, kill)
    assert len(begun) == 2 and outcome.computed and not outcome.error, (begun, outcome)


def test_ctrl_c_while_helpers_are_made_ready_leaves_none_of_them(walks: Project) -> None:
    before, begun = _offspring(os.getpid()), list[int]()

    def stop(job: Job, message: Message) -> None:
        if isinstance(message, Started):
            begun.extend(_offspring(os.getpid()) - before)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs([Job("walks", expected=60.0, stages=[["walks", 6, 60.0]])], walks.root, 3, stop)
    assert len(begun) == 3 and not any(Path(f"/proc/{pid}").exists() for pid in begun)


def test_helpers_take_what_one_process_leaves_and_no_more_compute_than_are_allowed(walks: Project) -> None:
    walks.edit("experiments/walks.py", "    end = machine", "    print('by', machine.pid())\n    end = machine")
    walks.write("experiments/others.py", (walks.root / "experiments/walks.py").read_text())
    jobs = [Job("walks", {"meet": _meeting(walks, 2), "walks": "30"}), Job("others", {"rest": "0.3", "walks": "2"})]
    most, at = 0, set[int]()
    begun = time.process_time()

    def listen(job: Job, message: Message) -> None:
        nonlocal most
        at.clear()
        at.update(_computing(os.getpid()))
        most = max(most, len(at))

    first, second = sorted(run_jobs(jobs, walks.root, 2, listen), key=lambda outcome: outcome.job.experiment)
    assert not first.error and not second.error, (first, second)
    helped = {name: len(set(re.findall(r"by \d+", of.said))) for name, of in (("others", first), ("walks", second))}
    assert sum(helped.values()) == 3, helped  # once the shorter one had ended, and not before, the other had help
    assert most <= 3  # processes alive: two that compute, and one that waits for its last task
    assert time.process_time() - begun < 5


def test_cost_is_the_processors_time_of_all_tasks_and_not_what_a_busy_machine_makes_of_it(walks: Project) -> None:
    def cost() -> float:
        (outcome,) = run_jobs([Job("walks", {"rest": "0.4"}, force=True)], walks.root, 3)
        assert not outcome.error, outcome
        (place,) = walks.root.glob(".lab/cache/walks/*")
        shutil.move(place, walks.root / ".lab/aside")
        return float(store.read_result(walks.root / ".lab/aside", walks.root).provenance["seconds"])

    asleep = cost()
    shutil.rmtree(walks.root / ".lab/aside")
    walks.edit(
        "experiments/walks.py", "        machine.sleep(0.005)\n    if params.meet", "        pass\n    if params.meet"
    )
    walks.edit("experiments/walks.py", "machine.now() + params.rest", "machine.busy() + params.rest")
    walks.edit("experiments/walks.py", "while machine.now() < end", "while machine.busy() < end")
    assert asleep < 2.4 <= cost()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_task_reads_as_if_it_had_happened_in_the_experiment(workers: int, walks: Project) -> None:
    (outcome,) = run_jobs([Job("walks", {"die": "raise", "rest": "0.1"})], walks.root, workers)
    assert outcome.error == "FloatingPointError: there is no second walk"
    assert outcome.trace.splitlines()[0] == "Traceback (most recent call last):"
    assert re.findall(r"in (\w+)$", outcome.trace, re.M) == ["run", "_walk", "_die"]
    assert outcome.trace.rstrip().endswith(outcome.error) and "lab/" not in outcome.trace


def test_a_helper_that_is_killed_costs_its_task_which_is_computed_again(walks: Project) -> None:
    changes = {"die": f"once: {walks.root / '.lab/died'}", "meet": _meeting(walks, 2), "walks": "12"}
    (outcome,) = run_jobs([Job("walks", changes)], walks.root, 3)
    assert (walks.root / ".lab/died").exists()
    assert outcome.computed and not outcome.error, outcome


def test_a_task_that_kills_whoever_computes_it_is_a_failure_that_names_the_signal(walks: Project) -> None:
    (outcome,) = run_jobs([Job("walks", {"die": "always"})], walks.root, 2)
    assert outcome.error == "its process ended with signal 9"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_neither_ctrl_c_nor_a_kill_leaves_a_process_behind(how: int, walks: Project) -> None:
    running = walks.start("run", "walks", "--jobs", "3", "--set", "rest=60")
    _wait_for(lambda: len(_children(running.pid)) == 3)  # the experiment's own, and two helpers
    children = _children(running.pid)
    running.send_signal(how)
    running.communicate(timeout=120)
    _wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    assert running.returncode == (130 if how == signal.SIGINT else -9)


@pytest.mark.parametrize(
    ("old", "new", "stale"),
    [
        ("standard_normal((2", "uniform(size=(2", True),  # handed on through functools.partial
        ("return 2 * value", "return 3 * value", True),  # handed on as it is
        ("FACTOR = 1.0", "FACTOR = 2.0", True),  # what a task reaches
        ("# Seen from its end", "# From its end", False),
    ],
)
def test_the_code_of_a_task_is_part_of_the_key(old: str, new: str, stale: bool, walks: Project) -> None:
    before = key.compute("walks", walks.root)
    walks.edit("experiments/walks.py", old, new)
    assert (key.compute("walks", walks.root).key != before.key) == stale
    assert before.spreads and not any("lab/tasks" in name for name in before.parts["code"])


def test_progress_adds_up_over_tasks() -> None:
    at = Position()
    at.note("walks", 0, 4, now=10.0)
    at.note("steps", 5, 10, now=11.0, task=0)
    assert at.share == pytest.approx(1 / 8) and str(at) == "walks 0 of 4, steps 5 of 10"
    at.note("steps", 5, 10, now=12.0, task=1)
    assert at.share == pytest.approx(2 / 8) and str(at) == "walks 0 of 4"


def _meeting(walks: Project, processes: int) -> str:
    """Return what makes that many processes wait for each other: the other seats are taken."""
    folder = walks.root / ".lab/meeting"  # no input, as all that lies there
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number in range(3 - processes):
        (folder / f"seat {number}").mkdir()
    return f"at: {folder}"


def _children(pid: int) -> list[int]:
    return [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _computing(pid: int) -> set[int]:
    """Return the children of a process that are workers; one that has just begun may not say so yet."""
    return {child for child in _offspring(pid) if b"lab.workers.worker" in _command(child)}


def _offspring(pid: int) -> set[int]:
    """Return the children of a process, of any of its threads."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found |= {int(child) for child in task.read_text().split()}
        except OSError:
            continue
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _wait_for(condition: Any) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "nothing happened for two minutes"
        time.sleep(0.01)


DRAWS = """import random
import numpy as np
import torch
FIRST = random.random(), np.random.random()
def task(): return random.random(), np.random.random(), torch.rand(1).item()
"""


def test_a_task_draws_the_same_from_the_global_generators_wherever_and_whenever_it_is_computed() -> None:
    def process(tasks: int) -> list[object]:
        task_runner.seed_draws(["numpy"])
        there: dict[str, Any] = {}
        exec(DRAWS, there)
        torch.manual_seed(torch.initial_seed())
        task_runner.remember_draws()
        found: list[object] = [there["FIRST"]]
        for _ in range(tasks):
            with task_runner.draws_of_task():
                found.append(there["task"]())
        return [*found, random.random()]  # what the experiment itself draws does not hang on them either

    before = task_runner._draws()
    try:
        one, three = process(1), process(3)
    finally:
        task_runner._put_back(before)
    assert three[1:4] == [one[1]] * 3 and (three[0], three[4]) == (one[0], one[2])
