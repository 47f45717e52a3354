"""How every figure of the book looks: sizes, colours named by meaning, direct labels.

Backgrounds are transparent and the ink is near-black: on dark pages the site turns lightness around and keeps the hues.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.text
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import IdentityTransform
from numpy.typing import ArrayLike

from figures.inline import show_inline
from figures.labels import Label, RoomForLabels

# Okabe and Ito's colours: told apart with every common form of colour blindness, on paper and on screen.
INK = "#1b1f24"  # axes and text
MEASURED = "#0072b2"  # what an experiment found
PREDICTED = "#d55e00"  # what theory says
CONTROL = "#6b7280"  # the same run without the thing in question
ACCENT = "#009e73"  # the setting the chapter is about
MUTED = "#9aa1ab"  # guides and grids
PAPER = "#ffffff"
CONTRAST = 4.5  # that words need against the paper, WCAG 2.2 (1.4.3); a line or a mark needs 3


class Look(NamedTuple):
    """Colour with its second channel, for readers who cannot tell the colours apart."""

    colour: str
    marker: str
    dash: str | tuple[int, tuple[float, ...]]


SERIES = (
    Look("#0072b2", "o", "-"),
    Look("#d55e00", "s", (0, (5, 1.5))),
    Look("#009e73", "^", (0, (1.5, 1.2))),
    Look("#cc79a7", "D", (0, (6, 1.5, 1.5, 1.5))),
    Look("#8a6d00", "v", (0, (3, 1, 1, 1, 1, 1))),
    Look("#2e86c9", "P", (0, (8, 2))),
    Look("#5b5f66", "X", (0, (2, 2))),
)

# Every drawing would parse all formulas anew, tick labels of logarithmic axes among them: a fifth of its time.
vars(matplotlib.text)["TextToPath"] = cache(matplotlib.text.TextToPath)
# The book's typeface, and for what it lacks, such as Greek, fonts that come with matplotlib: the same letters on every machine.
show_inline()
fontManager.addfont(Path(__file__).parent / "fonts/notes-serif.ttf")
SMALL = 9.5  # points, of ticks and labels: still 9 on a page of the usual width
_RC: Any = {  # matplotlib types its keys one by one
    "font.family": ["Notes Serif", "STIXGeneral"],
    "font.size": 10.5,
    "axes.labelsize": 10.5,
    "axes.titlesize": 11,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": MUTED,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "mathtext.fontset": "custom",
    "mathtext.rm": "Notes Serif",
    "mathtext.it": "STIXGeneral:italic",
    "mathtext.bf": "STIXGeneral:bold",
    "mathtext.cal": "STIXGeneral:italic",
    "mathtext.fallback": "stix",
    "svg.fonttype": "path",
}
mpl.rcParams.update(_RC)  # figures are drawn after their function returns, so a context would be over by then


def canvas(
    width: float = 6.4, height: float = 3.8, rows: int = 1, columns: int = 1, **subplots: Any
) -> tuple[Figure, Any]:
    """Return a transparent figure of `width` x `height` inches, and its axes (one, or an array as in `Figure.subplots`)."""
    figure = Figure(figsize=(width, height), layout=RoomForLabels())
    figure.patch.set_alpha(0)
    axes = figure.subplots(rows, columns, **subplots)
    for axis in np.atleast_1d(axes).flat:
        axis.patch.set_alpha(0)
    return figure, axes


def label(axis: Axes, text: str, x: float, y: float, colour: str = INK, **placement: Any) -> None:
    """Write `text` beside its curve, at data coordinates `x`, `y`; `placement` as in `Axes.annotate`.

    The words are as dark as words must be, and stand clear of the lines that they cross.
    `phone` among it has what is otherwise in the figure for phones (figures/phone.py): `text`, `xytext`, `ha`.
    """
    phone = placement.pop("phone", {})
    around: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": SMALL}
    words = Label(text, (x, y), color=readable(colour), annotation_clip=False, clip_on=False, **around | placement)
    words.home, words.phone = words.xyann, phone
    words.set_transform(IdentityTransform())  # it is not in data coordinates: layouts would misjudge it
    axis.add_artist(words)
    words.set_path_effects([withStroke(linewidth=2.2, foreground=PAPER, alpha=0.85)])


def readable(colour: str) -> str:
    """Return the colour, darkened as far as words of it need to be read on paper."""
    while contrast(colour, PAPER) < CONTRAST:
        red, green, blue = to_rgb(colour)
        colour = to_hex((0.97 * red, 0.97 * green, 0.97 * blue))
    return colour


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    dark, light = sorted(_luminance(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour (IEC 61966-2-1), 0 to 1."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour))
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


def log_ticks(axis: Axis, multiples: tuple[float, ...] = (1,)) -> None:
    """Write plain numbers along a logarithmic axis: these multiples of powers of ten."""
    axis.set_major_locator(LogLocator(subs=multiples))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def band(axis: Axes, x: ArrayLike, low: ArrayLike, high: ArrayLike, colour: str) -> None:
    """Shade a 95 % interval around a curve."""
    axis.fill_between(np.asarray(x), np.asarray(low), np.asarray(high), color=colour, alpha=0.18, linewidth=0)
