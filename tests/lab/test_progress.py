"""Progress and time left are the whole run's, going by the parts of the last one; where that is not known, it is said."""

from __future__ import annotations

import re

import pytest
from small_project import Project

from lab import progress
from lab.cli import watch
from lab.cli.watch import Watch
from lab.keys import key
from lab.results import store
from lab.workers.messages import Job, Message, Progress, Started
from lab.workers.stages import Outlook, StageLog

TWO_BATCHES = '''"""Does it come in parts?

Method  Two batches of tasks and a loop.
Cost    Nothing.
Notes   None.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.progress import track
from lab.tasks import spread


@dataclass(frozen=True)
class Params:
    count: int = 3  # tasks


SMOKE = Params(count=1)


@dataclass(frozen=True)
class Result:
    total: int


CLAIMS = ()


def square(x: int) -> int:
    return x * x


def run(params: Params) -> Result:
    first = sum(spread(square, range(params.count), "networks"))
    second = sum(spread(square, range(params.count + 2), "losses"))
    for _ in track(range(4), "steps"):
        first += sum(spread(square, range(2), "inner"))
    return Result(first + second)
'''


def lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], job: Job, told: list[Message]) -> str:
    clock = [0.0]

    def now() -> float:
        clock[0] += 1.0
        return clock[0]

    monkeypatch.setattr(watch.time, "monotonic", now)
    monkeypatch.setattr(watch, "QUIET", 0.0)
    listening = Watch([job])
    for message in (Started("key"), *told):
        listening(job, message)
    return capsys.readouterr().out


TOLD: list[Message] = [
    *(Progress("networks", done, 48) for done in (0, 24, 48)),
    *(Progress("losses", done, 56) for done in (1, 28)),
]


def test_a_second_batch_goes_on_where_the_first_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    last = (("networks", 48, 30.0), ("losses", 56, 10.0))
    said = lines(monkeypatch, capsys, Job("forgiving", expected=40.0, stages=last), TOLD)
    assert "forgiving: part 1 of 2: networks 24 of 48, 3.3 s left" in said  # three eighths took two seconds
    assert "forgiving: part 2 of 2: losses 28 of 56, 0.7 s left" in said and "not known" not in said


def test_a_first_run_claims_to_know_the_part_in_hand_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = lines(monkeypatch, capsys, Job("forgiving"), TOLD)
    assert "forgiving: part 1: networks 24 of 48, 1.0 s left in this part; what follows is not known" in said
    assert re.search(r"forgiving: part 2: losses 28 of 56, \S+ s left in this part; what follows is not known", said)


def test_the_share_of_the_whole_never_falls_and_a_longer_part_counts_for_more() -> None:
    outlook, shares = Outlook([["a", 10, 6.0], ["b", None, 2.0]], 10.0), []
    for what, total in (("a", 20), ("b", None)):
        outlook.begin(what, total)
        shares += [outlook.share(part) for part in (0.0, 0.5, 1.0)]
    assert shares == sorted(shares) and shares[2] == pytest.approx(12 / 14) and shares[-1] == 1.0
    assert Outlook([["a", 10, 6.0], ["b", 5, 2.0]], 10.0).share(1.0) == 0.0, "two seconds are in no part"


@pytest.mark.parametrize("ways", [["b"], ["a", "c"], ["a", "b", "c"]])
def test_a_run_that_goes_another_way_than_the_last_is_not_known(ways: list[str]) -> None:
    outlook = Outlook([["a", 1, 1.0], ["b", 1, 1.0]], 2.0)
    for what in ways:
        outlook.begin(what, 1)
    assert outlook.share(0.5) is None and outlook.parts is None


def test_loops_inside_a_loop_and_loops_left_early_are_no_parts_of_their_own() -> None:
    clock, log = [0.0], StageLog(lambda: clock[0])
    before = progress.listen(log.note)
    try:
        for _ in progress.track(range(2), "outer"):
            for step in progress.track(range(9), "inner"):
                clock[0] += 1
                if step == 1:
                    break
        for _ in progress.track(iter(range(3)), "unknown"):
            clock[0] += 1
    finally:
        progress.listen(before)
    assert [(what, seconds) for what, _, seconds in log.stages] == [("outer", 4.0), ("unknown", 3.0)]


def test_a_result_keeps_the_parts_of_its_run_and_its_key_does_not_have_them(project: Project) -> None:
    project.write("experiments/quick.py", TWO_BATCHES)
    before = key.compute("quick", project.root).key
    project.lab("run")
    there = store.read_result(project.result(), project.root)
    parts = [(what, total) for what, total, _ in there.provenance["stages"]]
    assert parts == [("networks", 3), ("losses", 5), ("steps", 4)] and there.key == before
    assert all(seconds >= 0 for _, _, seconds in there.provenance["stages"])
