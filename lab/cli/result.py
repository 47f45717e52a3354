"""Prints one result: its numbers, its tables' sizes, and what it says of the claims."""

from __future__ import annotations

import re
from typing import Any

from lab.cli.show import print_table
from lab.duration import duration
from lab.results.reading import as_result
from lab.results.store import Stored


def describe(experiment: Any, stored: Stored) -> None:
    """Print a result that lies in the store."""
    found = as_result(experiment, stored)
    changed = {name: value for name, value in stored.params.items() if value != _packed(experiment).get(name)}
    made = stored.provenance
    print(f"{stored.experiment} with {_settings(changed)}, {duration(made['seconds'])} on {made['machine']}\n")
    rows = [[name, plain(str(getattr(found, name)))] for name in stored.numbers]
    rows += [[name, f"{name}.csv, {of.rows} rows: {', '.join(of.dtypes)}"] for name, of in stored.tables.items()]
    print_table(rows)
    print()
    params = getattr(found, "params", None)
    verdicts = [
        [c.name, str(c.verdict(found)), plain(c.number(found)), plain(c.stated(params)[0])] for c in experiment.CLAIMS
    ]
    print_table(verdicts, head=["claim", "verdict", "number", ""])


def plain(text: str) -> str:
    """Return Markdown as it reads without its marks: spans, superscripts, emphasis, code."""
    text = re.sub(r"\[([^\[\]]*)\]\{[^{}]*\}", r"\1", text)
    pieces = text.split("`")  # every other one is code, and stays
    pieces[::2] = [re.sub(r"\^([^\s^]+)\^", r"^\1", piece).replace("*", "") for piece in pieces[::2]]
    return "".join(pieces)


def _packed(experiment: Any) -> dict[str, Any]:
    from lab.keys.canonical_json import pack

    return {name: pack(value) for name, value in vars(experiment.Params()).items()}


def _settings(changed: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in changed.items()) or "the book's setting"
