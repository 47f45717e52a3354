"""Compares two folders of results to the last bit, across renamed fields, columns and categories: `tests/renamed.toml`.

    python -m tests.same_results OLD NEW [NAME...]

What a Result marks as measured times may differ.  New fields and columns are listed and are no difference.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from lab.errors import LabError
from lab.keys.canonical_json import dumps
from lab.keys.experiments import load
from lab.results import codec, store
from lab.run.verification import times

ROOT = Path(__file__).resolve().parents[1]
RENAMED = ROOT / "tests/renamed.toml"


def differences(old: store.Stored, new: store.Stored, names: dict[str, str], measured: set[str]) -> Iterator[str]:
    """Yield what is not the same in two results, under the new names."""
    for name, value in old.numbers.items():
        here = names.get(name, name)
        if here and here not in measured and dumps(value) != dumps(new.numbers.get(here)):
            yield f"{here}: {value} then, {new.numbers.get(here, 'missing')} now"
    frames, ours = codec.frames(old.tables), codec.frames(new.tables)
    for name, frame in frames.items():
        here = names.get(name, name)
        if here and here not in ours:
            yield f"{here}: the table is missing"
        elif here:
            for column in frame:
                yield from _column(name, str(column), frame, here, ours[here], names, measured)


def _column(
    table: str,
    column: str,
    frame: pd.DataFrame,
    here: str,
    ours: pd.DataFrame,
    names: dict[str, str],
    measured: set[str],
) -> Iterator[str]:
    new = names.get(f"{table}.{column}", column)
    if not new or f"{here}.{new}" in measured:
        return
    if new not in ours:
        yield f"{here}.{new}: the column is missing"
        return
    then = [names.get(f"{table}.{column}.{value}", value) for value in frame[column].tolist()]
    now = ours[new].tolist()
    apart = [place for place, pair in enumerate(zip(then, now, strict=False)) if repr(pair[0]) != repr(pair[1])]
    if len(then) != len(now):
        yield f"{here}.{new}: {len(then)} rows then, {len(now)} now"
    elif apart:
        yield f"{here}.{new}: {len(apart)} of {len(then)} differ, first {then[apart[0]]!r} then, {now[apart[0]]!r} now"


def added(old: store.Stored, new: store.Stored, names: dict[str, str]) -> list[str]:
    """Return the fields and columns that the old result has not, under any name."""
    known = {names.get(name, name) for name in (*old.numbers, *old.tables)}
    columns = {
        f"{names.get(name, name)}.{names.get(f'{name}.{column}', column)}"
        for name, table in old.tables.items()
        for column in table.dtypes
    }
    here = [f"{name}.{column}" for name, table in new.tables.items() if name in known for column in table.dtypes]
    return [name for name in (*new.numbers, *new.tables) if name not in known] + [n for n in here if n not in columns]


def main() -> None:
    """Compare, and exit with 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    renamed = tomllib.loads(RENAMED.read_text(encoding="utf-8"))
    apart = False
    for name in asked.names or sorted(path.name for path in asked.old.iterdir() if path.is_dir()):
        try:
            old, new = (
                store.read_result(asked.old / name, asked.old.parent),
                store.read_result(asked.new / name, asked.new.parent),
            )
            measured = times(load(name, ROOT).Result, new)
        except LabError as error:
            print(f"{name}: {error}")
            apart = True
            continue
        names = renamed.get(name, {})
        found = list(differences(old, new, names, measured))
        print(f"{name}: " + ("DIFFERS" if found else "the same to the last bit"))
        for line in found:
            print(f"  {line}")
        if extra := added(old, new, names):
            print(f"  new: {', '.join(extra)}")
        if dropped := [key for key, value in names.items() if not value]:
            print(f"  dropped: {', '.join(dropped)}")
        apart |= bool(found)
    sys.exit(apart)


if __name__ == "__main__":
    main()
