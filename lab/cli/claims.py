"""`lab claims`: the ledger, every claim with what became of it; `lab register`: their rules, before the number is seen."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Annotated

import typer

from lab.cli.commands import AsJson, Names
from lab.cli.show import print_table
from lab.errors import NoResult
from lab.keys import experiments
from lab.run.status import status_of


def claims(names: Names, as_json: AsJson = False) -> None:
    """The ledger: every claim of the notes, its verdict, and the number that decided it.

    Exit code 1 if one has no fresh result.

    \b
    Examples:  lab claims
               lab claims tanh_gain
               lab claims --json
    """
    from lab.book.markdown_tables import plain
    from lab.book.verdicts import decide, in_book_order

    root = experiments.find_root()
    entries, without = [], []
    for name in names or in_book_order(root):
        try:
            entries += decide(experiments.load(name, root))
        except NoResult:
            without.append(
                f"{name}: no verdicts, its result is {status_of(name, root).state.value}; type: lab run {name}"
            )
        except Exception as error:  # whatever importing somebody's experiment raises; the others still have verdicts
            without.append(f"{name}: no verdicts: {type(error).__name__}: {error}")
    rows = [[e.experiment, e.claim.name, str(e.verdict), plain(e.number), plain(e.text)] for e in entries]
    head = ["experiment", "claim", "verdict", "number", "text"]
    if as_json:
        print(json.dumps([dict(zip(head, row, strict=True)) for row in rows], indent=1, ensure_ascii=False))
    else:
        print_table(rows, head=[*head[:-1], ""])
    if without:
        print("\n".join(without), file=sys.stderr)
        raise typer.Exit(1)


def register(
    names: Names,
    check: Annotated[
        bool, typer.Option("--check", help="ask git whether the rules were committed before the results")
    ] = False,
) -> None:
    """Write down the rules of claims, to be committed before the first run: a page then says which was first, line or number.

    A commit of its own, never squashed with the result.  A rule that changes when its number is known is shown as such.

    \b
    Examples:  lab register my_question
               lab register --check
    """
    from lab.results import registration

    root = experiments.find_root()
    if check:
        found = {name: registration.check(name, root) for name in names or experiments.names(root)}
        words = {True: "yes", False: "no", None: "-"}
        print_table([[name, words[right], why] for name, (right, why) in found.items()], cut=True)
        raise typer.Exit(int(any(right is False for right, _ in found.values())))
    if not names:
        raise typer.BadParameter("name the experiments whose rules are to be registered", param_hint="NAME")
    places = []
    for name in names:
        stand = registration.register(name, root)
        places.append(registration.file(name, root).relative_to(root).as_posix())
        counts = ", ".join(f"{many} {when}" for when, many in Counter(map(str, stand.values())).items())
        print(f"{places[-1]}: {len(stand)} claims; {counts or 'none'}")
    print(f"\ncommit it before the first run, and never squash the two:\n  git add {' '.join(places)} && git commit")
