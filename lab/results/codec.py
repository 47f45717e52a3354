"""A Result as text and back: numbers for JSON, one CSV per table, every float to the last bit."""

from __future__ import annotations

import csv
import dataclasses
import io
import sys
from typing import Any

from lab.errors import LabError
from lab.keys.canonical_json import pack, unpack

PARAMS = "params"  # the field of a Result that holds the parameters
TEXT = "str"
_NUMERIC = {
    "float64": float,
    "float32": float,
    "int64": int,
    "int32": int,
    "bool": {"True": True, "False": False}.__getitem__,
}
_PARSE: dict[str, Any] = _NUMERIC | {TEXT: str}  # what makes a column's values from their texts, by its dtype


@dataclasses.dataclass(frozen=True)
class Table:
    """A table as it lies on disk."""

    csv: bytes
    dtypes: dict[str, str]  # by column, in order

    @property
    def rows(self) -> int:
        """Number of rows, without the header."""
        return sum(1 for _ in csv.reader(io.StringIO(self.csv.decode(), newline=""))) - 1


def encode(result: Any) -> tuple[dict[str, Any], dict[str, Table]]:
    """Split a Result into numbers and tables.  Raises LabError for a field that is neither.

    Its parameters (the field `params`, where a Result has one) are left out: the store keeps them beside the numbers.
    """
    pandas = sys.modules.get("pandas")  # if it is not loaded there is no table, and no need to wait for it
    numbers, tables = {}, {}
    for field in dataclasses.fields(result):
        if field.name == PARAMS:
            continue
        value = getattr(result, field.name)
        if pandas and isinstance(value, pandas.DataFrame):
            tables[field.name] = _table(value, field.name)
        else:
            numbers[field.name] = _number(value, field.name)
    return numbers, tables


def decode(numbers: dict[str, Any], tables: dict[str, Table], kind: type, params: Any = None) -> Any:
    """Make the Result again, with the parameters it was computed with.  Raises ValueError where its fields are others."""
    fields = [field.name for field in dataclasses.fields(kind)]
    names = [name for name in fields if name != PARAMS]
    if sorted(names) != sorted([*numbers, *tables]):
        raise ValueError(f"it has the fields {', '.join([*numbers, *tables])}, and Result has {', '.join(names)}")
    known = {PARAMS: params} if PARAMS in fields else {}
    return kind(**known, **field_values(numbers, tables))


def field_values(numbers: dict[str, Any], tables: dict[str, Table]) -> dict[str, Any]:
    """Return the values of a Result's fields, by name."""
    return {name: _unpack(value) for name, value in numbers.items()} | frames(tables)


def frames(tables: dict[str, Table]) -> dict[str, Any]:
    """Return the tables as DataFrames."""
    return {name: _frame(table) for name, table in tables.items()}


def _number(value: Any, name: str) -> Any:
    estimate = sys.modules.get("lab.estimate")
    if estimate and isinstance(value, estimate.Estimate):
        return {"mean": pack(value.mean), "half_width": pack(value.half_width), "n": value.n}
    try:
        if isinstance(value, dict) or value is None:
            raise TypeError(type(value).__name__)
        return pack(value)
    except TypeError as error:
        raise LabError(
            f"Result.{name} is a {error}\na result holds float, int, bool, str, Estimate, tuples of numbers, and DataFrames"
        ) from None


def _unpack(value: Any) -> Any:
    found = unpack(value)
    if not isinstance(found, dict):
        return found
    from lab.estimate import Estimate

    return Estimate(**found)


def _table(frame: Any, name: str) -> Table:
    import pandas as pd

    def refuse(what: str, instead: str) -> LabError:
        return LabError(f"Result.{name}: {what}\n{instead}")

    if not frame.index.equals(pd.RangeIndex(len(frame))):
        raise refuse("the table has an index of its own", "make it a column: .reset_index()")
    if len(set(frame.columns)) < len(frame.columns) or not all(type(column) is str for column in frame.columns):
        raise refuse(f"column names {list(frame.columns)!r}", "columns need names, as text, each once")
    dtypes, columns = {}, []
    for column in frame.columns:
        values, dtype = frame[column].tolist(), str(frame[column].dtype)
        if dtype not in _NUMERIC:
            if not all(type(value) is str for value in values):
                odd = next(value for value in values if type(value) is not str)
                raise refuse(f"column {column!r} holds {odd!r}", "a column is float, int, bool, or all text")
            dtype = TEXT
        dtypes[column] = dtype
        columns.append(values if dtype == TEXT else map(repr, values))
    rows = [list(dtypes), *zip(*columns, strict=True)]
    return Table("".join(",".join(map(_quoted, row)) + "\n" for row in map(tuple, rows)).encode(), dtypes)


def _quoted(text: str) -> str:
    """Quote a cell where it must be.  Python's csv.writer leaves a lone carriage return bare, which no reader gives back."""
    return '"' + text.replace('"', '""') + '"' if text == "" or set(text) & set(',"\r\n') else text


def _frame(table: Table) -> Any:
    import pandas as pd

    header, *rows = csv.reader(io.StringIO(table.csv.decode(), newline=""))
    if header != list(table.dtypes) or any(len(row) != len(header) for row in rows):
        raise ValueError("its columns are not those recorded")
    cells = zip(*rows, strict=True) if rows else [()] * len(header)
    columns = {
        name: pd.Series([*map(_PARSE[dtype], texts)], dtype=dtype)
        for (name, dtype), texts in zip(table.dtypes.items(), cells, strict=True)
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)), columns=header)
