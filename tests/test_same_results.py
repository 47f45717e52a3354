"""Comparing results across a renaming finds each bit that changed, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from lab.results.codec import Table
from lab.results.store import Stored
from tests.same_results import added, differences

OLD = Stored(
    "walk", "key", {}, {"far": 1.5, "dead": 2}, {"looks": Table(b"kind,worth\ndrawn,0.1\nsmall,0.2\n", {"kind": "str", "worth": "float64"})}, {}, {}
)  # fmt: skip
NAMES = {
    "far": "distance", "dead": "", "looks": "evaluations", "looks.worth": "gain", "looks.kind.drawn": "standard normal",
}  # fmt: skip
NEW = replace(
    OLD,
    numbers={"distance": 1.5, "more": 3},
    tables={"evaluations": Table(b"gain,kind\n0.1,standard normal\n0.2,small\n", {"gain": "float64", "kind": "str"})},
)


def test_renamed_fields_columns_and_categories_with_the_same_bits_are_the_same() -> None:
    assert list(differences(OLD, NEW, NAMES, set())) == []
    assert added(OLD, NEW, NAMES) == ["more"]


def test_another_bit_another_category_and_a_missing_row_are_told() -> None:
    text = b"gain,kind\n0.10000000000000002,standard normal\n0.2,large\n"
    other = replace(NEW, numbers={}, tables={"evaluations": replace(NEW.tables["evaluations"], csv=text)})
    found = list(differences(OLD, other, NAMES, set()))
    assert [line.partition(":")[0] for line in found] == ["distance", "evaluations.kind", "evaluations.gain"]
    short = replace(
        NEW, tables={"evaluations": Table(b"gain,kind\n0.1,standard normal\n", dict(NEW.tables["evaluations"].dtypes))}
    )
    assert "2 rows then, 1 now" in next(differences(OLD, short, NAMES, set()))


def test_measured_times_may_differ() -> None:
    other = replace(NEW, numbers={"distance": 9.0})
    assert list(differences(OLD, other, NAMES, {"distance"})) == []
