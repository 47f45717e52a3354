"""`lab claims`: the ledger, every claim with what became of it; `lab register`: their rules, before the number is seen."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer

from lab.book.markdown_tables import plain
from lab.book.verdicts import decide, in_book_order
from lab.cli.show import print_table
from lab.errors import NoResult
from lab.keys.experiments import load
from lab.results import registration
from lab.run import status


def print_ledger(chosen: Sequence[str], root: Path, as_json: bool) -> None:
    """Print every claim, of all experiments or those chosen; exit code 1 if one has no fresh result."""
    entries, without = [], []
    for name in chosen or in_book_order(root):
        try:
            entries += decide(load(name, root))
        except NoResult:
            without.append(
                f"{name}: no verdicts, its result is {status.status_of(name, root).state.value}; type: lab run {name}"
            )
        except Exception as error:  # whatever importing somebody's experiment raises; the others still have verdicts
            without.append(f"{name}: no verdicts: {type(error).__name__}: {error}")
    rows = [[e.experiment, e.claim.name, str(e.verdict), plain(e.number), plain(e.text)] for e in entries]
    head = ["experiment", "claim", "verdict", "number", "text"]
    if as_json:
        print(json.dumps([dict(zip(head, row, strict=True)) for row in rows], indent=1, ensure_ascii=False))
    else:
        print_table(rows, head=[*head[:-1], ""])
    for line in without:
        print(line, file=sys.stderr)
    if without:
        raise typer.Exit(1)


def register_rules(names: list[str], root: Path) -> None:
    """Write down the rules of some experiments, and say what to do next."""
    places = []
    for name in names:
        load(name, root)
        stand = registration.register(name, root)
        places.append(registration.file(name, root).relative_to(root).as_posix())
        counts = ", ".join(f"{many} {when}" for when, many in Counter(map(str, stand.values())).items())
        print(f"{places[-1]}: {len(stand)} claims; {counts or 'none'}")
    print(f"\ncommit it before the first run, and never squash the two:\n  git add {' '.join(places)} && git commit")


def print_check(names: list[str], root: Path) -> None:
    """Ask git of each experiment whether its rules were committed before its result; exit code 1 if one was not."""
    found = {name: registration.check(name, root) for name in names}
    words = {True: "yes", False: "no", None: "-"}
    print_table([[name, words[right], why] for name, (right, why) in found.items()], cut=True)
    if any(right is False for right, _ in found.values()):
        raise typer.Exit(1)
