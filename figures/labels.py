"""Labels of curves find room: each is moved as little as keeps it clear of all else that is drawn.

This is done whenever a figure is laid out, for wide pages, phones and paper, from where `style.label` wants the words to stand.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

PASSES = 3  # over all labels: where one has moved, others may have room
FAR = 32  # points by which a label is moved at most
CLEAR = 1  # points between a label's box and all else
ABOVE = 16  # points by which a label may stand above its panel, or below
SOLID = 0.3  # of full opacity: a band around a curve has less
# What it costs to cover anything solid at all, each square point of it, and each of a band: in points that a label moves to avoid it.
ANY, EACH, SHADE = 12.0, 2.0, 0.02
ASIDE = 1.5  # as far as a point up or down: words stay beside the end of their curve

Grid = NDArray[np.float64]


class Label(Annotation):
    """Words beside a place; `home` is where they stand if nothing is in the way, in points from there."""

    home: tuple[float, float]
    phone: dict[str, Any]


class RoomForLabels(ConstrainedLayoutEngine):
    """Lays panels out as matplotlib does, and then moves labels."""

    def execute(self, fig: Any) -> None:
        """Do both; what was moved for another layout starts at home again."""
        labels = [words for panel in fig.axes for words in panel.texts if isinstance(words, Label)]
        for label in labels:
            label.xyann = label.home
        super().execute(fig)
        if labels:
            _place(fig, labels)


def _place(figure: Figure, labels: list[Label]) -> None:
    ink = _ink(figure, set(labels))
    shade, solid = _totals(ink), (ink > SOLID).astype(float)
    homes = {label: _letters(label, figure) for label in labels}
    shifts = {label: _shifts(label, homes[label], figure) for label in labels}
    boxes = dict(homes)
    for _ in range(PASSES):
        before = [label.xyann for label in labels]
        for label in labels:
            (across, up), home, taken = shifts[label], homes[label], solid.copy()
            free = np.ones(len(up), dtype=bool)
            for other in labels:
                if other is not label:
                    x0, y0, x1, y1 = np.clip(np.rint(boxes[other].extents), 0, None).astype(int)
                    taken[y0:y1, x0:x1] = 1
                    free &= ~_swaps(home, homes[other], boxes[other], up)
            across, up, room = across[free], up[free], home.padded(CLEAR)
            covered, shaded = (_sums(totals, room, across, up) for totals in (_totals(taken), shade))
            best = int(np.argmin(np.hypot(ASIDE * across, up) + ANY * (covered > 0) + EACH * covered + SHADE * shaded))
            shift = float(across[best]), float(up[best])
            label.xyann = (label.home[0] + shift[0], label.home[1] + shift[1])
            boxes[label] = home.translated(*shift)
        if before == [label.xyann for label in labels]:
            break


def _swaps(home: Bbox, other_home: Bbox, other: Bbox, up: Grid) -> NDArray[np.bool_]:
    """Say which moves would bring a label above another that it stood below, or below one that it stood above."""
    if home.x1 < other_home.x0 or other_home.x1 < home.x0:
        return np.zeros(len(up), dtype=bool)
    before = (home.y0 + home.y1) - (other_home.y0 + other_home.y1)
    after = (home.y0 + home.y1) + 2 * up - (other.y0 + other.y1)
    found: NDArray[np.bool_] = before * after < 0
    return found


def _shifts(label: Label, box: Bbox, figure: Figure) -> tuple[Grid, Grid]:
    """Return how a label may be moved: near, within figure and panel, and on its side of the place that it names."""
    steps = np.arange(-FAR, FAR + 1.0)
    across, up = (axis.ravel() for axis in np.meshgrid(steps, steps))
    axes = cast("Axes", label.axes)
    panel, (width, height) = _points(axes.bbox, figure), 72 * figure.get_size_inches()
    x0, y0 = max(0, min(panel.x0, box.x0)), max(0, min(panel.y0 - ABOVE, box.y0))
    x1, y1 = min(width, max(panel.x1, box.x1)), min(height, max(panel.y1 + ABOVE, box.y1))
    if label.xycoords == "data":
        x, y = axes.transData.transform(label.xy) * 72 / figure.dpi
        x0, x1 = (max(x0, x) if box.x0 >= x else x0), (min(x1, x) if box.x1 <= x else x1)
        y0, y1 = (max(y0, y) if box.y0 >= y else y0), (min(y1, y) if box.y1 <= y else y1)
    free = (box.x0 + across >= x0) & (box.x1 + across <= x1) & (box.y0 + up >= y0) & (box.y1 + up <= y1)
    free |= (across == 0) & (up == 0)
    return across[free], up[free]


def _totals(grid: Grid) -> Grid:
    """Return the sum of all that lies below and to the left of each corner of a grid."""
    return np.pad(grid.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


def _sums(totals: Grid, box: Bbox, across: Grid, up: Grid) -> Grid:
    """Return the sum of a grid, from its `_totals`, within a box, for each of its shifts."""
    height, width = totals.shape
    left, right = (np.clip(np.rint(x + across).astype(int), 0, width - 1) for x in (box.x0, box.x1))
    low, high = (np.clip(np.rint(y + up).astype(int), 0, height - 1) for y in (box.y0, box.y1))
    found: Grid = totals[high, right] - totals[low, right] - totals[high, left] + totals[low, left]
    return found


def _ink(figure: Figure, labels: set[Label]) -> Grid:
    """Return how opaque what is drawn is at each point, rows from below: all but labels and grids."""
    dpi, figure.dpi = figure.dpi, 72
    renderer: Any = RendererAgg(*figure.bbox.size, 72)  # type: ignore[no-untyped-call]
    for panel in figure.axes:
        for artist in panel.get_children():
            if artist not in labels and artist is not panel.patch:
                for part in _without_grid(artist):
                    part.draw(renderer)
    figure.dpi = dpi
    found: Grid = np.asarray(renderer.buffer_rgba())[::-1, :, 3] / 255
    return found


def _without_grid(artist: Artist) -> list[Artist]:
    return [*artist.get_ticklines(), *artist.get_ticklabels(), artist.label] if isinstance(artist, Axis) else [artist]


def _letters(label: Label, figure: Figure) -> Bbox:
    """Return what most letters of a label fill: few reach to the edge of their line."""
    x0, y0, x1, y1 = _points(label.get_window_extent(), figure).extents
    return Bbox.from_extents(x0, y0 + 1.5, x1, y1 - 0.5)


def _points(box: Any, figure: Figure) -> Bbox:
    return Bbox(box.get_points() * 72 / figure.dpi)
