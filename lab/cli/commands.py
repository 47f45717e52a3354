"""The commands, with the help that teaches them.  Each imports what it needs when it runs: `lab status` answers at once."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from lab.keys.experiments import find_root, source

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="experiments; all if none is named")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="another value for a parameter; repeat it for more"),
]
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        max=16 * CORES,  # many more would only fill the memory
        metavar="N",
        help="processes that compute at a time; results do not depend on it",
    ),
]
Executor = Annotated[Literal["local", "dask"], typer.Option(help="where tasks of experiments are computed")]
Renderer = Annotated[Literal["quarto", "press"] | None, typer.Option("--with", help="quarto if 1.9 or newer is there")]
Address = Annotated[str | None, typer.Option(metavar="tcp://HOST:PORT", help="of the Dask scheduler")]


def status(names: Names = None) -> None:
    """Where each result stands: fresh, stale, missing, damaged, running or failed; what it cost.

    \b
    Examples:  lab status
               lab status tanh_gain
    """
    from lab.cli.status import print_status

    print_status(checked(names, find_root()))


def run(
    names: Names = None,
    changes: Changes = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="with the tests' setting: does it run at all?")] = False,
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
    from lab.cli import run as running
    from lab.keys.params import as_options

    root = find_root()
    at = scheduler(executor, address)
    chosen = checked(names, root)
    typed = [*(changes or []), *([] if seeds is None else [f"seeds={seeds}"])]
    if cache is not None:
        if not cache:
            raise typer.BadParameter("it is empty: name a folder or a URL", param_hint="'--cache'")
        if not typed and not smoke and device is None:
            message = "it is for other settings: --set, --seeds, --smoke or --device"
            raise typer.BadParameter(message, param_hint="'--cache'")
        os.environ["LAB_CACHE"] = (
            cache if "://" in cache else str(Path(cache).expanduser().resolve())
        )  # the workers' as well
    if device is not None:
        from lab.device import choose

        choose(device)
    if not (typed or smoke or device is not None):
        running.compute_book(chosen, root, jobs, force, at)
        return
    name, different, wanted = running.compute_setting(chosen, typed, root, jobs, force, at, smoke)
    running.show_result(name, root, wanted)
    options = "--smoke" if smoke and not typed else as_options(different)
    print(f"to see the chapter with these numbers, type: lab render {name} {options}")


def params(name: Annotated[str, typer.Argument(metavar="NAME", help="experiment")]) -> None:
    """What can be set in an experiment: its parameters, their units, the book's values, and what is allowed.

    Example:  lab params tanh_gain
    """
    from lab.cli.params import print_params

    root = find_root()
    (chosen,) = checked([name], root)
    print_params(chosen, root)


def show(
    which: Annotated[
        list[str] | None, typer.Argument(metavar="NAME|RUN", help="experiments, or one or two runs by the names listed")
    ] = None,
) -> None:
    """What you have computed with settings of your own: what differs from the book, when, what it cost, which claims hold.

    With one run, its numbers and verdicts beside the book's; with two, beside each other.  In Python: read(tanh_gain, depth=200)

    \b
    Examples:  lab show
               lab show tanh_gain
               lab show 3f2a91c0
               lab show 3f2a91c0 b7712e04
    """
    from lab.cli.runs import show_runs

    show_runs(which or [], find_root())


def clean(
    names: Names = None,
    runs: Annotated[bool, typer.Option("--runs", help="results and pages with settings of your own")] = False,
) -> None:
    """Remove what was computed with settings of your own: of all experiments, or those named.  The book's results stay.

    \b
    Examples:  lab clean --runs
               lab clean tanh_gain --runs
    """
    from lab.cli.runs import clean_runs

    root = find_root()
    if not runs:
        raise typer.BadParameter("say what is to be removed: --runs", param_hint="'--runs'")
    clean_runs(checked(names, root), root)


def why(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="experiments; all that are not fresh if none is named")
    ] = None,
) -> None:
    """What changed since a result was computed: functions, constants, parameters, data, versions, by name.

    \b
    Examples:  lab why
               lab why tanh_gain
    """
    from lab.cli.why import explain

    root = find_root()
    explain(checked(names, root), root)


def verify(
    names: Names = None,
    jobs: Jobs = CORES,
    executor: Executor = "local",
    address: Address = None,
    as_json: Annotated[bool, typer.Option("--json", help="the summary, for programs")] = False,
) -> None:
    """Compute the book's results again, beside the committed ones, and compare: verdicts and numbers.

    Exit code 0 if every verdict is the same and every estimate lies in the book's interval, else 1.  The summary at the end
    can be pasted into a bug report; with --json it is what the book's table of machines is made of, from files in reproduced/.

    \b
    Examples:  lab verify
               lab verify tanh_gain
               lab verify --json > reproduced/my-machine.json
    """
    from lab.cli.verify import again

    root = find_root()
    again(checked(names, root), root, jobs, scheduler(executor, address), as_json)


def claims(names: Names = None, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
    """The ledger: every claim of the notes, its verdict, and the number that decided it.

    \b
    Examples:  lab claims
               lab claims tanh_gain
               lab claims --json
    """
    from lab.cli.claims import print_ledger

    root = find_root()
    print_ledger(checked(names, root), root, as_json)


def register(
    names: Names = None,
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
    from lab.cli import claims as registering
    from lab.keys.experiments import names as every

    root = find_root()
    chosen = checked(names, root)
    if not chosen and not check:
        raise typer.BadParameter("name the experiments whose rules are to be registered", param_hint="NAME")
    (registering.print_check if check else registering.register_rules)(chosen or every(root), root)


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="of the book: one that is not there, or is empty")],
) -> None:
    """A book of your own, from your own notes: settings, preface, ledger, theme, Makefile, and an example question with its test.

    Example:  lab init my_notes
    """
    from lab.cli.questions import write_book

    write_book(folder)


def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="of the question: words in lower case, joined by underscores")
    ],
    part: Annotated[
        str | None, typer.Option(metavar="TITLE", help="of the book; the last one if none is named")
    ] = None,
    package: Annotated[
        bool, typer.Option("--package", help="the experiment as a folder, for more code than one file should hold")
    ] = False,
) -> None:
    """A new question: experiment, figures, chapter and test, which run at once and are there to be replaced.

    \b
    Examples:  lab new dead_neurons
               lab new dead_neurons --part "Starting weights" --package
    """
    from lab.cli.questions import write_new

    write_new(name, find_root(), part, package)


def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="questions")],
    force: Annotated[bool, typer.Option("--force", help="also what git does not have")] = False,
) -> None:
    """Take questions out: experiment, figures, chapter, test, result, and their places in _quarto.yml and the notation.

    Refuses what git could not bring back, unless told --force.

    Example:  lab remove dead_neurons
    """
    from lab.cli.questions import remove_all

    root = find_root()
    remove_all(checked(names, root), root, force)


def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="name of the question")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="its name from now on")],
    force: Annotated[bool, typer.Option("--force", help="also what git does not have")] = False,
) -> None:
    """Name a question anew, wherever it is named: files, modules, labels, links; its result moves with it.

    Example:  lab rename dead_neurons dying_units
    """
    from lab.cli.questions import rename_one

    rename_one(old, new, find_root(), force)


def render(
    chapters: Annotated[list[str] | None, typer.Argument(metavar="CHAPTER", help="all if none is named")] = None,
    to: Annotated[str, typer.Option(metavar="FORMATS", help="html, pdf, or both")] = "html,pdf",
    renderer: Renderer = None,
    changes: Changes = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="the chapter with the tests' setting")] = False,
    jobs: Jobs = CORES,
) -> None:
    """The book as a site and a PDF, in _book/, with what is stale brought up to date first.

    One chapter is made alone: pages of others that have never been rendered say so.

    With --set, the chapter is made from a setting of your own, which is computed first: a page in _own/ with the book's values beside
    yours, verdicts and figures of your setting.  The book stays as it is.  What can be set is listed by: lab params NAME

    \b
    Examples:  lab render
               lab render tanh_gain --to html
               lab render tanh_gain --set depth=200
               lab render --with press
    """
    from lab.cli.render import FORMATS, render_book, render_own

    formats = [word.strip() for word in to.split(",")]
    if not set(formats) <= set(FORMATS):
        raise typer.BadParameter(f"{to!r} is not html, pdf or html,pdf", param_hint="'--to'")
    if changes or smoke:
        if len(chapters or []) != 1:
            raise typer.BadParameter("name the one chapter that is to be made with it", param_hint="'--set'")
        if renderer == "quarto":
            raise typer.BadParameter("a page with a setting of its own is made with press", param_hint="'--with'")
        render_own((chapters or [""])[0], changes or [], find_root(), formats, jobs, smoke)
    else:
        render_book(chapters or [], find_root(), formats, renderer, jobs)


def preview(
    port: Annotated[
        int, typer.Option("--port", "-p", metavar="N", help="0 takes any that is free; Quarto takes one of its own")
    ] = 8000,
    renderer: Renderer = None,
    show: Annotated[bool, typer.Option("--browser/--no-browser", help="open the browser")] = True,
) -> None:
    """The site as you write: what you save is rendered again, and the browser shows it at the same place, until ctrl-C.

    Chapters, experiments, figures, results, theme and settings are watched.  An error stands in the page, with file and line.
    Nothing is computed: where a result is stale, the page says which command brings it up to date.

    \b
    Examples:  lab preview
               lab preview --port 0 --no-browser
    """
    from lab.cli.preview import follow

    follow(find_root(), port, renderer, show)


def serve(
    port: Annotated[int, typer.Option("--port", "-p", metavar="N", help="0 takes any that is free")] = 8000,
) -> None:
    """The rendered site on localhost, until ctrl-C.

    Example:  lab serve --port 8080
    """
    from lab.cli.render import serve_site

    serve_site(find_root(), port)


def scheduler(executor: str, address: str | None) -> str | None:
    """Return the address of a Dask scheduler, or None for this machine."""
    if executor == "dask" and not address:
        raise typer.BadParameter(
            "--executor dask needs the scheduler's, as in --address tcp://127.0.0.1:8786", param_hint="'--address'"
        )
    if address and not re.fullmatch(r"(tcp|tls|wss?|ucx)://\S+:\d+", address):
        raise typer.BadParameter(f"{address!r} is not tcp://HOST:PORT", param_hint="'--address'")
    if executor == "local" and address:
        raise typer.BadParameter("an address is for --executor dask", param_hint="'--address'")
    return address


def checked(names: list[str] | None, root: Path) -> list[str]:
    """Return the names, each once.  An unknown one is an error that gives the nearest."""
    chosen = list(dict.fromkeys(names or []))
    for name in chosen:
        source(name, root)
    return chosen


COMMANDS: list[Callable[..., None]] = [status, run, params, show, clean, why, verify, claims, register]  # of results
COMMANDS += [init, new, rename, remove, render, preview, serve]  # of the book
ALONE = {  # need no argument; `lab status` does not even come here
    of.__name__: of for of in (run, show, why, verify, claims, register, render, preview, serve)
}


def build(asked: str) -> typer.Typer:
    """Return the application: all commands, or the one asked for alone.

    Typer sets up the options of every command it knows with pydantic, which costs as much as all of `lab status`.
    """
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def lab() -> None:
        """Runs the book's experiments, keeps their results, checks the notes' claims, and renders the book."""

    for command in [c for c in COMMANDS if c.__name__ == asked] or COMMANDS:
        app.command(help=_help(command.__doc__ or ""))(command)
    return app


def _help(text: str) -> str:
    """Return a docstring whose paragraphs fit any terminal, and whose brackets are no markup."""
    paragraphs = inspect.cleandoc(text).replace("[", r"\[").split("\n\n")
    return "\n\n".join(part if "Examples: " in part else part.replace("\n", " ") for part in paragraphs)
