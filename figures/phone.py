"""A figure as it is drawn for phones: as narrow as their pages, with words of the same size, its panels one above the other.

Nothing is drawn anew: a finished figure is laid out again.  What is too long for that is broken into two lines, or moved in.
A label that would land badly says where it belongs on phones: `label(..., phone={"xytext": (4, 9)})`.
"""

from __future__ import annotations

import re
import warnings
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.text import Text
from matplotlib.transforms import blended_transform_factory

from figures.labels import Label, RoomForLabels

WIDTH = 3.65  # inches: 350 CSS pixels, what a phone of 390 leaves between its margins
LEAST = 0.45  # of this width, of what lies between a panel's axes
GAP = 4  # points between the labels of two ticks, and to the edge


def fit_phone(figure: Figure) -> None:
    """Lay a figure out for phones."""
    panels = [panel for panel in figure.axes if panel.get_subplotspec() is not None]
    rows = max(panel.get_subplotspec().get_gridspec().nrows for panel in panels)  # type: ignore[union-attr]
    FigureCanvasSVG(figure)  # it measures as it will draw
    figure.set_dpi(72)
    figure.set_size_inches(WIDTH, figure.get_figheight() / rows * len(panels))
    grid = GridSpec(len(panels), 1, figure=figure)
    for row, panel in enumerate(panels):
        panel.set_subplotspec(grid[row])
        _name_axes(panel, panels)
        for words in panel.texts:
            if isinstance(words, Label):
                placement = dict(words.phone)
                words.xyann = words.home = placement.pop("xytext", words.home)
                words.update(placement)
        if legend := panel.get_legend():
            names = [text.get_text() for text in legend.get_texts()]  # an error bar's handle has lost its own
            panel.legend(handles=legend.legend_handles, labels=names, ncols=1, loc="lower left", bbox_to_anchor=(0, 1))
    figure.set_layout_engine("constrained")
    with warnings.catch_warnings():  # that labels leave no room for a panel: they are broken and moved then
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        _give_room(figure, panels)
    for panel in panels:
        _thin(panel.xaxis)
    figure.set_layout_engine(RoomForLabels())


def _name_axes(panel: Axes, panels: list[Axes]) -> None:
    """Write at a panel what it had from its neighbour: the numbers along an axis that they share, and what they mean."""
    panel.tick_params(labelleft=True, labelbottom=True)
    for letter in "xy":
        axis, shared = getattr(panel, f"{letter}axis"), getattr(panel, f"get_shared_{letter}_axes")()
        names = [getattr(other, f"{letter}axis").get_label_text() for other in panels if shared.joined(panel, other)]
        if not axis.get_label_text():
            axis.set_label_text(next(filter(None, names), ""))


def _give_room(figure: Figure, panels: list[Axes]) -> None:
    """Break what is too long; move in what covers the numbers of an axis, or sticks out so far that no room is left for a panel."""
    figure.draw_without_rendering()
    for panel in panels:
        legend = panel.get_legend()
        if legend and legend.get_window_extent().width > figure.bbox.x1 - panel.bbox.x0:  # from the edge of the figure
            legend.set_bbox_to_anchor((0, 1), blended_transform_factory(figure.transFigure, panel.transAxes))
    for words in [words for panel in panels for words in (panel.title, panel.xaxis.label)]:
        box = words.get_window_extent()
        if words.get_text() and (box.x0 < GAP or box.x1 > figure.bbox.x1 - GAP):
            _break(words)
    figure.draw_without_rendering()
    while small := [panel for panel in panels if panel.bbox.width < LEAST * figure.bbox.width]:
        found = [(_overhang(words, panel), words) for panel in small for words in panel.texts if words.get_in_layout()]
        overhang, label = max(found, key=lambda pair: pair[0], default=(0.0, None))
        if label is None or overhang <= 0:
            break
        if not _break(label):
            label.set_in_layout(False)
        figure.draw_without_rendering()
    for panel in panels:
        for words in panel.texts:
            if isinstance(words, Label):
                _move_in(words, panel)


def _move_in(words: Label, panel: Axes) -> None:
    """Move a label away from the numbers of the vertical axis, and from beyond the edge of the figure."""
    box, (x, y) = words.get_window_extent(), words.xyann
    aside = min(0, 72 * WIDTH - GAP - box.x1) or max(0, panel.bbox.x0 + GAP / 2 - box.x0)
    words.xyann = words.home = (x + aside, y)


def _overhang(words: Text, panel: Axes) -> float:
    box = words.get_window_extent()
    return float(max(box.x1 - panel.bbox.x1, panel.bbox.x0 - box.x0))


def _break(words: Text) -> bool:
    """Break a line at the space nearest to its middle; say whether there was one."""
    text = words.get_text()
    spaces = [
        space.start() for space in re.finditer(r" (?![^$]*\$[^$]*(\$[^$]*\$[^$]*)*$)", text)
    ]  # not within a formula
    if "\n" in text or not spaces:
        return False
    middle = min(spaces, key=lambda place: abs(place - len(text) / 2))
    words.set_text(f"{text[:middle]}\n{text[middle + 1 :]}")
    return True


def _thin(axis: Axis) -> None:
    """Where labels of ticks touch, break them, or leave every second one out."""
    for _ in range(2):
        labels = [label for label in axis.get_ticklabels() if label.get_text() and label.get_visible()]
        labels.sort(key=lambda label: label.get_window_extent().x0)
        boxes = [label.get_window_extent() for label in labels]
        if all(left.x1 + GAP <= right.x0 for left, right in pairwise(boxes)):
            return
        if any(" " in label.get_text() for label in labels):
            ticks = [label.get_position()[0] for label in labels]
            axis.set_ticks(ticks, labels=[label.get_text().replace(" ", "\n", 1) for label in labels])
        else:
            for label in labels[1::2]:
                label.set_visible(False)
