"""Draws the figure that the README shows: `python -m figures`."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

from experiments import tanh_gain
from figures.tanh_gain import fixed_points
from lab.read import read

README_FIGURE = Path(__file__).with_name("readme.svg")


def draw(path: Path) -> None:
    """Write the figure to `path`, on white: a README is read on dark pages too.  The same result gives the same bytes."""
    figure = fixed_points(read(tanh_gain))
    with mpl.rc_context({"svg.hashsalt": "notes-measured"}):
        figure.savefig(path, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    draw(README_FIGURE)
    print(f"wrote {README_FIGURE}")
