"""Prints results: numbers, tables as far as they fit, and what they say of the claims; of two, side by side."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.book.markdown_tables import plain
from lab.cli.show import print_table
from lab.duration import duration
from lab.errors import LabError
from lab.estimate import Estimate
from lab.keys import key
from lab.keys.canonical_json import pack, unpack
from lab.keys.experiments import load
from lab.keys.params import as_typed
from lab.results.reading import as_result
from lab.results.shared_cache import Shared
from lab.results.store import Stored, shown
from lab.run.verification import committed

if TYPE_CHECKING:
    import pandas as pd

LEAST = 6  # rows of a table that are printed however low the terminal is


def describe(place: Path | Shared, stored: Stored, root: Path) -> Any:
    """Print a result that lies in the store, another setting's beside the book's if that is there; return it."""
    experiment = load(stored.experiment, root)
    found, changed, made = as_result(experiment, stored), changed_params(stored, root), stored.provenance
    results = {"here": found}
    if changed:
        with suppress(LabError):  # there may be none in the book that can be read
            results = {"book": as_result(experiment, committed(stored.experiment, root))} | results
    print(f"in {shown(place, root)}/\n")
    cost = f"{duration(made['seconds'])} on {made['machine']}, {made['date'][:10]}"
    print(f"{stored.experiment} with {setting(changed)}, {cost}\n")
    print_numbers(stored.numbers, results)
    print()
    most = max(LEAST, shutil.get_terminal_size().lines // max(len(stored.tables), 1))
    for name in stored.tables:
        print_frame(getattr(found, name), f"{shown(place, root)}/{name}.csv", most)
    words = [plain(claim.stated(getattr(found, "params", None))[0]) for claim in experiment.CLAIMS]
    rows = [[*row, text] for row, text in zip(claim_rows(experiment, *results.values()), words, strict=True)]
    print_table(rows, head=[*claim_head(*results), ""])
    return found


def draw_figures(name: str, place: Path | Shared, key: str, result: Any, root: Path) -> None:
    """Draw the chapter's figures beside a result, and name them."""
    from lab.book.notebooks import draw

    folder = place if isinstance(place, Path) else root / ".lab" / "figures" / name / key
    drawn, failed = draw(name, root, result, folder)
    print()
    for file in drawn:
        print(f"figure  {file.relative_to(root)}")
    for figure, why in failed.items():
        print(f"figures.{figure} cannot be drawn at this setting: {why}", file=sys.stderr)


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
    """Print numbers of a result, or of several side by side under what each is called."""
    rows = [[name, *(plain(str(getattr(result, name))) for result in results.values())] for name in names]
    print_table(rows, head=["number", *results] if len(results) > 1 else ())


def claim_head(*results: str) -> list[str]:
    """Return the head of a table of claims as one result decides them, or two; `claim_rows` are its rows."""
    if len(results) == 1:
        return ["claim", "verdict", "number"]
    return ["claim", *results, *(f"number, {name}" for name in results), "same?"]


def claim_rows(experiment: Any, *results: Any) -> list[list[str]]:
    """Return claims as rows: name, verdicts, numbers, and of two results "no" where the verdicts are not the same."""
    rows = []
    for claim in experiment.CLAIMS:
        verdicts = [str(claim.verdict(result)) for result in results]
        same = ["no" if verdicts[0] != verdicts[1] else ""] if len(results) > 1 else []
        rows.append([claim.name, *verdicts, *(plain(claim.number(result)) for result in results), *same])
    return rows


def print_frame(frame: pd.DataFrame, file: str, most: int) -> None:
    """Print a table, measured columns with their intervals; of more than `most` rows some, and say where the rest is.

    Where the first column holds words, these are the last rows of each word: how every variant ended.  Columns that do not
    fit the terminal are named instead.
    """
    shown, which = frame, ""
    if len(frame) > most:
        first = frame.columns[0]
        words = frame[first].dtype.kind not in "iufb"
        shown = frame.groupby(first, sort=False).tail(1).head(most) if words else frame.head(most)
        which = f", {len(shown)} shown" + (f": the last of each {first}" if words else "")
    print(f"{file}, {len(frame)} rows{which}")
    columns, left, room = list[list[str]](), list[str](), shutil.get_terminal_size().columns
    for name in map(str, frame.columns):
        ends = {f"{name}_low", f"{name}_high"}
        whole = name.removesuffix("_low").removesuffix("_high")
        if whole != name and {whole, f"{whole}_low", f"{whole}_high"} <= set(frame.columns):
            continue  # shown with what it is the end of
        if ends <= set(frame.columns):
            measured = zip(*(shown[of] for of in (name, f"{name}_low", f"{name}_high")), strict=True)
            cells = [str(Estimate(mean, (high - low) / 2, 2)) for mean, low, high in measured]
        else:
            cells = [f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in shown[name]]
        room -= max(map(len, [name, *cells])) + 2
        if room < -2 and columns:
            left.append(name)
        else:
            columns.append([name, *cells])
    head, *rows = zip(*columns, strict=True)
    right = [i for i, column in enumerate(columns) if not re.search(r"[a-z]", "".join(column[1:]))]
    print_table(rows, head, right=right)
    print(f"not shown: {', '.join(left)}\n" if left else "")
