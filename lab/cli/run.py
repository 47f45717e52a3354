"""`lab run`: brings the book's results up to date, or computes another setting into the cache; `lab params`: what can be set."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from lab import device as devices
from lab.cli.commands import CORES, Address, Changes, Executor, Jobs, Name, Names, Smoke
from lab.cli.show import print_table
from lab.cli.watch import Watch
from lab.errors import LabError
from lab.keys import experiments, key
from lab.keys.experiments import find_root, load, source
from lab.keys.params import KINDS, Field, as_options, as_typed, comments
from lab.results import store
from lab.results.shared_cache import VARIABLE
from lab.run import scheduler, status
from lab.run.scheduler import Outcome
from lab.workers.messages import Job
from press import reads


def run(
    names: Names,
    changes: Changes,
    smoke: Smoke = False,
    seeds: Annotated[int | None, typer.Option(min=1, metavar="N", help="the same as --set seeds=N")] = None,
    jobs: Jobs = CORES,
    force: Annotated[bool, typer.Option("--force", help="also what is fresh")] = False,
    executor: Executor = "local",
    address: Address = None,
    cache: Annotated[
        str | None,
        typer.Option(metavar="URL", help="where other settings are kept: a folder, s3://...; $LAB_CACHE says the same"),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="train ensembles there, on cuda for example; another setting")
    ] = None,
) -> None:
    """Compute what is stale or missing: all of it, or the experiments named, whose numbers and tables are then printed.

    What can be set with --set, in which unit, is listed by: lab params NAME

    With --set, --seeds, --smoke or --device, another setting: kept in .lab/cache, or at --cache URL for a team to share; the book's
    results stay as they are.

    With --executor dask, the tasks of experiments are computed by a Dask cluster and come back here.  Its workers
    need this Python and these libraries (pip install 'notes-measured[dask]'), no copy of the project: the sources are
    sent, and every worker must find the same keys before anything runs.

    \b
    Examples:  lab run
               lab run tanh_gain --force
               lab run tanh_gain --set depth=200 --set gains=0.5,1,2 --seeds 64
               lab run tanh_gain --smoke
               lab run loss_log --seeds 1000 --device cuda
               lab run --executor dask --address tcp://10.0.0.5:8786
    """
    root, at = find_root(), dask(executor, address)
    typed = [*changes, *([] if seeds is None else [f"seeds={seeds}"])]
    other = typed or smoke or device is not None
    if cache is not None:
        if not cache or not other:
            wrong = "it is for other settings: --set, --seeds, --smoke or --device"
            raise typer.BadParameter(wrong if cache else "it is empty: name a folder or a URL", param_hint="'--cache'")
        os.environ[VARIABLE] = cache if "://" in cache else str(Path(cache).expanduser().resolve())  # the workers' too
    if device is not None:
        devices.choose(device)
    if other:
        name, different, wanted = compute_setting(names, typed, root, jobs, force, at, smoke)
        _show(name, root, wanted)
        options = "--smoke" if smoke and not typed else as_options(different)
        print(f"to see the chapter with these numbers, type: lab render {name} {options}")
        return
    outcomes = bring_up_to_date(names or experiments.names(root), root, jobs, force, at)
    if not outcomes:
        print("nothing to do: " + ("they are all fresh" if len(names) != 1 else f"{names[0]} is fresh"))
    finish(outcomes)
    for name in names:
        _show(name, root, key.compute(name, root))


def params(name: Name) -> None:
    """What can be set in an experiment: its parameters, their units, the book's values, and what is allowed.

    Example:  lab params tanh_gain
    """
    root = find_root()
    text = source(name, root).read_text(encoding="utf-8")
    fields, said = key.fields(name, root).values(), comments(text)
    question = (ast.get_docstring(ast.parse(text)) or name).splitlines()[0]
    print(f"{name}: {question}\n")
    rows = [[field.name, field.shown, said.get(field.line, ""), allowed(field)] for field in fields]
    print_table(rows, head=["parameter", "in the book", "what it is, or its unit", "allowed"])
    counted = [f"{field.name}={2 * field.default}" for field in fields if field.kind == ("int",)]
    print(f"\nfor another setting, type for example: lab run {name} --set {[*counted, 'PARAMETER=VALUE'][0]}")


def allowed(field: Field) -> str:
    """Say which values a parameter takes."""
    one = field.kind[0] if len(field.kind) == 1 else field.kind[1]
    what = KINDS[one]
    if one == "int":
        what += f", {field.least} or more"
    elif one == "float" and not field.has_infinite:
        what = "a finite number"
    if len(field.kind) == 1:
        return what
    count = "one or more" if field.kind[-1] == "..." and field.default else "any number"
    return f"{count if field.kind[-1] == '...' else len(field.kind) - 1}, with commas, each {what}"


def dask(executor: str, address: str | None) -> str | None:
    """Return the address of a Dask scheduler, or None for this machine."""
    wrong = ""
    if executor == "dask" and not address:
        wrong = "--executor dask needs the scheduler's, as in --address tcp://127.0.0.1:8786"
    elif executor == "local" and address:
        wrong = "an address is for --executor dask"
    elif address and not re.fullmatch(r"(tcp|tls|wss?|ucx)://\S+:\d+", address):
        wrong = f"{address!r} is not tcp://HOST:PORT"
    if wrong:
        raise typer.BadParameter(wrong, param_hint="'--address'")
    return address


def bring_up_to_date(
    chosen: Sequence[str], root: Path, workers: int, force: bool = False, address: str | None = None
) -> list[Outcome]:
    """Compute what is not fresh (with `force`: all) among some experiments, before the reader's eyes."""
    jobs = [
        Job(of.experiment, force=force, expected=of.seconds, stages=of.stages)
        for of in (status.every_status(root, chosen) if chosen else [])
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
        with watch.bars or nullcontext():
            outcomes = scheduler.run_jobs(jobs, root, workers, watch, address, watch.say)
    except KeyboardInterrupt:
        print(f"stopped; {watch.summary()}\n{onward}", file=sys.stderr)
        raise Stopped(watch.those("kept")) from None
    for outcome in outcomes:
        job = outcome.job
        if job.changes or job.verify or devices.in_key():
            continue
        if outcome.error:
            status.note_failure(job.experiment, root, outcome.error.splitlines()[0])
        else:
            status.forget_failure(job.experiment, root)
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
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


def smoke_setting(experiment: Any) -> dict[str, str]:
    """Return what differs from the book's in the setting that the fast tests run, as it would be typed."""
    small, book = vars(experiment.SMOKE), vars(experiment.Params())
    return {field: as_typed(small[field]) for field in book if small[field] != book[field]}


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
    if not devices.in_key().items() <= wanted.parts["environment"].items():
        every = experiments.names(root)
        others = [of for of in every if devices.VARIABLE in key.compute(of, root).parts["environment"]]
        raise LabError(f"{name} trains on the processor alone; --device is for {', '.join(others) or 'no experiment'}")
    if wanted.book:
        shown = ", ".join(typed) or f"--device {devices.PROCESSOR}"
        raise LabError(f"{shown}: that is the book's own setting\ntype: lab run {name}")
    if os.environ.get(VARIABLE, "").startswith("memory:"):
        raise LabError("memory:// is gone when the process ends that computes: name a folder or a store")
    book = status.status_of(name, root)  # goes the same way, if not as far
    (outcome,) = watched([Job(name, changes, force=force, stages=book.stages)], root, workers, address)
    try:
        finish([outcome])
    except typer.Exit:
        fields = key.fields(name, root)
        for field, value in changes.items() if outcome.trace else ():  # what the code does not say of itself
            print(f"  with {field}={value}; the book has {fields[field].shown}", file=sys.stderr)
        raise
    return name, changes, wanted


def _changes(name: str, typed: Sequence[str], root: Path) -> dict[str, str]:
    """Return field=value as a dict; data files are looked for from where the command was typed."""
    fields = key.fields(name, root)
    found: dict[str, str] = {}
    for item in typed:
        field, equals, value = item.partition("=")
        if not equals:
            raise typer.BadParameter(f"{item!r} is not field=value, as in depth=200", param_hint="'--set'")
        if field in found:
            raise typer.BadParameter(f"{field} is given twice", param_hint="'--set'")
        if field in fields and fields[field].kind == ("Path",) and (here := Path(value).resolve()).is_file():
            value = here.relative_to(root).as_posix() if here.is_relative_to(root) else str(here)
        found[field] = value
    return found


def _show(name: str, root: Path, wanted: key.Key) -> None:
    """Print the result with this key, which is there; of another setting also draw the chapter's figures."""
    from lab.cli.result import describe, draw_figures

    place, there = store.find(root, wanted, reads.Present(root))
    result = describe(place, there, root)
    if not wanted.book:
        draw_figures(name, place, there.key, result, root)
