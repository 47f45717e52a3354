"""`lab verify`: computes the book's results again beside the committed ones, and says where the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from lab import verify
from lab.cli.result import plain
from lab.cli.run import finish, watched
from lab.cli.show import table
from lab.experiment import names
from lab.schedule import Job
from lab.verify import Comparison


def again(chosen: Sequence[str], root: Path, workers: int, address: str | None = None) -> None:
    """Recompute, compare, print claim by claim and in summary; exit code 1 if a verdict or an estimate differs."""
    jobs = [
        Job(name, verify=True, expected=verify.book(name, root).provenance["seconds"]) for name in chosen or names(root)
    ]
    outcomes = watched(jobs, root, workers, address)
    failed = {outcome.job.experiment for outcome in outcomes if outcome.error}
    found = [verify.compare(job.experiment, root) for job in jobs if job.experiment not in failed]
    if found:
        print()
        _print(found)
    finish(outcomes)
    if not all(comparison.agrees for comparison in found):
        raise typer.Exit(1)


def _print(found: list[Comparison]) -> None:
    rows = [
        [of.experiment, claim.name, *claim.verdicts, *map(plain, claim.numbers), "" if claim.same else "no"]
        for of in found
        for claim in of.claims
    ]
    table(rows, head=["experiment", "claim", "book", "here", "number in the book", "number here", "same?"])
    print("\nSummary, for a bug report")
    print("-------------------------")
    for of in found:
        print(of)
        for pair in of.estimates:
            if not pair.inside:
                print(f"  {pair.name}: {pair.here} here is outside {pair.book} in the book")
        for claim in of.claims:
            if not claim.same:
                print(f"  {claim.name}: {claim.verdicts[1]} here, {claim.verdicts[0]} in the book")
        for line in of.changed:
            print(f"  changed since the book's: {line.splitlines()[0]}")
    here, book = found[0].here.provenance, found[0].book.provenance
    for name, value in (("here", here), ("book", book)):
        versions = ", ".join(f"{library} {version}" for library, version in sorted(value["versions"].items()))
        print(
            f"{name}: {value['machine']}; Python {value['python']}{versions and ', '}{versions}; commit {value['commit']}"
        )
