"""`lab run`: brings the book's results up to date, or computes another setting into the cache."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from lab import device
from lab.cli.params import smoke_setting
from lab.cli.watch import Watch
from lab.errors import LabError
from lab.keys import key
from lab.keys.experiments import load, names
from lab.results import store
from lab.results.reading import as_result
from lab.results.shared_cache import VARIABLE, Shared
from lab.run import scheduler, status
from lab.run.run_state import Job, Outcome
from press import reads


def compute_book(
    chosen: Sequence[str], root: Path, workers: int, force: bool = False, address: str | None = None
) -> None:
    """Compute the book's results that are not fresh (with `force`: all), of all experiments or those chosen."""
    outcomes = bring_up_to_date(chosen or names(root), root, workers, force, address)
    if not outcomes:
        print("nothing to do: " + ("they are all fresh" if len(chosen) != 1 else f"{chosen[0]} is fresh"))
    finish(outcomes)
    for name in chosen:
        show_result(name, root, key.compute(name, root))


def bring_up_to_date(
    chosen: Sequence[str], root: Path, workers: int, force: bool = False, address: str | None = None
) -> list[Outcome]:
    """Compute what is not fresh among some experiments, before the reader's eyes."""
    there = status.every_status(root, chosen) if chosen else []
    jobs = [
        Job(of.experiment, force=force, expected=of.seconds, stages=of.stages)
        for of in there
        if force or not of.is_fresh
    ]
    return watched(jobs, root, workers, address) if jobs else []


class Stopped(typer.Exit):
    """Ctrl-C, with what was computed by then."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(130)
        self.kept = kept


def watched(
    jobs: list[Job],
    root: Path,
    workers: int,
    address: str | None = None,
    onward: str = "the same command goes on from here",
) -> list[Outcome]:
    """Do the jobs before the reader's eyes, with `address` on a Dask cluster.

    Ctrl-C says what was kept and how to go on, and raises Stopped.
    """
    watch = Watch(jobs)
    try:
        with scheduler.connected(address, jobs, root, watch.say) as cluster, watch:
            outcomes = scheduler.run_jobs(jobs, root, workers, watch, cluster)
    except KeyboardInterrupt:
        ended = [*watch.kept, *watch.failed]
        lost = [name for name in watch.begun if name not in ended]
        idle = [job.experiment for job in jobs if job.experiment not in (*watch.begun, *ended)]
        parts = {"kept": watch.kept, "failed": watch.failed, "lost": lost, "not begun": idle}
        told = "; ".join(f"{what}: {', '.join(those)}" for what, those in parts.items() if those)
        print(f"stopped; {told}\n{onward}", file=sys.stderr)
        raise Stopped(watch.kept) from None
    for outcome in outcomes:
        _remember(outcome, root)
    return outcomes


def finish(outcomes: list[Outcome]) -> None:
    """Print what failed, with its traceback, and what the experiments said; exit code 1 if any failed."""
    for outcome in outcomes:
        name = outcome.job.experiment
        if outcome.error:
            trace = f"{outcome.trace.rstrip()}\n" if outcome.trace else ""
            print(f"\n{trace}error: {name}: {outcome.error}", file=sys.stderr)
        elif outcome.said.strip():
            print(f"\n{name} said:\n{outcome.said.rstrip()}", file=sys.stderr)
    failed = [outcome.job.experiment for outcome in outcomes if outcome.error]
    if failed:
        raise typer.Exit(1)


def compute_setting(
    chosen: Sequence[str],
    typed: Sequence[str],
    root: Path,
    workers: int,
    force: bool = False,
    address: str | None = None,
    smoke: bool = False,
) -> tuple[str, dict[str, str], key.Key]:
    """Compute one experiment with other parameters, into the cache; return its name, what was changed, and its key."""
    if len(chosen) != 1:
        raise LabError("another setting is of one experiment at a time: name it, as in: lab run NAME --set depth=200")
    (name,) = chosen
    changes = (smoke_setting(load(name, root)) if smoke else {}) | _changes(name, typed, root)
    wanted = key.compute(name, root, changes)
    if (
        device.training_device() != device.PROCESSOR
        and not device.in_key().items() <= wanted.parts["environment"].items()
    ):
        others = [of for of in names(root) if device.VARIABLE in key.compute(of, root).parts["environment"]]
        raise LabError(f"{name} trains on the processor alone; --device is for {', '.join(others) or 'no experiment'}")
    if wanted.book:
        raise LabError(
            f"{', '.join(typed) or f'--device {device.PROCESSOR}'}: that is the book's own setting\ntype: lab run {name}"
        )
    if os.environ.get(VARIABLE, "").startswith("memory:"):
        raise LabError("memory:// is gone when the process ends that computes: name a folder or a store")
    book = status.status_of(name, root)  # goes the same way, if not as far
    (outcome,) = watched([Job(name, changes, force=force, stages=book.stages)], root, workers, address)
    try:
        finish([outcome])
    except typer.Exit:
        known = key.fields(name, root)
        for field, value in changes.items() if outcome.trace else ():  # what the code does not say of itself
            print(f"  with {field}={value}; the book has {known[field].shown}", file=sys.stderr)
        raise
    return name, changes, wanted


def show_result(name: str, root: Path, wanted: key.Key) -> None:
    """Print the result with this key, which is there."""
    from lab.cli.result import describe

    place, there = store.find(root, wanted, reads.Present(root))
    print(f"in {store.shown(place, root)}/\n")
    describe(load(name, root), there, store.shown(place, root), root)
    if not wanted.book:
        _draw(name, root, place, there)


def _draw(name: str, root: Path, place: Path | Shared, there: store.Stored) -> None:
    """Draw the chapter's figures beside a result, and name them."""
    from lab.book.notebooks import draw

    folder = place if isinstance(place, Path) else root / ".lab" / "figures" / name / there.key
    drawn, failed = draw(name, root, as_result(load(name, root), there), folder)
    print()
    for file in drawn:
        print(f"figure  {file.relative_to(root)}")
    for figure, why in failed.items():
        print(f"figures.{figure} cannot be drawn at this setting: {why}", file=sys.stderr)


def _changes(name: str, typed: Sequence[str], root: Path) -> dict[str, str]:
    """Return field=value as a dict; data files are looked for from where the command was typed."""
    known = key.fields(name, root)
    found: dict[str, str] = {}
    for item in typed:
        field, equals, value = item.partition("=")
        if not equals:
            raise typer.BadParameter(f"{item!r} is not field=value, as in depth=200", param_hint="'--set'")
        if field in found:
            raise typer.BadParameter(f"{field} is given twice", param_hint="'--set'")
        if field in known and known[field].kind == ("Path",) and (here := Path(value).resolve()).is_file():
            value = here.relative_to(root).as_posix() if here.is_relative_to(root) else str(here)
        found[field] = value
    return found


def _remember(outcome: Outcome, root: Path) -> None:
    job = outcome.job
    if job.changes or job.verify or device.in_key():
        return
    if outcome.error:
        status.note_failure(job.experiment, root, outcome.error.splitlines()[0])
    else:
        status.forget_failure(job.experiment, root)
