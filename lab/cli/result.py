"""Prints one result: its numbers, its tables as far as they fit, and what it says of the claims."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from lab.book.markdown_tables import plain
from lab.cli.show import print_table
from lab.duration import duration
from lab.errors import LabError
from lab.estimate import Estimate
from lab.keys import key
from lab.keys.canonical_json import pack, unpack
from lab.keys.experiments import home
from lab.keys.params import as_typed
from lab.results.reading import as_result
from lab.results.store import Stored
from lab.run.verification import ClaimPair, claim_pairs, committed

LEAST = 6  # rows of a table that are printed however low the terminal is


def describe(experiment: Any, stored: Stored, place: str, root: Path) -> None:
    """Print a result that lies in the store, in the folder `place`; another setting's beside the book's, if that is there."""
    found = as_result(experiment, stored)
    changed = changed_params(stored, root)
    made = stored.provenance
    print(f"{stored.experiment} with {setting(changed)}, {duration(made['seconds'])} on {made['machine']}\n")
    tables = [[name, f"{name}.csv, {of.rows} rows: {', '.join(of.dtypes)}"] for name, of in stored.tables.items()]
    book = _book(experiment, root) if changed else None
    if book is None:
        print_table([[name, plain(str(getattr(found, name)))] for name in stored.numbers] + tables)
    else:
        print_numbers(stored.numbers, {"book": book, "here": found})
        print()
        print_table(tables)
    print()
    most = max(LEAST, shutil.get_terminal_size().lines // max(len(stored.tables), 1))
    for name in stored.tables:
        print_frame(getattr(found, name), f"{place}/{name}.csv", most)
    texts = [plain(claim.stated(getattr(found, "params", None))[0]) for claim in experiment.CLAIMS]
    if book is None:
        rows = [[claim.name, str(claim.verdict(found)), plain(claim.number(found))] for claim in experiment.CLAIMS]
        head = ["claim", "verdict", "number"]
    else:
        rows, head = claim_cells(claim_pairs(experiment, book, found)), claim_head("book", "here")
    print_table([[*row, text] for row, text in zip(rows, texts, strict=True)], head=[*head, ""])


def changed_params(stored: Stored, root: Path) -> dict[str, str]:
    """Return the parameters in which a result differs from the book's setting, as they would be typed."""
    known = key.fields(stored.experiment, root)
    return {
        name: as_typed(unpack(value))
        for name, value in stored.params.items()
        if name not in known or pack(known[name].default) != value
    }


def setting(changed: dict[str, str]) -> str:
    """Return changed parameters in words."""
    return ", ".join(f"{name}={value}" for name, value in changed.items()) or "the book's setting"


def print_numbers(names: Iterable[str], results: dict[str, Any]) -> None:
    """Print numbers of several results side by side, under what each is called."""
    rows = [[name, *(plain(str(getattr(result, name))) for result in results.values())] for name in names]
    print_table(rows, head=["number", *results])


def claim_head(one: str, other: str) -> list[str]:
    """Return the head of a table of claims as two results decide them; `claim_cells` are its rows."""
    return ["claim", one, other, f"number, {one}", f"number, {other}", "same?"]


def claim_cells(pairs: Iterable[ClaimPair]) -> list[list[str]]:
    """Return claims as rows: name, both verdicts, both numbers, and "no" where the verdicts are not the same."""
    return [[pair.name, *pair.verdicts, *map(plain, pair.numbers), "" if pair.same else "no"] for pair in pairs]


def _book(experiment: Any, root: Path) -> Any:
    """Return the book's result, however old; None if there is none that can be read."""
    try:
        return as_result(experiment, committed(home(experiment)[0], root))
    except LabError:
        return None


def print_frame(frame: pd.DataFrame, file: str, most: int) -> None:
    """Print a table, measured columns with their intervals; of more than `most` rows some, and say where the rest is.

    Where the first column holds words, these are the last rows of each word: how every variant ended.  Columns that do not
    fit the terminal are named instead.
    """
    shown, which = frame, ""
    if len(frame) > most:
        first = frame.columns[0]
        words = not pd.api.types.is_numeric_dtype(frame[first])
        shown = frame.groupby(first, sort=False).tail(1).head(most) if words else frame.head(most)
        which = f", {len(shown)} shown" + (f": the last of each {first}" if words else "")
    print(f"{file}, {len(frame)} rows{which}")
    columns, room, left = list[list[str]](), shutil.get_terminal_size().columns, list[str]()
    for name, cells in _columns(shown).items():
        column = [name, *cells]
        if sum(max(map(len, other)) + 2 for other in [*columns, column]) - 2 > room and columns:
            left.append(name)
        else:
            columns.append(column)
    head, *rows = zip(*columns, strict=True)
    right = [i for i, column in enumerate(columns) if not re.search(r"[a-z]", "".join(column[1:]))]
    print_table(rows, head, right=right)
    if left:
        print(f"not shown: {', '.join(left)}")
    print()


def _columns(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Return the cells of each column; x, x_low and x_high are one."""
    found = {}
    for name in map(str, frame.columns):
        whole = name.removesuffix("_low").removesuffix("_high")
        if whole != name and {whole, f"{whole}_low", f"{whole}_high"} <= set(frame.columns):
            continue
        if {f"{name}_low", f"{name}_high"} <= set(frame.columns):
            ends = zip(frame[name], frame[f"{name}_low"], frame[f"{name}_high"], strict=True)
            found[name] = [str(Estimate(mean, (high - low) / 2, 2)) for mean, low, high in ends]
        else:
            found[name] = [f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in frame[name]]
    return found
