"""A chapter's figures of any result of its experiment, as files."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

from lab.keys.experiments import load


def figure_functions(name: str, root: Path) -> list[str]:
    """Return the functions that draw a chapter's figures: those in its module in figures/ that make a Figure of a result alone."""
    file = root / "figures" / f"{name}.py"
    tree = ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([], [])
    return [
        of.name
        for of in tree.body
        if isinstance(of, ast.FunctionDef) and not of.name.startswith("_")
        if of.returns and ast.unparse(of.returns).rpartition(".")[2].strip("'") == "Figure"
        if len(of.args.posonlyargs + of.args.args) - len(of.args.defaults) == 1 and None not in of.args.kw_defaults
    ]


def draw(name: str, root: Path, result: Any, folder: Path) -> tuple[list[Path], dict[str, str]]:
    """Draw every figure of a result into a folder; return the files, and which failed and why.

    A setting of one's own may lack what a figure shows: the others are drawn all the same.
    """
    drawn, failed = [], {}
    load(name, root)  # and with it the project's modules can be imported
    for figure in figure_functions(name, root):
        file = folder / f"{figure}.svg"
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            getattr(importlib.import_module(f"figures.{name}"), figure)(result).savefig(
                file, bbox_inches="tight", metadata={"Date": None}
            )
        except Exception as error:  # whatever somebody's figure raises
            failed[figure] = f"{type(error).__name__}: {error}"
        else:
            drawn.append(file)
    return drawn, failed
