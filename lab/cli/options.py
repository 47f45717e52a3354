"""What several commands are asked with: names of experiments, and options that mean the same everywhere."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from lab.keys.experiments import source

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
Executor = Annotated[str, typer.Option(metavar="local|dask", help="where tasks of experiments are computed")]
Address = Annotated[str | None, typer.Option(metavar="tcp://HOST:PORT", help="of the Dask scheduler")]


def scheduler(executor: str, address: str | None) -> str | None:
    """Return the address of a Dask scheduler, or None for this machine."""
    if executor not in ("local", "dask"):
        raise typer.BadParameter(f"{executor!r} is not local or dask", param_hint="'--executor'")
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
