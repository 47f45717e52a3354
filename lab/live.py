"""A figure that the reader can move: sliders and switches, curves that follow, and a sentence that says what one sees.

A figures module makes a `Live` out of a result, a chapter shows it with `explore`.  All that can be seen is worked out here,
one `Frame` for each setting of the controls, from a committed sweep or a closed form; the page's script (book/theme/live.js)
only draws it.  Without script, on paper and in the PDF there is the static figure above it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from html import escape
from typing import Any

from IPython.display import Markdown

from lab.errors import LabError
from lab.pages import data_shown

SCRIPT = "theme/live.js"  # from a page in book/
_MEANINGS = ("measured", "predicted", "control", "accent", "muted")


@dataclass(frozen=True)
class Axis:
    """One axis: quantity, symbol and unit in plain text.  Limits that are not given come from all frames together."""

    label: str
    log: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Curve:
    """Points to be joined, or dots with their 95 % intervals."""

    name: str  # written at its last point, and said of each point
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None  # of the interval
    high: Sequence[float] | None = None
    meaning: str = "measured"  # its colour: measured, predicted, control, accent or muted
    line: bool = True  # joined; else dots

    @classmethod
    def of(cls, name: str, table: Any, x: str, y: str, *, interval: bool = True, **more: Any) -> Curve:
        """Make a curve of two columns of a table, with its interval from y_low and y_high; `more` as above."""
        ends = {end: table[f"{y}_{end}"].tolist() for end in ("low", "high")} if interval else {}
        return cls(name, table[x].tolist(), table[y].tolist(), **ends, **more)

    def __post_init__(self) -> None:
        lengths = {len(part) for part in (self.x, self.y, self.low, self.high) if part is not None}
        if len(lengths) != 1:
            raise LabError(f"curve {self.name!r}: x, y, low and high have {sorted(lengths)} points, want as many each")
        if (self.low is None) != (self.high is None):
            raise LabError(f"curve {self.name!r}: an interval needs both low and high")
        if self.meaning not in _MEANINGS:
            raise LabError(f"curve {self.name!r}: no meaning {self.meaning!r}; there are {', '.join(_MEANINGS)}")


@dataclass(frozen=True)
class Slider:
    """A control.  With `switch`, two values: off and on."""

    label: str
    values: Sequence[str]  # each as it is shown and read aloud, with its unit
    start: int = 0  # where it stands at first
    switch: bool = False


@dataclass(frozen=True)
class Frame:
    """What one setting of the controls shows."""

    sentence: str  # plain text; with a `position`, {x} and the curves' values there, {0}, {1}, ..., are filled in
    curves: Sequence[Curve] = ()
    mark: float | None = None  # a vertical line at this x, and a ring around the fixed curves' points there


@dataclass(frozen=True)
class Live:
    """A figure to move."""

    title: str  # what to do: "Move the gain"
    x: Axis
    y: Axis
    controls: Sequence[Slider]
    frames: Sequence[Frame]  # one for each setting; the last control changes fastest
    fixed: Sequence[Curve] = ()  # what stays
    position: str = ""  # label of a further slider, along the x of the first moving curve
    position_start: int = -1  # index of the point where it stands at first

    def __post_init__(self) -> None:
        wanted = math.prod(len(control.values) for control in self.controls)
        if len(self.frames) != wanted:
            raise LabError(f"{self.title!r}: {len(self.frames)} frames for {wanted} settings of the controls")
        if self.position and not all(frame.curves for frame in self.frames):
            raise LabError(f"{self.title!r}: a position needs a curve in every frame")


def along(
    title: str,
    x: Axis,
    y: Axis,
    table: Any,
    column: str,
    sentence: Callable[[dict[str, Any]], str],
    fixed: Sequence[Curve],
    label: str = "",
    start: int | None = None,
) -> Live:
    """Return a figure with one slider, along the rows of a sweep: curves that stay, a mark at the row's `column`, its sentence."""
    rows = table.to_dict("records")
    values = [f"{row[column]:,.0f}" if row[column] >= 1000 else f"{row[column]:.3g}" for row in rows]
    slider = Slider(label or x.label, values, len(rows) // 2 if start is None else start)
    return Live(title, x, y, [slider], [Frame(sentence(row), mark=row[column]) for row in rows], fixed)


def explore(live: Live) -> Markdown:
    """Return the live form of a figure, for a page in book/: put it below the figure."""
    title = escape(live.title)
    data_shown()  # what it looked at is not what the next figure shows
    return Markdown(html_only(f'<div class="live" role="group" aria-label="{title}" hidden>{data(_plain(live))}</div>'))


def html_only(html: str) -> str:
    """Return Markdown of HTML that the page's script brings to life; other formats leave it out."""
    return f'```{{=html}}\n{html}\n<script defer src="{SCRIPT}"></script>\n```'


def data(value: Any) -> str:
    """Return JSON as an element that a browser neither shows nor runs; no text in it can end the element."""
    packed = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    safe = packed.replace("<", r"\u003c")
    return f'<script type="application/json">{safe}</script>'


def _plain(value: Any) -> Any:
    """Return dataclasses as JSON holds them: without what is not set, numbers with five digits, NaN and ∞ as null."""
    if is_dataclass(value):
        found = {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
        return {name: part for name, part in found.items() if part is not None and part != "" and part != []}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, Iterable):
        return [_plain(part) for part in value]
    return float(f"{float(value):.5g}") if math.isfinite(value) else None
