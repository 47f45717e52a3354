"""`lab show` and `lab clean`: the settings of one's own that have been computed, listed, compared, removed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.book.markdown_tables import plain
from lab.book.verdicts import tally
from lab.cli.params import smoke_setting
from lab.cli.render import OWN
from lab.cli.result import changed_params, claim_cells, claim_head, describe, print_numbers, setting
from lab.cli.show import print_table
from lab.duration import duration
from lab.errors import LabError, NoResult
from lab.keys import key
from lab.keys.experiments import load, names
from lab.results import store
from lab.results.reading import as_result
from lab.run.verification import claim_pairs

SHORT = 8  # characters of a key by which a run is named


@dataclass(frozen=True)
class Run:
    """One setting, computed once."""

    stored: store.Stored
    place: Path
    changes: dict[str, str]  # what differs from the book's setting, as typed
    current: bool  # computed by the code that is there now

    @property
    def ident(self) -> str:
        """What it is called: the beginning of its key."""
        return self.stored.key[:SHORT]

    def __str__(self) -> str:
        return setting(self.changes)


def all_runs(root: Path, chosen: Sequence[str] = ()) -> list[Run]:
    """Return the runs of all experiments, or of those chosen, the newest of each first."""
    found = []
    for name in chosen or names(root):
        runs = []
        for place in sorted((root / ".lab" / "cache" / name).glob("*")):
            with suppress(NoResult):
                runs.append(_run(store.read_result(place, root), place, root))
        found += sorted(runs, key=lambda run: str(run.stored.provenance.get("date")), reverse=True)
    return found


def find_run(ident: str, root: Path) -> Run:
    """Return the run that the beginning of a key names."""
    there = all_runs(root)
    found = [run for run in there if run.stored.key.startswith(ident)]
    if not found:
        known = ", ".join(run.ident for run in there)
        raise LabError(f"no run or experiment is called {ident!r}; the runs are: {known or 'none'}\ntype: lab show")
    if len({run.stored.key for run in found}) > 1:
        raise LabError(f"{ident!r} begins {' and '.join(run.stored.key[:16] for run in found)}: type more of the one")
    return found[0]


def remove_runs(root: Path, chosen: Sequence[str] = ()) -> int:
    """Remove what is kept of other settings, of all experiments or of those chosen; return how many runs there were."""
    count = len(all_runs(root, chosen))
    for name in chosen or names(root):
        for kept in ("cache", "figures"):
            shutil.rmtree(root / ".lab" / kept / name, ignore_errors=True)
    return count


def show_runs(which: Sequence[str], root: Path) -> None:
    """List the runs, of all experiments or those named; show the one named by the beginning of its key; compare two."""
    if set(which) <= set(names(root)):
        _list(all_runs(root, which), root)
        return
    runs = [find_run(ident, root) for ident in which]
    if len(runs) == 1:
        (run,) = runs
        place = store.shown(run.place, root)
        print(f"in {place}/, of {run.stored.provenance['date'][:10]}\n")
        describe(load(run.stored.experiment, root), run.stored, place, root)
    elif len(runs) == 2:
        _compare(runs[0], runs[1], root)
    else:
        raise LabError("two runs can be compared\ntype: lab show RUN RUN, with names from: lab show")


def _list(runs: Sequence[Run], root: Path) -> None:
    if not runs:
        print("no other setting has been computed here")
        print("type: lab run NAME --set PARAMETER=VALUE; which parameters there are says: lab params NAME")
        return
    rows = []
    for run in runs:
        made, experiment = run.stored.provenance, load(run.stored.experiment, root)
        called = "--smoke" if run.changes == smoke_setting(experiment) else str(run)
        age = "as now" if run.current else "another"
        cost, verdicts = duration(made["seconds"]), _verdicts(experiment, run)
        rows.append([run.stored.experiment, run.ident, called, made["date"][:10], cost, verdicts, age])
    print_table(rows, head=["experiment", "run", "setting", "date", "cost", "claims", "code"])
    print("\nlab show RUN shows one, lab show RUN RUN compares two, lab render NAME --set ... makes the chapter's page")


def _verdicts(experiment: Any, run: Run) -> str:
    try:
        result = as_result(experiment, run.stored)
        return plain(tally([claim.verdict(result) for claim in experiment.CLAIMS]))
    except Exception:  # of other code, whose result may lack what a claim asks for
        return "not to be told"


def _compare(one: Run, other: Run, root: Path) -> None:
    if one.stored.experiment != other.stored.experiment:
        raise LabError(f"{one.ident} is of {one.stored.experiment} and {other.ident} of {other.stored.experiment}")
    experiment = load(one.stored.experiment, root)
    results = [as_result(experiment, run.stored) for run in (one, other)]
    for run in (one, other):
        print(f"{run.ident}  {run.stored.experiment} with {run}")
    print()
    print_numbers(one.stored.numbers, dict(zip((one.ident, other.ident), results, strict=True)))
    print()
    print_table(claim_cells(claim_pairs(experiment, *results)), head=claim_head(one.ident, other.ident))


def clean_runs(chosen: Sequence[str], root: Path) -> None:
    """Remove runs and the pages made from them."""
    count = remove_runs(root, chosen)
    for folder in [root / OWN / name for name in chosen] or [root / OWN]:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"removed {count} run{'s' * (count != 1)} and the pages made from such; the book's results are as they were")


def _run(stored: store.Stored, place: Path, root: Path) -> Run:
    changes = changed_params(stored, root)
    try:
        current = key.compute(stored.experiment, root, changes).key == stored.key
    except LabError:
        current = False
    return Run(stored, place, changes, current)
