"""Figures of the chapter on the easy gains of a bad initialisation."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.hockey_stick import UNIFORM, VOCABULARY, Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, PREDICTED, SERIES, band, canvas, label, log_ticks

DOTTED = (0, (1, 2))
LN = f"ln {VOCABULARY}"


def loss(result: Result) -> Figure:
    """Loss against step: the whole fall on plain axes; its end with steps on a logarithmic one, and the steps behind."""
    figure, (left, right) = canvas(height=3.7, columns=2)
    bad, fixed = (_rows(result, init) for init in ("bad", "fixed"))
    last = int(bad["step"].max())
    _curve(left, bad, SERIES[0].marker, MEASURED)
    _curve(left, fixed, SERIES[2].marker, ACCENT, SERIES[2].dash)
    left.axhline(UNIFORM, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    left.set(xlabel="step", ylabel="loss on the training set (nats)", xlim=(-0.03 * last, last))
    left.set(ylim=(0, 1.07 * bad["loss"].max()))
    label(left, "bad initialisation", last / 16, 0.85 * float(bad["loss"].iloc[0]), MEASURED, xytext=(0, 0))
    label(left, LN, last, UNIFORM, INK, ha="right", va="bottom", xytext=(0, 2))
    label(
        left, "fixed initialisation", last, float(fixed["loss"].iloc[-1]), ACCENT, ha="right", va="top", xytext=(0, -4)
    )

    for rows, marker, colour, dash in (
        (bad, SERIES[0].marker, MEASURED, "-"),
        (fixed, SERIES[2].marker, ACCENT, SERIES[2].dash),
    ):
        _curve(right, rows[rows["step"] > 0], marker, colour, dash)
    right.axhline(UNIFORM, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    end, lowest = float(bad["loss"].iloc[-1]), float(fixed["loss"].min())
    reached = last - result.steps_behind.mean
    right.annotate(
        "", (reached, end), (last, end), arrowprops={"arrowstyle": "->", "color": INK, "linewidth": 0.9}, zorder=1
    )
    behind = f"{result.steps_behind.mean:,.0f} steps\nbehind"
    label(right, behind, 0.1 * last, end, INK, ha="center", va="bottom", xytext=(2, 2))
    label(right, LN, 1, UNIFORM, INK, va="bottom", xytext=(0, 2))
    right.set(xlabel="step", xscale="log", ylim=(lowest - 0.05, UNIFORM + 0.7), xlim=(0.8, 1.25 * last))
    return figure


def plane(result: Result) -> Figure:
    """Loss against standard deviation of the logits: pure shrinking, and the paths that training takes."""
    figure, axis = canvas(height=4.4)
    uninformed = result.uninformed
    axis.plot(uninformed["std"], uninformed["loss"], color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    bad, fixed = (_rows(result, init) for init in ("bad", "fixed"))
    axis.plot(bad["std"], bad["loss"], marker=SERIES[0].marker, color=MEASURED)
    axis.plot(fixed["std"], fixed["loss"], marker=SERIES[2].marker, color=ACCENT, linestyle=SERIES[2].dash)
    axis.axhline(UNIFORM, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    for place, row in enumerate(_named(bad)):
        text = f"{row['step']:,}" + (" step" if row["step"] == 1 else " steps" if place == 0 else "")
        beside = (7, -3) if row["step"] != bad["step"].iloc[-1] else (-2, -10)
        label(axis, text, row["std"], row["loss"], MEASURED, xytext=beside)
    shrinking = uninformed.iloc[(uninformed["std"] > 2.2).argmax()]
    label(
        axis, "pure shrinking", shrinking["std"], shrinking["loss"], PREDICTED, ha="right", va="bottom", xytext=(-4, 6)
    )
    label(axis, "bad initialisation", bad["std"].iloc[0], bad["loss"].iloc[0], MEASURED, ha="right", xytext=(-8, 5))
    label(axis, "fixed initialisation", fixed["std"].iloc[0], fixed["loss"].iloc[0], ACCENT, va="top", xytext=(-8, -8))
    left = float(uninformed["std"].min())
    label(axis, LN, 1.1 * left, UNIFORM, INK, va="bottom", xytext=(0, 3))
    axis.set(xlabel="standard deviation of the logits", ylabel="loss on the training set (nats)")
    axis.set(xscale="log", yscale="log", xlim=(left, 1.2 * float(uninformed["std"].max())))
    axis.set(ylim=(0.9 * float(fixed["loss"].min()), 1.2 * float(bad["loss"].max())))
    log_ticks(axis.xaxis)
    log_ticks(axis.yaxis, (1, 2, 3, 5))
    return figure


def parts(result: Result) -> Figure:
    """The bad run's loss against step, beside what its first logits cost when shrunk, and when forgotten, alike."""
    figure, axis = canvas(height=3.8)
    rows = _rows(result, "bad")
    rows = rows[rows["step"] > 0]
    for column, look, colour, name, at, placement in (
        (
            "shrunk",
            SERIES[1],
            PREDICTED,
            "first logits, shrunk to the\nsame standard deviation",
            7,
            {"xytext": (2, 17)},
        ),
        ("forgotten", SERIES[3], CONTROL, "what remains of\nthe first logits", 5, {"xytext": (6, 17)}),
        ("loss", SERIES[0], MEASURED, "the bad run", 4, {"ha": "right", "xytext": (-6, -8)}),
    ):
        axis.plot(rows["step"], rows[column], marker=look.marker, color=colour, linestyle=look.dash)
        band(axis, rows["step"], rows[f"{column}_low"], rows[f"{column}_high"], colour)
        place = rows.iloc[min(at, len(rows) - 1)]
        label(axis, name, place["step"], place[column], colour, **placement)
    axis.axhline(UNIFORM, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    label(axis, LN, rows["step"].iloc[0], UNIFORM, INK, va="bottom", xytext=(0, 2))
    axis.set(xlabel="step", ylabel="loss (nats)", xscale="log", yscale="log")
    axis.set(ylim=(0.9 * float(rows["loss"].min()), 1.3 * float(rows["shrunk"].max())))
    log_ticks(axis.yaxis, (1, 2, 3, 5))
    return figure


def _named(rows: pd.DataFrame) -> list[pd.Series]:
    """Return the evaluations that are named in the plane: the last one, and the first in each decade of steps."""
    steps = rows["step"]
    decades = [steps[steps >= 10**power].index[0] for power in range(6) if (steps >= 10**power).any()]
    return [rows.loc[index] for index in dict.fromkeys([*decades, steps.index[-1]])]


def _rows(result: Result, init: str) -> pd.DataFrame:
    return result.curves[result.curves["init"] == init]


def _curve(
    axis: Axes, rows: pd.DataFrame, marker: str, colour: str, dash: str | tuple[int, tuple[float, ...]] = "-"
) -> None:
    """Draw a run's loss with its interval."""
    axis.plot(rows["step"], rows["loss"], marker=marker, color=colour, linestyle=dash, markersize=3.6)
    band(axis, rows["step"], rows["loss_low"], rows["loss_high"], colour)
