"""Draws the figure that the README shows: `python -m figures`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import matplotlib as mpl

from lab.keys.experiments import load, names
from lab.read import read

README_FIGURE = Path(__file__).with_name("readme.svg")


def chosen() -> str | None:
    """Return the question whose module of figures says, with README = function, which one the README shows."""
    modules = {name: import_module(f"figures.{name}") for name in names()}
    return next((name for name, module in modules.items() if hasattr(module, "README")), None)


def draw(name: str, path: Path) -> None:
    """Write the figure to `path`, on white: a README is read on dark pages too.  The same result gives the same bytes."""
    figure = import_module(f"figures.{name}").README(read(load(name)))
    with mpl.rc_context({"svg.hashsalt": "notes-measured"}):
        figure.savefig(path, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    if name := chosen():
        draw(name, README_FIGURE)
        print(f"wrote {README_FIGURE}")
