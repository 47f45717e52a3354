"""Figures of the chapter on the easy gains of a bad start."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.hockey_stick import UNIFORM, Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, PREDICTED, SERIES, band, canvas, label

DOTTED = (0, (1, 2))
NAMED = (1, 10, 100, 1000, 8000)  # steps that are written beside the bad run's path


def loss(result: Result) -> Figure:
    """Loss against step: the whole fall on plain axes, and its end on logarithmic ones."""
    figure, (left, right) = canvas(height=3.7, columns=2)
    bad, fixed = (_rows(result, start) for start in ("bad", "fixed"))
    last = int(bad["step"].max())
    _curve(left, bad, SERIES[0].marker, MEASURED)
    _curve(left, fixed, SERIES[2].marker, ACCENT, SERIES[2].dash)
    left.axhline(UNIFORM, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    left.set(xlabel="step", ylabel="loss on the training set (nats)", ylim=(0, 28), xlim=(-0.03 * last, last))
    label(left, "bad start", 500, float(bad["loss"].iloc[2]), MEASURED, xytext=(0, 0))
    label(left, "ln 27", last, UNIFORM, INK, ha="right", va="bottom", xytext=(0, 2))
    label(left, "fixed start", last, float(fixed["loss"].iloc[-1]), ACCENT, ha="right", va="top", xytext=(0, -4))

    for rows, marker, colour, dash in (
        (bad, SERIES[0].marker, MEASURED, "-"),
        (fixed, SERIES[2].marker, ACCENT, SERIES[2].dash),
    ):
        _curve(right, rows[rows["step"] > 0], marker, colour, dash)
    right.axhline(UNIFORM, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    end = float(bad["loss"].iloc[-1])
    reached = last - result.behind.mean
    right.annotate(
        "", (reached, end), (last, end), arrowprops={"arrowstyle": "->", "color": INK, "linewidth": 0.9}, zorder=1
    )
    behind = f"{result.behind.mean:,.0f} steps\nbehind"
    label(right, behind, 0.1 * last, end, INK, ha="center", va="bottom", xytext=(2, 2))
    label(right, "ln 27", 1, UNIFORM, INK, va="bottom", xytext=(0, 2))
    right.set(xlabel="step", xscale="log", ylim=(2.2, 4.0), xlim=(0.8, 1.25 * last))
    return figure


def plane(result: Result) -> Figure:
    """Loss against spread of the logits: the way of pure shrinking, and the ways that training takes."""
    figure, axis = canvas(height=4.4)
    path = result.path
    axis.plot(path["spread"], path["loss"], color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    bad, fixed = (_rows(result, start) for start in ("bad", "fixed"))
    axis.plot(bad["spread"], bad["loss"], marker=SERIES[0].marker, color=MEASURED)
    axis.plot(fixed["spread"], fixed["loss"], marker=SERIES[2].marker, color=ACCENT, linestyle=SERIES[2].dash)
    axis.axhline(UNIFORM, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    for step, rows in bad[bad["step"].isin(NAMED)].groupby("step"):
        text = f"{step:,}" + (" step" if step == 1 else "")
        beside = (7, -3) if step != NAMED[-1] else (-2, -10)
        label(axis, text, rows["spread"].iloc[0], rows["loss"].iloc[0], MEASURED, xytext=beside)
    label(axis, "pure shrinking", 2.2, 6.4, PREDICTED, ha="right", xytext=(0, 0))
    label(axis, "bad start", bad["spread"].iloc[0], bad["loss"].iloc[0], MEASURED, ha="right", xytext=(-8, 5))
    label(axis, "fixed start", fixed["spread"].iloc[0], fixed["loss"].iloc[0], ACCENT, va="top", xytext=(-8, -8))
    label(axis, "ln 27", 0.06, UNIFORM, INK, va="bottom", xytext=(0, 3))
    axis.set(xlabel="spread of the logits", ylabel="loss on the training set (nats)", xscale="log", yscale="log")
    axis.set(xlim=(0.055, 24), ylim=(2.1, 34), yticks=[2.5, 3, 5, 10, 20, 30])
    axis.set_yticklabels(["2.5", "3", "5", "10", "20", "30"])
    axis.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
    axis.tick_params(axis="y", which="minor", labelleft=False)
    return figure


def parts(result: Result) -> Figure:
    """The bad run's loss against step, beside what its first logits cost when shrunk, and when forgotten, alike."""
    figure, axis = canvas(height=3.8)
    rows = _rows(result, "bad")
    rows = rows[rows["step"] > 0]
    for column, look, colour, name, at, placement in (
        ("shrunk", SERIES[1], PREDICTED, "first logits, shrunk\nto the same spread", 7, {"xytext": (2, 17)}),
        ("forgotten", SERIES[3], CONTROL, "what is left of\nthe first logits", 5, {"xytext": (6, 17)}),
        ("loss", SERIES[0], MEASURED, "the bad run", 4, {"ha": "right", "xytext": (-6, -8)}),
    ):
        axis.plot(rows["step"], rows[column], marker=look.marker, color=colour, linestyle=look.dash)
        band(axis, rows["step"], rows[f"{column}_low"], rows[f"{column}_high"], colour)
        place = rows.iloc[min(at, len(rows) - 1)]
        label(axis, name, place["step"], place[column], colour, **placement)
    axis.axhline(UNIFORM, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    label(axis, "ln 27", 1, UNIFORM, INK, va="bottom", xytext=(0, 2))
    axis.set(xlabel="step", ylabel="loss (nats)", xscale="log", yscale="log", ylim=(2.2, 32))
    axis.set(yticks=[3, 5, 10, 20, 30], yticklabels=["3", "5", "10", "20", "30"])
    axis.tick_params(axis="y", which="minor", labelleft=False)
    return figure


def _rows(result: Result, start: str) -> pd.DataFrame:
    return result.curves[result.curves["start"] == start]


def _curve(
    axis: Axes, rows: pd.DataFrame, marker: str, colour: str, dash: str | tuple[int, tuple[float, ...]] = "-"
) -> None:
    """Draw a run's loss with its interval."""
    axis.plot(rows["step"], rows["loss"], marker=marker, color=colour, linestyle=dash, markersize=3.6)
    band(axis, rows["step"], rows["loss_low"], rows["loss_high"], colour)
