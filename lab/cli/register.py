"""`lab register`: writes down the rules of claims before the number is seen, and checks against git that it was so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import typer

from lab.cli.show import print_table
from lab.keys.experiments import load
from lab.results import registration


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
