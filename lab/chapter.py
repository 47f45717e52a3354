"""What a chapter prints: results, tables, verdicts, the code that matters, and how to run it again."""

from __future__ import annotations

import ast
import inspect
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from IPython.display import Markdown

from lab.book import prerender
from lab.book.colophon import colophon, costs, reproduced, total_cost
from lab.book.ledger import (
    all_entries,
    contents,
    ledger,
    ledger_controls,
    ledger_counts,
    note_counts,
    notes,
    start,
    surprises,
)
from lab.book.markdown_tables import markdown_table
from lab.book.verdicts import bar, judged, strip, verdicts
from lab.errors import LabError
from lab.live import explore
from lab.read import read

prerender.begin()

LONGEST = 25  # lines that a reader takes in at once: a network of a dozen lines, its training loop, and their imports


def table(
    frame: pd.DataFrame,
    names: Sequence[str] | None = None,
    places: Sequence[int | None] | int | None = None,
    missing: str = "–",
) -> Markdown:
    """Return a table of `frame`'s columns, under other `names` (Markdown) if given.

    `places` are decimals, one for all columns or one for each; None prints a number with up to six digits.
    `missing` stands where the number is nan.
    """
    columns = list(frame.columns)
    each = list(places) if isinstance(places, Sequence) else [places] * len(columns)
    heads = [str(column).replace("_", " ") for column in columns] if names is None else list(names)
    if len(heads) != len(columns) or len(each) != len(columns):
        raise LabError(
            f"the table has {len(columns)} columns ({', '.join(columns)}), not {len(heads)} names and {len(each)} places"
        )
    shown = [
        [_cell(value, place, missing) for value in frame[column]] for column, place in zip(columns, each, strict=True)
    ]
    right = [
        pd.api.types.is_numeric_dtype(frame[column].dtype) or _all_numbers(cells, missing)
        for column, cells in zip(columns, shown, strict=True)
    ]
    return Markdown(markdown_table(heads, list(zip(*shown, strict=True)), right=right))


def code(*functions: Callable[..., Any], first: str | None = None, last: str | None = None) -> Markdown:
    """Return functions' source as a listing that runs as it stands, with the imports that they need.

    Of a single function a part can be shown: from the line with `first` to the next with `last`, without imports.
    """
    if first or last:
        (function,) = functions
        lines = inspect.getsource(function).splitlines()
        start = _find(lines, first, 0, function) if first else 0
        end = _find(lines, last, start, function) if last else len(lines) - 1
        listing = textwrap.dedent("\n".join(lines[start : end + 1]))
    else:
        sources = [inspect.getsource(function).rstrip() for function in functions]
        imports = dict.fromkeys(line for function in functions for line in _imports(function))
        listing = "\n\n\n".join(["\n".join(imports), *sources] if imports else sources)
    if len(listing.splitlines()) > LONGEST:
        names = ", ".join(function.__qualname__ for function in functions)
        raise LabError(
            f"{len(listing.splitlines())} lines of {names}: show at most {LONGEST} at a time, with first= and last="
        )
    return Markdown(f"```python\n{listing}\n```")


def _imports(function: Callable[..., Any]) -> list[str]:
    """Return the imports of the function's module that give names which the function uses."""
    used = {node.id for node in ast.walk(ast.parse(inspect.getsource(function))) if isinstance(node, ast.Name)}
    module = inspect.getmodule(function)
    found = []
    for node in ast.parse(inspect.getsource(module)).body if module else []:
        if isinstance(node, ast.Import | ast.ImportFrom):
            needed = [alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) in used]
            if needed:
                node.names = needed
                found.append(ast.unparse(node))
    return found


def _find(lines: list[str], needle: str, after: int, function: Callable[..., Any]) -> int:
    for index, line in enumerate(lines[after:], after):
        if needle in line:
            return index
    raise LabError(f"no line of {function.__qualname__} has {needle!r}")


def _cell(value: Any, places: int | None, missing: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):
        return missing
    if isinstance(value, bool) or (not isinstance(value, float | int) and not hasattr(value, "dtype")):
        return str(value)
    number = f"{value:.{places}f}" if places is not None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return number.replace("-", "\N{MINUS SIGN}", 1) if number.startswith("-") else number


def _all_numbers(cells: list[str], missing: str) -> bool:
    """Whether a column is of numbers, whatever stands around them: intervals, powers, brackets, emphasis."""
    given = [cell for cell in cells if cell != missing]
    bare = [re.sub(r"\\[a-z]+|(?<=\d)e(?=[-+\N{MINUS SIGN}]?\d)", "", cell) for cell in given]
    return bool(given) and all(re.search(r"\d", cell) and not re.search(r"[^\W\d_]", cell) for cell in bare)
