"""`lab verify` tells a result that agrees with the book's from one that does not, claim by claim and number by number."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_project import ENDLESS, TABLES, Project

from lab.estimate import Estimate
from lab.results import store
from lab.results.codec import Table
from lab.results.store import Stored
from lab.run.verification import NumberPair, _differences
from lab.workers import arithmetic


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose one experiment, with an estimate and a table, has been computed."""
    project = Project(tmp_path_factory.mktemp("verify"))
    (project.root / "experiments/quick.py").unlink()
    project.write("experiments/tables.py", TABLES)
    project.lab("run")
    return project


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same with a column and a number that are measured times, and say so, and a claim that rests on the number."""
    project = Project(tmp_path_factory.mktemp("timed"))
    (project.root / "experiments/quick.py").unlink()
    project.write("experiments/tables.py", TABLES)
    for old, new in (
        ("import dataclass\n", "import dataclass, field\n"),
        (
            "from lab.estimate import Estimate\n",
            "from lab.estimate import Estimate\nfrom lab.stopwatch import processor_seconds\n",
        ),
        ("    walks: pd.DataFrame", '    seconds: float = field(metadata={"times": ()})\n    walks: pd.DataFrame'),
        ("pd.DataFrame  # columns seed, distance", 'pd.DataFrame = field(metadata={"times": ("took",)})'),
        ('"distance": ends})', '"distance": ends, "took": processor_seconds()})'),
        ("max(ends), pd", "max(ends), processor_seconds(), pd"),
        ("CLAIMS = (\n", CLAIM),
    ):
        project.edit("experiments/tables.py", old, new)
    project.lab("run")
    return project


CLAIM = """\
CLAIMS = (
    Claim(
        name="soon",
        text="It takes a while.",
        source=None,
        line="above 0",
        rule=Above("the time", lambda r: r.seconds, 0),
        number=lambda r: "some seconds",
    ),
"""


@pytest.fixture(autouse=True)
def _keep(request: pytest.FixtureRequest) -> Any:
    """Put the book's result back after a test has changed it."""
    changed = {"tables", "timed"}.intersection(request.fixturenames)
    if not changed:
        yield
        return
    project = request.getfixturevalue(changed.pop())
    place = project.result("tables")
    before = store.read_result(place, project.root)
    yield
    store.write_result(place, project.root, before)


def _change(project: Project, **numbers: Any) -> None:
    """Write other numbers into the book's result, with a right checksum."""
    place = project.result("tables")
    there = store.read_result(place, project.root)
    store.write_result(place, project.root, dataclasses.replace(there, numbers=there.numbers | numbers))


def test_the_same_machine_gives_the_same_bits(tables: Project) -> None:
    before = {path: path.read_bytes() for path in tables.root.glob("results/**/*.*")}
    said = tables.shell("verify")
    assert "tables: the same to the last bit" in said and "1 of 1 experiments agree with the book" in said
    assert (tables.root / ".lab/verify/tables/result.json").is_file()
    assert re.search(r"tables +far +(\w+) +\1 +distance (.+?) +distance \2\n", said)
    assert {path: path.read_bytes() for path in tables.root.glob("results/**/*.*")} == before


def test_a_difference_inside_the_interval_agrees_and_is_reported(tables: Project) -> None:
    distance = store.read_result(tables.result("tables"), tables.root).numbers["distance"]
    _change(tables, distance=distance | {"mean": distance["mean"] + distance["half_width"] / 3})
    said = tables.shell("verify", "tables")
    assert "tables: agrees, 1 of 1 verdicts the same, 1 of 1 estimates in the book's intervals" in said
    assert re.search(r"largest relative difference 0\.\d, of distance", said)
    assert re.search(r"^here: .*Python 3.*; commit ", said, re.M) and re.search(r"^book: ", said, re.M)


def test_another_verdict_or_a_number_outside_ends_with_exit_code_one(tables: Project) -> None:
    _change(tables, distance={"mean": -3.0, "half_width": 0.5, "n": 4})
    said = tables.shell("verify", "tables", code=1)
    assert "tables: DIFFERS, 0 of 1 verdicts the same, 0 of 1 estimates in the book's intervals" in said
    assert re.search(r"distance: \d.*\s±\s.* here is outside −3.0\s±\s0.5 in the book", said)
    assert re.search(r"far: (holds|undecided) here, fails in the book", said)


def test_without_a_result_there_is_nothing_to_compare_with(project: Project) -> None:
    said = project.lab("verify", code=1)
    assert said == "\nerror: quick: nothing to compare with: results/quick is missing\ntype: lab run quick\n"


def test_one_that_fails_and_one_that_is_damaged_stop_no_other(tables: Project) -> None:
    text = (tables.root / "experiments/tables.py").read_text()
    for name in ("alas", "broken", "absent"):
        tables.write(f"experiments/{name}.py", text)
        if name != "absent":
            tables.shell("run", name)
    tables.edit("experiments/alas.py", "    ends = ", "    1 / len([])\n    ends = ")
    os.truncate(tables.result("broken") / "walks.csv", 9)
    try:
        said = tables.shell("verify", code=1)
    finally:
        for name in ("alas", "broken", "absent"):
            (tables.root / f"experiments/{name}.py").unlink()
    assert "tables: the same to the last bit" in said and "1 of 4 experiments agree with the book" in said
    assert (
        "alas: not compared, ZeroDivisionError: division by zero" in said and "error: alas: ZeroDivisionError" in said
    )
    assert "broken: not compared, nothing to compare with: results/broken is damaged: walks.csv" in said
    assert re.search(r"^error: absent: .*results/absent is missing\ntype: lab run absent$", said, re.M)


def test_a_book_whose_experiment_gives_something_else_by_now_says_so(tables: Project) -> None:
    before = (tables.root / "experiments/tables.py").read_text()
    tables.edit("experiments/tables.py", "    longest: float", "    furthest: float")
    try:
        said = tables.shell("verify", code=1)
    finally:
        tables.write("experiments/tables.py", before)
    assert "error: tables: the result of tables does not fit its Result" in said and "Traceback" not in said


def test_numbers_that_are_no_estimates_are_listed_with_how_far_off_they_are(tables: Project) -> None:
    longest = store.read_result(tables.result("tables"), tables.root).numbers["longest"]
    _change(tables, longest=longest * 1.25)
    said = tables.shell("verify")
    assert re.search(r"^  relative differences: longest 0\.2$", said, re.M)
    assert "the same arithmetic, code and versions, so every bit should be the same: please report this" in said


def _elsewhere(project: Project, change: Callable[[dict[str, Any]], object]) -> str:
    """Let the book's result come from a machine of the same name but other arithmetic; return what `verify` says."""
    longest = store.read_result(project.result("tables"), project.root).numbers["longest"]
    _change(project, longest=longest * 1.25)
    there = store.read_result(project.result("tables"), project.root)
    made = copy.deepcopy(there.provenance)
    change(made)
    store.write_result(project.result("tables"), project.root, dataclasses.replace(there, provenance=made))
    return project.shell("verify")


def test_a_machine_of_the_same_name_promises_no_bits_and_the_calls_that_differ_are_named(tables: Project) -> None:
    def other_kernels(made: dict[str, Any]) -> None:
        [one] = made["arithmetic"]
        one["decided by"]["NumPy"] = "baseline"
        one["calls"] |= {"numpy.exp": "another", "numpy.log": "another"}

    said = _elsewhere(tables, other_kernels)
    assert "another NumPy here; other bits come from numpy.exp, numpy.log\n" in said and "report this" not in said


def test_a_result_that_does_not_say_how_it_was_computed_promises_no_bits(tables: Project) -> None:
    said = _elsewhere(tables, lambda made: made.pop("arithmetic"))
    assert "does not say what its last bits were decided by" in said and "report this" not in said


def test_bits_are_promised_only_where_both_say_all_that_decides_them(tables: Project) -> None:
    def older(made: dict[str, Any]) -> None:
        del made["arithmetic"][0]["decided by"]["NumPy"]

    def told_nothing(made: dict[str, Any]) -> None:
        made["arithmetic"][0]["decided by"]["MKL's functions"] = arithmetic.NOT_TOLD

    for change, names in ((older, "NumPy"), (told_nothing, "MKL's functions, NumPy")):
        said = _elsewhere(tables, change)
        assert f"what decides the last bits is not known of both machines: {names}\n" in said
        assert "report this" not in said
    one = {"decided by": {"MKL's functions": arithmetic.NOT_TOLD, "NumPy": "baseline"}}
    assert arithmetic.untold(one, one) == ["MKL's functions"] and arithmetic.differing(one, one, "decided by") == []


def _arithmetic(imports: str, **variables: str) -> dict[str, Any]:
    """Return what a process says of its arithmetic, and nothing else."""
    ask = f"import {imports}, json; from lab.workers import arithmetic; print(json.dumps(arithmetic.here()))"
    done = subprocess.run([sys.executable, "-c", ask], env=os.environ | variables, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_arithmetic_is_told_apart_by_its_bits_where_a_library_takes_another_version_of_a_function() -> None:
    usual, again = _arithmetic("numpy"), _arithmetic("numpy")
    assert usual == again and arithmetic.differing(usual, again, "calls") == []
    best = usual["decided by"]["NumPy"]
    if best == "baseline":
        pytest.skip("NumPy has one version of each function for this processor")
    plain = _arithmetic("numpy", NPY_DISABLE_CPU_FEATURES=best)
    assert {"NumPy", "variables"} == set(arithmetic.differing(usual, plain, "decided by"))
    assert "numpy.exp float32" in arithmetic.differing(usual, plain, "calls")


def test_the_functions_that_mkl_and_onednn_chose_are_named() -> None:
    usual = _arithmetic("torch")
    names = {"MKL's functions", "oneDNN's functions"}
    if not names <= usual["decided by"].keys():
        pytest.skip("this PyTorch is made without them")
    assert arithmetic.untold(usual, usual) == []
    plain = _arithmetic("torch", MKL_CBWR="COMPATIBLE", ONEDNN_MAX_CPU_ISA="SSE41")
    assert {*names, "variables"} == set(arithmetic.differing(usual, plain, "decided by"))
    assert "torch.matmul float64" in arithmetic.differing(usual, plain, "calls")
    assert plain["decided by"]["oneDNN's functions"].startswith("Intel SSE4.1; ")


def test_a_library_that_does_not_say_what_it_chose_is_no_error(tmp_path: Path) -> None:
    import _ctypes

    assert arithmetic._mkl(Path(_ctypes.__file__)) == arithmetic._mkl(tmp_path / "none.so") == arithmetic.NOT_TOLD


def test_what_onednn_prints_is_taken_in_and_later_output_is_seen_again(capfd: pytest.CaptureFixture[str]) -> None:
    import torch

    said = arithmetic._onednn(torch)
    print("seen")
    assert capfd.readouterr().out == "seen\n"
    assert torch.backends.mkldnn.is_available() == (said != arithmetic.NOT_TOLD)


def test_the_sign_of_a_zero_is_a_bit_like_any_other(tables: Project) -> None:
    place = tables.result("tables")
    there = store.read_result(place, tables.root)
    walks = there.tables["walks"]
    text = walks.csv.replace(b"\n0,", b"\n-0.0,", 1)
    changed = {"walks": Table(text, walks.dtypes | {"seed": "float64"})}
    store.write_result(place, tables.root, dataclasses.replace(there, tables=changed))
    said = tables.shell("verify")
    assert "tables: agrees" in said and "largest relative difference 0, of walks.seed" in said
    theirs, ours = _stored("a\n0.0\n", {"a": "float64"}, n=0.0), _stored("a\n-0.0\n", {"a": "float64"}, n=-0.0)
    assert dict(_differences(theirs, ours)) == {"n": 0.0, "table.a": 0.0}


def test_measured_times_are_told_apart_from_what_should_be_the_same(timed: Project) -> None:
    said = timed.shell("verify")
    assert "tables: the same to the last bit, measured times aside\n" in said and "report this" not in said
    assert re.search(r"^  measured times never repeat; relative differences: (seconds|walks\.took) \S+, ", said, re.M)


def test_beside_times_a_number_or_a_column_that_differs_is_still_reported(timed: Project) -> None:
    place = timed.result("tables")
    there = store.read_result(place, timed.root)
    walks = there.tables["walks"]
    seeds = {"walks": Table(walks.csv.replace(b"\n3,", b"\n4,"), walks.dtypes)}
    store.write_result(
        place, timed.root, dataclasses.replace(there, tables=seeds, numbers=there.numbers | {"longest": 1e3})
    )
    said = timed.shell("verify")
    assert "the same to the last bit" not in said and "please report this" in said
    assert re.search(r"^  relative differences: longest \S+, walks\.seed 0\.\d+$", said, re.M)
    assert re.search(r"^  measured times never repeat; .*walks\.took", said, re.M)


def test_a_time_on_which_a_verdict_rests_hides_no_other_verdict(timed: Project) -> None:
    _change(timed, seconds=-1.0)
    said = timed.shell("verify", code=1)
    assert "tables: DIFFERS, 1 of 2 verdicts the same" in said and "soon: holds here, fails in the book" in said
    assert "the same to the last bit" not in said and "report this" not in said  # no bit is wrong


def test_a_time_that_is_in_no_column_is_an_error(timed: Project) -> None:
    before = (timed.root / "experiments/tables.py").read_text()
    for old, new, said in (
        (
            '("took",)',
            '("tok",)',
            "Result.walks is a table of seed, distance, took, and its metadata name the times tok",
        ),
        ('"times": ()', '"times": ("took",)', "Result.seconds is no table, and its metadata name the times took"),
    ):
        timed.edit("experiments/tables.py", old, new)
        assert f"error: tables: {said}\n" in timed.shell("verify", code=1)
        timed.write("experiments/tables.py", before)


def test_ctrl_c_compares_what_is_done(tables: Project) -> None:
    tables.write("experiments/zz.py", ENDLESS.replace("1_000_000_000", "2"))
    tables.shell("run", "zz")
    tables.edit("experiments/zz.py", "steps: int = 2", "steps: int = 1_000_000_000")
    verifying = tables.start("verify", "tables", "zz", "--jobs", "1")
    try:
        assert verifying.stdout and any("zz: running" in line for line in verifying.stdout)
        verifying.send_signal(signal.SIGINT)
        said, errors = verifying.communicate(timeout=120)
    finally:
        (tables.root / "experiments/zz.py").unlink()
    assert verifying.returncode == 130 and "tables: the same to the last bit" in said
    assert errors.startswith("stopped; kept: tables; lost: zz\nthe book's results are untouched\n")


def test_the_machines_name_says_which_vectors_decide_the_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = "fma avx2 avx512f avx512bw avx512dq avx512vl"
    for flags, word in ((wide, " with AVX-512, "), ("fma avx2", " with AVX2, "), ("sse2", "AMD EPYC, ")):
        text = f"model name : AMD EPYC\nflags : fpu {flags} ht\n"
        monkeypatch.setattr(Path, "read_text", lambda *_, text=text, **__: text)
        assert arithmetic.machine().startswith("AMD EPYC") and word in arithmetic.machine()
        monkeypatch.undo()


@pytest.mark.parametrize(
    ("book", "here", "inside"),
    [
        (Estimate(2.0, 0.1, 8), Estimate(2.09, 0.1, 8), True),
        (Estimate(2.0, 0.1, 8), Estimate(2.11, 0.5, 8), False),  # the book's interval counts, not the one here
        (Estimate(2.0, 0.0, 8), Estimate(2.0 + 1e-6, 0.0, 8), True),  # rounding, where nothing varies over seeds
        (Estimate(2.0, 0.0, 8), Estimate(2.0 + 1e-5, 0.0, 8), False),
        (Estimate(math.nan, math.nan, 8), Estimate(math.nan, math.nan, 8), True),
        (Estimate(1.0, 1.0, 8), Estimate(math.nan, 1.0, 8), False),
        (Estimate(math.inf, math.nan, 8), Estimate(math.inf, math.nan, 8), True),
        (Estimate(math.inf, math.nan, 8), Estimate(-math.inf, math.nan, 8), False),
    ],
)
def test_a_number_is_inside_if_its_mean_lies_in_the_books_interval(
    book: Estimate, here: Estimate, inside: bool
) -> None:
    assert NumberPair("x", book, here).inside is inside


def _stored(csv: str, dtypes: dict[str, str], **numbers: Any) -> Stored:
    return Stored("x", "", {}, numbers, {"table": Table(csv.encode(), dtypes)}, {}, {})


def test_differences_are_relative_and_named() -> None:
    dtypes = {"a": "float64", "b": "float64", "word": "str"}
    theirs = _stored("a,b,word\n1000.0,1.0,x\n0.001,nan,y\n", dtypes, one=4.0, pair=[1.0, 2.0], same={"float": "nan"})
    ours = _stored("a,b,word\n1000.0,1.0,x\n0.002,nan,z\n", dtypes, one=5.0, pair=[1.0, 2.5], same={"float": "nan"})
    found = dict(_differences(theirs, ours))
    assert found == pytest.approx({"one": 0.2, "pair": 0.2, "table.a": 1e-6, "table.word": math.inf})


def test_a_table_with_other_rows_differs_without_end() -> None:
    theirs, ours = _stored("a\n1.0\n", {"a": "float64"}), _stored("a\n1.0\n2.0\n", {"a": "float64"})
    assert dict(_differences(theirs, ours)) == {"table.csv (other rows or columns)": math.inf}


def test_the_summary_as_json_is_all_that_is_printed_and_makes_a_row_of_the_books_table(tables: Project) -> None:
    process = tables.start("verify", "--json")
    said, progress = process.communicate(timeout=120)
    found = json.loads(said)
    assert process.returncode == 0 and "tables: done" in progress
    of = found["experiments"]["tables"]
    assert of["agrees"] and of["identical"] and of["verdicts"] == {"same": 1, "of": 1} and not found["failed"]
    tables.write("reproduced/mine.json", said)
    asked = "from lab.book.colophon import reproduced; print(reproduced().data)"
    tables.write("asked.py", asked)
    rows, _ = tables.start(module="asked").communicate(timeout=60)
    assert "1 of 1 experiments agree, 1 of 1 verdicts; the same bits in 1" in rows and "One machine" not in rows
    tables.write("reproduced/mine.json", "{}")
    _, error = tables.start(module="asked").communicate(timeout=60)
    assert "mine.json in reproduced/ is no summary of `lab verify --json`" in error
    (tables.root / "reproduced/mine.json").unlink()
    assert "One machine so far." in tables.start(module="asked").communicate(timeout=60)[0]
