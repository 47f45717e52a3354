"""`lab show` and `lab clean`: the settings of one's own that have been computed, listed, compared, removed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.book.markdown_tables import plain
from lab.book.verdicts import tally
from lab.cli.params import smoke_setting
from lab.cli.render import OWN
from lab.cli.result import claim_cells, claim_head, describe, print_numbers
from lab.cli.show import print_table
from lab.duration import duration
from lab.errors import LabError
from lab.keys.experiments import load, names
from lab.results.reading import as_result
from lab.results.store import shown
from lab.run.runs import Run, all_runs, find_run, remove_runs
from lab.run.verification import claim_pairs


def show_runs(which: Sequence[str], root: Path) -> None:
    """List the runs, of all experiments or those named; show the one named by the beginning of its key; compare two."""
    if set(which) <= set(names(root)):
        _list(all_runs(root, which), root)
        return
    runs = [find_run(ident, root) for ident in which]
    if len(runs) == 1:
        (run,) = runs
        place = shown(run.place, root)
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
        setting = "--smoke" if run.changes == smoke_setting(experiment) else str(run)
        age = "as now" if run.current else "another"
        cost, verdicts = duration(made["seconds"]), _verdicts(experiment, run)
        rows.append([run.stored.experiment, run.ident, setting, made["date"][:10], cost, verdicts, age])
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
