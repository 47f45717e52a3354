"""What is stored is read back to the last bit, or it is refused; nothing in between."""

from __future__ import annotations

import math
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from lab.errors import LabError
from lab.estimate import Estimate
from lab.keys.canonical_json import content, digest, dumps, loads, pack, unpack
from lab.results.codec import Table, decode, encode

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ['"', ",", "a\nb", "\r", "", " ", "nan"]
)
WHOLE = st.integers(-(2**63), 2**63 - 1)
NUMBER = st.floats(width=64)  # nan, both infinities, -0.0 and subnormals among them
ESTIMATE = st.builds(Estimate, NUMBER, NUMBER, st.integers(2, 99))
FIELD = NUMBER | WHOLE | st.booleans() | TEXT | ESTIMATE | st.lists(NUMBER | WHOLE, max_size=4).map(tuple)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    names = draw(st.lists(TEXT, min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(0, 5))
    columns: dict[str, Any] = {}
    for name in names:
        values, dtype = draw(
            st.sampled_from(
                [
                    (NUMBER, "float64"),
                    (st.floats(width=32), "float32"),
                    (WHOLE, "int64"),
                    (st.booleans(), "bool"),
                    (TEXT, "str"),
                ]
            )
        )
        columns[name] = pd.Series(draw(st.lists(values, min_size=rows, max_size=rows)), dtype=dtype)
    return pd.DataFrame(columns, index=pd.RangeIndex(rows))


def result(**values: Any) -> Any:
    return make_dataclass("Result", list(values), frozen=True)(**values)


def back(value: Any) -> Any:
    """Store a Result as JSON and CSV, and read it."""
    numbers, parts = encode(value)
    return decode(
        loads(dumps(numbers, indent=1)), {n: Table(t.csv, dict(t.dtypes)) for n, t in parts.items()}, type(value)
    )


def same(first: Any, second: Any) -> bool:
    """Say whether two plain values are alike to the bit, signs of zero and nan included."""
    if isinstance(first, Estimate):
        return isinstance(second, Estimate) and all(map(same, vars(first).values(), vars(second).values()))
    if isinstance(first, tuple):
        return isinstance(second, tuple) and len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, float) and math.isnan(first):
        return isinstance(second, float) and math.isnan(second)
    return type(first) is type(second) and repr(first) == repr(second)


@settings(max_examples=150, deadline=None)
@given(FIELD, FIELD)
def test_numbers_come_back_to_the_last_bit(first: Any, second: Any) -> None:
    there = result(first=first, second=second)
    assert same(back(there).first, first)
    assert same(back(there).second, second)


@settings(max_examples=100, deadline=None)
@given(tables())
def test_tables_come_back_to_the_last_bit(frame: pd.DataFrame) -> None:
    there = back(result(table=frame)).table
    assert_frame_equal(there, frame, check_exact=True)
    for name in frame.columns:
        if frame[name].dtype.kind == "f":
            assert (np.signbit(there[name]) == np.signbit(frame[name]))[frame[name].notna()].all()


@settings(max_examples=50, deadline=None)
@given(tables())
def test_the_same_table_gives_the_same_bytes(frame: pd.DataFrame) -> None:
    assert encode(result(table=frame)) == encode(result(table=frame.copy()))


def test_numpy_numbers_become_pythons() -> None:
    there = back(result(a=np.float64(0.1), b=np.int64(3), c=np.bool_(True), d=np.array(2.5)))
    assert [type(value) for value in vars(there).values()] == [float, int, bool, float]


@pytest.mark.parametrize(
    "value", [None, {"a": 1}, 1j, [object()], np.zeros(2), {1}], ids=lambda value: type(value).__name__
)
def test_what_is_no_result_is_refused_by_name(value: Any) -> None:
    with pytest.raises(LabError, match=r"Result\.odd is a "):
        encode(result(odd=value))


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (pd.DataFrame({"a": [1, 2]}, index=[3, 4]), "an index of its own"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "each once"),
        (pd.DataFrame([[1, 2]]), "column names"),
        (pd.DataFrame({"a": [1, "x"]}), "holds 1"),
        (pd.DataFrame({"a": ["x", None]}), "holds"),
        (pd.DataFrame({"a": [pd.Timestamp("2026-01-01")]}), "holds"),
    ],
    ids=["index", "twice", "numbered", "mixed", "missing", "time"],
)
def test_a_table_that_would_not_come_back_is_refused(frame: pd.DataFrame, why: str) -> None:
    with pytest.raises(LabError, match=f"Result.odd: .*{why}|{why}"):
        encode(result(odd=frame))


def test_fields_that_are_not_those_of_the_result_are_refused() -> None:
    kind = type(result(a=1, b=2))
    with pytest.raises(ValueError, match="it has the fields a, and Result has a, b"):
        decode({"a": 1}, {}, kind)


def test_a_table_whose_columns_are_not_those_recorded_is_refused() -> None:
    kind = type(result(t=1))
    for csv in (b"a,c\n1,2\n", b"a,b\n1\n", b"a\n1\n"):
        with pytest.raises(ValueError, match="columns"):
            decode({}, {"t": Table(csv, {"a": "int64", "b": "int64"})}, kind)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": 1, "a": 2}', "{", "", "1 2", "\x00"])
def test_what_is_not_strict_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        loads(text)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(TEXT, FIELD.filter(lambda value: not isinstance(value, Estimate)), max_size=4))
def test_a_digest_does_not_depend_on_the_order_of_names(values: dict[str, Any]) -> None:
    backwards = dict(reversed(list(values.items())))
    assert digest(pack(values)) == digest(pack(backwards))
    assert {"float"} == set(values) or unpack(loads(dumps(pack(values)))).keys() == values.keys()


def test_a_folders_content_is_that_of_its_files_and_their_names(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = content(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert content(tmp_path) != before
    (tmp_path / "b").rename(tmp_path / "a")
    assert content(tmp_path) == before
    (tmp_path / "a").write_text("2")
    assert content(tmp_path) != before


def test_parameters_are_left_to_the_store_and_come_back_with_the_rest() -> None:
    value = result(params=Path("x"), a=1.5)
    numbers, tables = encode(value)
    assert numbers == {"a": 1.5} and not tables
    assert decode(numbers, tables, type(value), Path("x")) == value
