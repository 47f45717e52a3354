"""`lab verify`: computes the book's results again beside the committed ones, and says where the two differ."""

from __future__ import annotations

import math
import sys
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any

import typer

from lab.cli.commands import CORES, Address, AsJson, Executor, Jobs, Names
from lab.cli.run import Stopped, dask, finish, watched
from lab.cli.show import print_table
from lab.errors import LabError, few
from lab.keys import experiments
from lab.keys.canonical_json import dumps
from lab.run.scheduler import Outcome
from lab.workers.messages import Job

if TYPE_CHECKING:
    from lab.run.verification import Comparison

MOST = 5  # numbers that differ and are listed, for each experiment


def verify(
    names: Names, jobs: Jobs = CORES, executor: Executor = "local", address: Address = None, as_json: AsJson = False
) -> None:
    """Compute the book's results again, beside the committed ones, and compare: verdicts and numbers.

    Exit code 0 if every verdict is the same and every estimate lies in the book's interval, else 1.  The summary at the end
    can be pasted into a bug report; with --json it is what the book's table of machines is made of, from files in reproduced/.

    \b
    Examples:  lab verify
               lab verify tanh_gain
               lab verify --json > reproduced/my-machine.json
    """
    from lab.run import verification

    root, at = experiments.find_root(), dask(executor, address)
    wanted, amiss = list[Job](), dict[str, str]()
    for name in names or experiments.names(root):
        try:
            made = verification.committed(name, root).provenance
            wanted.append(Job(name, verify=True, expected=made["seconds"], stages=made.get("stages", ())))
        except LabError as error:
            amiss[name] = str(error)
    outcomes, stopped = list[Outcome](), False
    try:
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            outcomes = watched(wanted, root, jobs, at, onward="the book's results are untouched")
        done = [outcome.job.experiment for outcome in outcomes if not outcome.error]
    except Stopped as stop:  # those that are done are compared all the same
        done, stopped = stop.kept, True
    found: list[Comparison] = []
    for name in sorted(done):
        try:
            found.append(verification.compare(name, root))
        except LabError as error:
            amiss[name] = str(error)
    failed = {outcome.job.experiment: outcome.error for outcome in outcomes if outcome.error}
    if as_json:
        print(dumps(verification.summary(found, amiss | failed), indent=1), end="")
    elif found:
        print()
        _print(found, amiss | failed)
    for name, why in amiss.items():
        print(f"\nerror: {name}: {why}", file=sys.stderr)
    if stopped:
        raise typer.Exit(130)
    finish(outcomes)
    if amiss or not all(comparison.agrees for comparison in found):
        raise typer.Exit(1)


def _print(found: list[Comparison], failed: dict[str, str]) -> None:
    from lab.book.markdown_tables import plain
    from lab.cli.result import claim_head

    claims = [(of.experiment, claim) for of in found for claim in of.claims]
    rows = [[name, of.name, *of.verdicts, *map(plain, of.numbers), "" if of.same else "no"] for name, of in claims]
    print_table(rows, head=["experiment", *claim_head("book", "here")])
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
        if of.differences:
            print(f"  relative differences: {_farthest(of.differences)}")
        if of.times:
            print(f"  measured times never repeat; relative differences: {_farthest(of.times)}")
        if of.odd:
            print("  the same arithmetic, code and versions, so every bit should be the same: please report this")
        elif of.differences and not of.changed:
            print(f"  {_explained(of)}")
        for line in of.changed:
            print(f"  changed since the book's: {line.splitlines()[0]}")
    for name, why in failed.items():
        print(f"{name}: not compared, {why.splitlines()[0]}")
    agreeing = sum(of.agrees for of in found)
    print(f"{agreeing} of {len(found) + len(failed)} experiments agree with the book")
    for where, made in (("here", [of.here for of in found]), ("book", [of.book for of in found])):
        for line in dict.fromkeys(_made(stored.provenance) for stored in made):  # each once, in order
            print(f"{where}: {line}")


def _explained(of: Comparison) -> str:
    """Say why bits may differ that code, data and versions do not explain: the machines' arithmetic."""
    if "arithmetic" not in of.book.provenance:
        return "the book's result does not say what its last bits were decided by"
    if of.untold and not (of.decided_by or of.calls):
        return f"what decides the last bits is not known of both machines: {', '.join(of.untold)}"
    why = f"another {' and another '.join(of.decided_by)}" if of.decided_by else "the same kind of machine"
    return f"{why} here; other bits come from {', '.join(of.calls) or 'none of the calls that were tried'}"


def _farthest(differences: dict[str, float]) -> str:
    """Name the numbers and columns that differ most, and how many more there are that do."""
    ordered = sorted(differences.items(), key=lambda item: -item[1])
    return few([f"{name} {'other values' if math.isinf(far) else f'{far:.1g}'}" for name, far in ordered], MOST)


def _made(made: dict[str, Any]) -> str:
    versions = "".join(f", {library} {version}" for library, version in sorted(made["versions"].items()))
    return f"{made['machine']}; Python {made['python']}{versions}; commit {made['commit']}"
