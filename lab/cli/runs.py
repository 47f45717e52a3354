"""`lab show` and `lab clean`: the settings of one's own that have been computed, listed, compared, removed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.cli.commands import LEFT_OUT, Names
from lab.cli.run import smoke_setting
from lab.cli.show import print_table
from lab.duration import duration
from lab.errors import LabError, NoResult
from lab.keys import experiments, key
from lab.results import store
from lab.results.reading import as_result

SHORT = 8  # characters of a key by which a run is named
OWN = Path("_own")  # pages with settings of one's own


def show(
    which: Annotated[
        list[str],
        typer.Argument(metavar="NAME|RUN", help="experiments, or one or two runs by the names listed", **LEFT_OUT),
    ],
) -> None:
    """What you have computed with settings of your own: what differs from the book, when, what it cost, which claims hold.

    With one run, its numbers and verdicts beside the book's; with two, beside each other.  In Python: read(tanh_gain, depth=200)

    \b
    Examples:  lab show
               lab show tanh_gain
               lab show 3f2a91c0
               lab show 3f2a91c0 b7712e04
    """
    from lab.cli.result import describe

    root = experiments.find_root()
    if set(which) <= set(experiments.names(root)):
        _list(all_runs(root, which), root)
        return
    places = [find_run(ident, root) for ident in which]
    if len(places) == 1:
        describe(places[0], store.read_result(places[0], root), root)
    elif len(places) == 2:
        _compare([store.read_result(place, root) for place in places], root)
    else:
        raise LabError("two runs can be compared\ntype: lab show RUN RUN, with names from: lab show")


def clean(
    names: Names,
    runs: Annotated[bool, typer.Option("--runs", help="results and pages with settings of your own")] = False,
) -> None:
    """Remove what was computed with settings of your own: of all experiments, or those named.  The book's results stay.

    \b
    Examples:  lab clean --runs
               lab clean tanh_gain --runs
    """
    if not runs:
        raise typer.BadParameter("say what is to be removed: --runs", param_hint="'--runs'")
    root = experiments.find_root()
    count = len(all_runs(root, names))
    for folder in (root / ".lab" / "cache", root / ".lab" / "figures", root / OWN):
        for name in names or [""]:
            shutil.rmtree(folder / name, ignore_errors=True)
    print(f"removed {count} run{'s' * (count != 1)} and the pages made from such; the book's results are as they were")


def all_runs(root: Path, chosen: Sequence[str] = ()) -> dict[Path, store.Stored]:
    """Return the runs of all experiments, or of those chosen, the newest of each first."""
    found = dict[Path, store.Stored]()
    for name in chosen or experiments.names(root):
        runs = []
        for place in sorted((root / ".lab" / "cache" / name).glob("*")):
            with suppress(NoResult):
                runs.append((place, store.read_result(place, root)))
        found |= dict(sorted(runs, key=lambda run: str(run[1].provenance.get("date")), reverse=True))
    return found


def find_run(ident: str, root: Path) -> Path:
    """Return where the run lies that the beginning of a key names."""
    runs = {place: run.key for place, run in all_runs(root).items()}
    found = {place: key for place, key in runs.items() if key.startswith(ident)}
    if not found:
        there = ", ".join(key[:SHORT] for key in runs.values()) or "none"
        raise LabError(f"no run or experiment is called {ident!r}; the runs are: {there}\ntype: lab show")
    if len(set(found.values())) > 1:
        raise LabError(f"{ident!r} begins {' and '.join(key[:16] for key in found.values())}: type more of the one")
    return next(iter(found))


def _list(runs: dict[Path, store.Stored], root: Path) -> None:
    from lab.cli.result import changed_params, setting

    if not runs:
        print("no other setting has been computed here")
        print("type: lab run NAME --set PARAMETER=VALUE; which parameters there are says: lab params NAME")
        return
    rows = []
    for run in runs.values():
        experiment, changes = experiments.load(run.experiment, root), changed_params(run, root)
        called = "--smoke" if changes == smoke_setting(experiment) else setting(changes)
        cost, day, age = duration(run.provenance["seconds"]), run.provenance["date"][:10], "another"
        with suppress(LabError):
            age = "as now" if key.compute(run.experiment, root, changes).key == run.key else "another"
        rows.append([run.experiment, run.key[:SHORT], called, day, cost, _verdicts(experiment, run), age])
    print_table(rows, head=["experiment", "run", "setting", "date", "cost", "claims", "code"])
    print("\nlab show RUN shows one, lab show RUN RUN compares two, lab render NAME --set ... makes the chapter's page")


def _verdicts(experiment: Any, run: store.Stored) -> str:
    from lab.book.markdown_tables import plain
    from lab.book.verdicts import tally

    try:
        result = as_result(experiment, run)
        return plain(tally([claim.verdict(result) for claim in experiment.CLAIMS]))
    except Exception:  # of other code, whose result may lack what a claim asks for
        return "not to be told"


def _compare(runs: list[store.Stored], root: Path) -> None:
    from lab.cli import result

    one, other = runs
    if one.experiment != other.experiment:
        raise LabError(f"{one.key[:SHORT]} is of {one.experiment} and {other.key[:SHORT]} of {other.experiment}")
    experiment = experiments.load(one.experiment, root)
    for run in runs:
        print(f"{run.key[:SHORT]}  {run.experiment} with {result.setting(result.changed_params(run, root))}")
    print()
    results = {run.key[:SHORT]: as_result(experiment, run) for run in runs}
    result.print_numbers(one.numbers, results)
    print()
    print_table(result.claim_rows(experiment, *results.values()), head=result.claim_head(*results))
