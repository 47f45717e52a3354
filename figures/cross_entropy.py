"""Figures of the chapter on writing cross-entropy oneself."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.cross_entropy import TOLERANCE, Result
from experiments.cross_entropy.formulas import (
    FORMULAS,
    LARGEST_SUBTRACTED,
    LIBRARY,
    LOG_SOFTMAX_BY_HAND,
    LOG_SOFTMAX_THEN_NLL,
    SOFTMAX_THEN_LOG,
    THREE_LINES,
)
from figures.style import ACCENT, INK, MEASURED, PREDICTED, SERIES, SMALL, band, canvas, label


def mistakes(result: Result) -> Figure:
    """Gradient of a wrong class's logit as that logit grows, by three formulas: it should stay at 1."""
    figure, axis = canvas(height=2.9)
    gradients = result.mistakes.pivot(index="logit", columns="formula", values="gradient")
    limit = gradients.index.max()
    for formula, look in ((LIBRARY, SERIES[2]), (LARGEST_SUBTRACTED, SERIES[3]), (THREE_LINES, SERIES[0])):
        shown = gradients[formula]
        axis.plot(shown.index, shown, color=look.colour, linestyle=look.dash, linewidth=1.7)
        finite = shown[np.isfinite(shown)]
        if finite.index[-1] < limit:
            axis.plot(finite.index[-1], finite.iloc[-1], "X", color=look.colour, markersize=8, zorder=5)
    axis.set(
        xlabel="logit of a wrong class, with 0 for the right one",
        ylabel="gradient of the loss with\nrespect to that logit",
    )
    axis.set(xlim=(0, 1.02 * limit), ylim=(-0.1, 1.22), yticks=[0, 0.5, 1])
    end = result.overflow
    label(axis, "library", limit, 1, SERIES[2].colour, ha="right", va="bottom", xytext=(0, 4))
    label(axis, LARGEST_SUBTRACTED, end, 1, SERIES[3].colour, ha="right", va="bottom", xytext=(-6, 4))
    label(axis, "three lines", 0.99 * result.zero_gradient, 0.45, SERIES[0].colour, ha="right", xytext=(-4, 0))
    label(axis, "NaN from here on", end, 0.12, SERIES[0].colour, ha="left", xytext=(-4, 6))
    return figure


def failures(result: Result) -> Figure:
    """Map two logits: where each formula's gradient is wrong, and where its value is; dashed where theory says."""
    figure, axes = canvas(height=5.6, rows=2, columns=2, sharex=True, sharey=True)
    line = np.unique(result.error_map["target"])
    limit = result.limits[result.limits["precision"] == "float32"]
    for axis, formula in zip(axes.flat, FORMULAS, strict=True):
        state = result.error_map[formula].to_numpy().reshape(len(line), len(line)).T  # [other, target]
        for wrong, colour, hatch, alpha in (
            (state > 0, PREDICTED, "\\\\", 0.25),
            (state > 1, MEASURED, "//", 0.3),
        ):
            if wrong.any():
                _shade(axis, line, wrong, colour, hatch, alpha)
        _boundaries(axis, formula, limit["logit"].item(), limit["gap"].item(), reach=line[-1])
        axis.set_title(formula)
        axis.set(xlim=(line[0], line[-1]), ylim=(line[0], line[-1]), aspect="equal")
        axis.set(xticks=[-100, 0, 100], yticks=[-100, 0, 100])
    by_hand, subtracted, softmax, library = axes.flat
    for axis in axes.flat:
        label(axis, "right" if axis is not library else "right everywhere", 30, 0, INK, ha="center", xytext=(0, 0))
    _on_white(by_hand, "value wrong", 0, 120, MEASURED)
    pointed = [(by_hand, "wedge:\ngradient wrong", (-20, 60), (-74, -85))]
    for axis in (subtracted, softmax):
        _on_white(axis, "value wrong", -90, 105, MEASURED)
        pointed.append((axis, "gradient wrong", (-20, 76), (25, 50)))
    for axis, text, edge, place in pointed:
        arrow = {"arrowstyle": "-"} | _THIN
        axis.annotate(text, edge, place, color=PREDICTED, fontsize=SMALL, arrowprops=arrow)
    for axis in axes[-1]:
        axis.set_xlabel("logit of the target class")
    for axis in axes[:, 0]:
        axis.set_ylabel("logit of another class")
    return figure


def shifts(result: Result) -> Figure:
    """Largest change of a probability against the number added to all logits, in two precisions, with theory."""
    figure, axis = canvas(height=3.6)
    for look, name in zip(SERIES, ("float32", "float64"), strict=False):
        rows = result.shifts[result.shifts["precision"] == name]
        axis.plot(rows["shift"], rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash, linewidth=1.1)
        axis.plot(rows["shift"], rows["change"], look.marker, color=MEASURED)
        named = rows.iloc[len(rows) // 3]
        label(axis, name, named["shift"], named["change"] / 25, MEASURED, ha="center", xytext=(12, 0))
    axis.axhline(TOLERANCE, color=ACCENT, linewidth=0.9)
    label(axis, f"{100 * TOLERANCE:g} %", result.shifts["shift"].min(), TOLERANCE * 4, ACCENT, xytext=(0, 0))
    rows = result.shifts[result.shifts["precision"] == "float32"]
    named = rows.iloc[2 * len(rows) // 3]
    label(axis, "theory: one unit in\nthe last place", named["shift"], named["predicted"] * 30, PREDICTED, ha="right")
    axis.set(xscale="log", yscale="log", xlabel="number added to all logits", ylim=(1e-16, 1e5))
    axis.set_ylabel("largest relative change\nof a probability")
    return figure


def costs(result: Result) -> Figure:
    """Time taken, as a multiple of the library's, against the size of the vocabulary."""
    figure, axis = canvas(height=3.0)
    smallest, largest = min(result.params.vocabularies), max(result.params.vocabularies)
    ends = 0.75 * smallest, 1.5 * largest  # of the axis; the names stand beyond
    top = 1.25 * result.costs["time"].max()  # intervals may reach far beyond
    shown = ((THREE_LINES, SERIES[0]), (LOG_SOFTMAX_BY_HAND, SERIES[1]), (LOG_SOFTMAX_THEN_NLL, SERIES[2]))
    for name, look in shown:
        rows = result.costs[result.costs["formula"] == name]
        axis.plot(rows["vocabulary"], rows["time"], look.marker, color=look.colour, linestyle=look.dash, linewidth=1.1)
        band(axis, rows["vocabulary"], rows["time_low"], rows["time_high"], look.colour)
        last = rows.iloc[-1]
        apart = {THREE_LINES: 8, LOG_SOFTMAX_BY_HAND: -8}.get(name, 0)
        label(
            axis, name.replace(", then ", ",\nthen "), last["vocabulary"], last["time"], look.colour, xytext=(8, apart)
        )
    axis.plot(ends, [1, 1], color=INK, linewidth=0.9)
    axis.set(xscale="log", xlabel="vocabulary (classes)", xlim=(ends[0], 30 * largest), ylim=(0, top))
    axis.set_xticks([10**power for power in range(2, int(np.log10(largest)) + 1)])
    axis.minorticks_off()  # they would go on below the labels
    axis.spines["bottom"].set_bounds(*ends)
    label(axis, "library", smallest, 1, INK, xytext=(0, -8))
    axis.set_ylabel("time, over the library's")
    return figure


_PLATE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
_THIN = {"color": PREDICTED, "linewidth": 0.8}


def _shade(axis: Axes, line: np.ndarray, wrong: np.ndarray, colour: str, hatch: str, alpha: float) -> None:
    """Fill where `wrong` [other, target] is true, with hatching for readers who cannot tell the colours."""
    mask = wrong.astype(float)
    axis.contourf(line, line, mask, levels=[0.5, 1.5], colors=[colour], alpha=alpha)
    hatching = axis.contourf(line, line, mask, levels=[0.5, 1.5], colors="none", hatches=[hatch])
    hatching.set_edgecolor(colour)
    hatching.set_linewidth(0)


def _boundaries(axis: Axes, formula: str, logit: float, gap: float, *, reach: float) -> None:
    """Draw where theory says that numbers run out: e^z above e^logit, p or p / sum below e^-gap, 1 / p above e^logit."""
    style: dict[str, Any] = {"color": INK, "linestyle": SERIES[1].dash, "linewidth": 0.9}
    if formula == LIBRARY:
        return
    if formula == THREE_LINES:
        axis.plot([-gap, -gap, logit - gap, logit, logit], [-reach, 0, logit, logit, -reach], **style)
        axis.plot([-logit, -logit, 2 * logit - gap], [-reach, (gap - logit) / 2, logit], **style)
        return
    for beyond in (gap, logit):
        axis.plot([-reach, reach - beyond], [beyond - reach, reach], **style)
    if formula == SOFTMAX_THEN_LOG:
        axis.plot([gap - reach, reach], [-reach, reach - gap], **style)


def _on_white(axis: Axes, text: str, x: float, y: float, colour: str) -> None:
    axis.text(x, y, text, color=colour, ha="center", va="center", fontsize=SMALL, bbox=_PLATE)
