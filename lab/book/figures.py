"""A chapter's figures of any result of its experiment, as files."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.keys.experiments import load


def functions(name: str, root: Path) -> dict[str, Callable[[Any], Any]]:
    """Return the functions that draw a chapter's figures, by name: those from a Result to a Figure, in figures/."""
    load(name, root)  # and with it the project's modules can be imported
    if not (root / "figures" / f"{name}.py").is_file():
        return {}
    module = importlib.import_module(f"figures.{name}")
    found = {}
    for function, of in inspect.getmembers(module, inspect.isfunction):
        if of.__module__ == module.__name__ and of.__name__ == function and not function.startswith("_"):
            signature = inspect.signature(of)
            needed = [part for part in signature.parameters.values() if part.default is part.empty]
            if len(needed) == 1 and str(signature.return_annotation).rpartition(".")[2].strip("'>") == "Figure":
                found[function] = of
    return dict(sorted(found.items(), key=lambda item: item[1].__code__.co_firstlineno))


def draw(name: str, root: Path, result: Any, folder: Path) -> tuple[list[Path], dict[str, str]]:
    """Draw every figure of a result into a folder; return the files, and which failed and why.

    A setting of one's own may lack what a figure shows: the others are drawn all the same.
    """
    drawn, failed = [], {}
    for figure, function in functions(name, root).items():
        file = folder / f"{figure}.svg"
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            function(result).savefig(file, bbox_inches="tight", metadata={"Date": None})
        except Exception as error:  # whatever somebody's figure raises
            failed[figure] = f"{type(error).__name__}: {error}"
        else:
            drawn.append(file)
    return drawn, failed
