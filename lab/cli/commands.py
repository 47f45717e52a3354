"""The commands: which module has each, and the arguments and options that several share.

A command is the function that is called what is typed; its docstring is its help.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Annotated, Any, Literal

import typer

from lab.keys.experiments import find_root, source

COMMANDS = {  # each with the module beside this one that has it
    **dict.fromkeys(("status", "why"), "states"),
    **dict.fromkeys(("run", "params"), "run"),
    **dict.fromkeys(("show", "clean"), "runs"),
    "verify": "verify",
    **dict.fromkeys(("claims", "register"), "claims"),
    **dict.fromkeys(("init", "new", "rename", "remove"), "questions"),
    **dict.fromkeys(("render", "serve"), "render"),
    "preview": "preview",
}


def known(names: list[str]) -> list[str]:
    """Return the names of experiments, each once.  An unknown one is an error that gives the nearest."""
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        source(name, find_root())
    return chosen


LEFT_OUT: dict[str, Any] = {"default_factory": list, "show_default": False}  # where there may be none of them
Name = Annotated[str, typer.Argument(callback=lambda name: known([name])[0], metavar="NAME", help="experiment")]
Names = Annotated[
    list[str], typer.Argument(callback=known, metavar="NAME", help="experiments; all if none is named", **LEFT_OUT)
]
Changes = Annotated[
    list[str],
    typer.Option("--set", metavar="FIELD=VALUE", help="another value for a parameter; repeat it for more", **LEFT_OUT),
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
Smoke = Annotated[bool, typer.Option("--smoke", help="with the tests' setting: does it run at all?")]
Executor = Annotated[Literal["local", "dask"], typer.Option(help="where tasks of experiments are computed")]
Address = Annotated[str | None, typer.Option(metavar="tcp://HOST:PORT", help="of the Dask scheduler")]
Renderer = Annotated[Literal["quarto", "press"] | None, typer.Option("--with", help="quarto if 1.9 or newer is there")]
Port = Annotated[int, typer.Option("--port", "-p", metavar="N", help="0 takes any that is free")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]
Force = Annotated[bool, typer.Option("--force", help="also what git does not have")]


def build(asked: str) -> typer.Typer:
    """Return the application: all commands, or the one asked for alone, whose module is then the only one imported."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def lab() -> None:
        """Runs the book's experiments, keeps their results, checks the notes' claims, and renders the book."""

    for name in [asked] if asked in COMMANDS else COMMANDS:
        command = getattr(import_module(f"lab.cli.{COMMANDS[name]}"), name)
        app.command(short_help=command.__doc__.partition("\n")[0])(command)
    return app
