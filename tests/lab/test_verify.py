"""`lab verify` tells a result that agrees with the book's from one that does not, claim by claim and number by number."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import pytest
from small_project import TABLES, Project

from lab import store
from lab.codec import Table
from lab.estimate import Estimate
from lab.store import Stored
from lab.verify import NumberPair, _differences


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose one experiment, with an estimate and a table, has been computed."""
    project = Project(tmp_path_factory.mktemp("verify"))
    (project.root / "experiments/quick.py").unlink()
    project.write("experiments/tables.py", TABLES)
    project.lab("run")
    return project


@pytest.fixture(autouse=True)
def _keep(request: pytest.FixtureRequest) -> Any:
    """Put the book's result back after a test has changed it."""
    if "tables" not in request.fixturenames:
        yield
        return
    project = request.getfixturevalue("tables")
    place = project.result("tables")
    before = store.read(place, project.root)
    yield
    store.write(place, project.root, before)


def _change(project: Project, **numbers: Any) -> None:
    """Write other numbers into the book's result, with a right checksum."""
    place = project.result("tables")
    there = store.read(place, project.root)
    store.write(place, project.root, dataclasses.replace(there, numbers=there.numbers | numbers))


def test_the_same_machine_gives_the_same_bits(tables: Project) -> None:
    before = {path: path.read_bytes() for path in tables.root.glob("results/**/*.*")}
    said = tables.shell("verify")
    assert "tables: the same to the last bit" in said
    assert re.search(r"tables +far +(\w+) +\1 +distance (.+?) +distance \2\n", said)
    assert {path: path.read_bytes() for path in tables.root.glob("results/**/*.*")} == before


def test_a_difference_inside_the_interval_agrees_and_is_reported(tables: Project) -> None:
    distance = store.read(tables.result("tables"), tables.root).numbers["distance"]
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
    assert said == "error: nothing to compare with: results/quick is missing\ntype: lab run quick\n"


@pytest.mark.parametrize(
    ("book", "here", "inside"),
    [
        (Estimate(2.0, 0.1, 8), Estimate(2.09, 0.1, 8), True),
        (Estimate(2.0, 0.1, 8), Estimate(2.11, 0.5, 8), False),  # the book's interval counts, not the one here
        (Estimate(2.0, 0.0, 8), Estimate(2.0 + 1e-6, 0.0, 8), True),  # rounding, where nothing varies over seeds
        (Estimate(2.0, 0.0, 8), Estimate(2.0 + 1e-5, 0.0, 8), False),
        (Estimate(math.nan, math.nan, 8), Estimate(math.nan, math.nan, 8), True),
        (Estimate(1.0, 1.0, 8), Estimate(math.nan, 1.0, 8), False),
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


def test_verify_folder_is_beside_the_results(tables: Project) -> None:
    assert Path(tables.root / ".lab/verify/tables/result.json").is_file()
