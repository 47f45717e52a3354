"""Labels in figures stand clear of all else that is drawn, on wide pages and on phones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from figures import style
from figures.phone import fit_phone
from lab.keys.experiments import load, names
from lab.read import read

# Labels that have to cross something, and why.
MEANT = {
    ("cross_entropy", "gradient wrong"): "stands at the end of its own arrow",
    ("cross_entropy", "wedge:\ngradient wrong"): "stands at the end of its own arrow",
    ("kaiming", "typical"): "its panel is full of thin lines, one for each network",
}
BAND = 0.3  # of opacity: what has less, such as an interval, may lie under words
OVERHANG = 15  # points by which a figure may be wider than it was made, and have words large enough still
LINED = (1.5, 0.5)  # points below and above most letters of a line


def found(figure: Figure) -> list[tuple[str, str]]:
    """Return each label of a figure that is laid out with what it crosses."""
    crossings = []
    if 72 * figure.get_tightbbox().width > figure.bbox.width + OVERHANG:
        crossings.append(("some label", "the edge: the figure would be shown smaller, and its words"))
    for panel in figure.axes:
        for label in panel.texts:
            if not label.get_text() or label.get_bbox_patch() is not None:  # that has a ground of its own
                continue
            box = letters(label).padded(-0.5)
            for other in figure.axes:
                crossings += [(label.get_text(), name) for name in lines_crossed(box, other)]
                crossings += [
                    (label.get_text(), name)
                    for words, name in written(other)
                    if words is not label and box.overlaps(name_box(words))
                ]
    return crossings


def letters(words: Text) -> Bbox:
    x0, y0, x1, y1 = Text.get_window_extent(words).extents  # without the arrow of an annotation
    return Bbox.from_extents(x0, y0 + LINED[0], x1, y1 - LINED[1])


def name_box(words: Any) -> Bbox:
    box: Bbox = letters(words) if isinstance(words, Text) else words.get_window_extent()
    return box


def written(panel: Axes) -> Iterator[tuple[Any, str]]:
    for words in (*panel.texts, panel.title, *panel.get_xticklabels(), *panel.get_yticklabels()):
        if words.get_visible() and words.get_text():
            yield words, f"the words {words.get_text()!r}"
    if legend := panel.get_legend():
        yield legend, "the legend"


def lines_crossed(box: Bbox, panel: Axes) -> Iterator[str]:
    """Name the curves, marks, error bars, bars, axes and arrows of a panel that a box crosses."""
    for name, spine in panel.spines.items():
        path = spine.get_transform().transform_path(spine.get_path())
        if spine.get_visible() and path.intersects_bbox(box, filled=False):
            yield f"the {name} axis"
    for words in panel.texts:
        arrow = words.arrow_patch if isinstance(words, Annotation) else None
        if arrow and arrow.get_transform().transform_path(arrow.get_path()).intersects_bbox(box, filled=False):
            yield "an arrow"
    seen = Bbox.intersection(box, panel.bbox.padded(2))  # curves end at the frame
    if seen is None:
        return
    for line in panel.lines:
        path = line.get_transform().transform_path(line.get_path())
        if line.get_linestyle() != "None" and path.intersects_bbox(seen.padded(line.get_linewidth() / 2), filled=False):
            yield "a curve"
        if line.get_marker() not in ("None", None):
            every = line.get_markevery() or 1
            assert isinstance(every, int)
            if marks(np.asarray(path.vertices)[::every], line.get_markersize(), seen):
                yield "a mark"
    for group in panel.collections:
        if isinstance(group, LineCollection):
            paths = [group.get_transform().transform_path(Path(part)) for part in group.get_segments()]
            if any(path.intersects_bbox(seen, filled=False) for path in paths):
                yield "an error bar"
        elif isinstance(group, PathCollection):
            places = group.get_offset_transform().transform(group.get_offsets())
            if marks(places, np.sqrt(max(group.get_sizes())), seen):
                yield "a mark"
    for patch in panel.patches:
        path = patch.get_transform().transform_path(patch.get_path())
        if (patch.get_alpha() or 1) > BAND and path.intersects_bbox(seen, filled=patch.get_fill()):
            yield "a bar"


def marks(places: Any, size: float, box: Bbox) -> bool:
    x, y = np.asarray(places).T
    half = size / 2
    return bool(((x > box.x0 - half) & (x < box.x1 + half) & (y > box.y0 - half) & (y < box.y1 + half)).any())


def laid_out(figure: Figure, *, phone: bool) -> Figure:
    FigureCanvasSVG(figure)
    figure.set_dpi(72)
    if phone:
        fit_phone(figure)
    figure.draw_without_rendering()
    return figure


def drawings(name: str) -> list[Callable[[Any], Figure]]:
    """Return the functions of a chapter's figures."""
    module = import_module(f"figures.{name}")
    own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    return [value for value in own if getattr(value, "__annotations__", {}).get("return") == "Figure"]


@pytest.mark.parametrize("name", names())
def test_no_label_crosses_a_curve_a_mark_an_error_bar_an_axis_or_other_words(name: str) -> None:
    result = read(load(name))
    assert drawings(name)
    crossings = {
        f"{draw.__name__}, {'phone' if phone else 'wide'}: {label!r} crosses {what}"
        for draw in drawings(name)
        for phone in (False, True)
        for label, what in found(laid_out(draw(result), phone=phone))
        if (name, label) not in MEANT
    }
    assert crossings == set()


@pytest.fixture
def crowded() -> Figure:
    """A figure whose labels all want to stand where something else is."""
    figure, axis = style.canvas()
    axis.plot([0, 1], [0, 1])
    axis.plot([0.7], [0.2], "o", color=style.ACCENT)
    axis.errorbar([0.2], [0.7], [0.2])
    axis.bar([0.9], [0.1], 0.1)
    axis.set(xlim=(0, 1), ylim=(0, 1))
    for text, x, y in (
        ("a curve", 0.4, 0.4), ("a mark", 0.66, 0.2), ("an error bar", 0.15, 0.6), ("a bar", 0.87, 0.06),
        ("the bottom axis", 0.2, 0), ("words", 0.4, 0.9), ("the words 'words'", 0.4, 0.9),
    ):  # fmt: skip
        style.label(axis, text, x, y, xytext=(0, 0))
    return figure


def test_labels_find_room_where_they_would_cross_something(crowded: Figure) -> None:
    assert found(laid_out(crowded, phone=False)) == []


def test_what_a_label_crosses_is_found(crowded: Figure) -> None:
    """As the figure would be without the engine that makes room."""
    crowded.set_layout_engine("constrained")
    crossings = found(laid_out(crowded, phone=False))
    for name in ("a curve", "a mark", "an error bar", "a bar", "the bottom axis", "the words 'words'"):
        assert (name, name) in crossings


def test_a_label_stays_on_its_side_and_does_not_change_places_with_another() -> None:
    figure, axis = style.canvas()
    axis.set(xlim=(0, 1), ylim=(0, 1))
    axis.axhline(0.5)
    style.label(axis, "above", 0.5, 0.5, xytext=(0, 8))
    style.label(axis, "below", 0.5, 0.5, xytext=(0, -8))
    for place, height in enumerate((0.2, 0.21, 0.22)):
        style.label(axis, str(place), 0.5, height)
    laid_out(figure, phone=False)
    line = axis.transData.transform((0.5, 0.5))[1]
    above, below, *rest = (letters(label) for label in axis.texts)
    assert above.y0 > line > below.y1
    assert [box.y0 for box in rest] == sorted(box.y0 for box in rest)
    assert not any(one.overlaps(other) for one in rest for other in rest if one is not other)


def test_the_same_figure_is_laid_out_in_the_same_way_again_and_after_another_form(crowded: Figure) -> None:
    (axis,) = crowded.axes
    laid_out(crowded, phone=False)
    first = [label.get_window_extent().bounds for label in axis.texts]
    crowded.draw_without_rendering()
    assert [label.get_window_extent().bounds for label in axis.texts] == first
