"""Figures of the chapter on the easy gains of a bad initialisation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.hockey_stick import MAINLY, ONLY, UNIFORM, VOCABULARY, Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, PREDICTED, SERIES, band, canvas, label, log_ticks
from lab.live import Axis, Curve, Live, along

DOTTED = (0, (1, 2))
LN = f"ln {VOCABULARY}"


def loss(result: Result) -> Figure:
    """Loss against step on plain axes: the bad run, its first logits only shrunk, and the fixed run."""
    figure, axis = canvas(height=2.9)
    bad, fixed = (_rows(result, init) for init in ("bad", "fixed"))
    last = min(1.6 * result.crossing_step.mean, float(bad["step"].max()))
    bad, fixed = (rows[rows["step"] <= last] for rows in (bad, fixed))
    last = float(bad["step"].max())
    axis.plot(bad["step"], bad["shrunk"], color=PREDICTED, linestyle=SERIES[1].dash)
    band(axis, bad["step"], bad["shrunk_low"], bad["shrunk_high"], PREDICTED)
    _curve(axis, bad, SERIES[0].marker, MEASURED)
    _curve(axis, fixed, SERIES[2].marker, ACCENT, SERIES[2].dash)
    axis.axhline(UNIFORM, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    for text, rows, column, at, colour, placement in (
        ("if the first logits had only shrunk", bad, "shrunk", 0.35, PREDICTED, {"va": "bottom", "xytext": (0, 4)}),
        ("bad initialisation", bad, "loss", 0.16, MEASURED, {"va": "bottom", "xytext": (6, 4)}),
        ("fixed initialisation", fixed, "loss", 0.35, ACCENT, {"va": "top", "xytext": (0, -2)}),
    ):
        label(axis, text, at * last, float(np.interp(at * last, rows["step"], rows[column])), colour, **placement)
    label(axis, LN, last, UNIFORM, INK, ha="right", va="bottom", xytext=(0, 2))
    axis.set(xlabel="step", ylabel="loss (nats)", xlim=(-0.02 * last, 1.02 * last))
    axis.set(ylim=(-0.08 * bad["loss"].max(), 1.05 * bad["loss"].max()))  # room for the lowest name
    return figure


def live(result: Result) -> Live:
    """Loss against step: what the run has lost by the step at which one reads it, and what shrinking alone would give."""
    bad, fixed = (_rows(result, init) for init in ("bad", "fixed"))
    bad, fixed = (rows[rows["step"] > 0] for rows in (bad, fixed))
    rows = bad.merge(fixed[["step", "loss"]], on="step", suffixes=("", "_fixed")).merge(result.shares, on="step")
    return along(
        "Move the step",
        Axis("step", log=True),
        Axis("loss (nats)", low=0),
        rows,
        "step",
        lambda row: (
            f"Step {row['step']:,}: the loss is {row['loss']:.2f} nats, and with the fixed initialisation "
            f"{row['loss_fixed']:.2f}. If the first logits had only shrunk, it would be {row['shrunk']:.1f}: shrinking gives "
            f"{100 * row['shrinking']:.0f} % of the fall so far."
        ),
        [
            Curve.of("only shrunk", bad, "step", "shrunk", meaning="predicted"),
            Curve.of("bad", bad, "step", "loss"),
            Curve.of("fixed", fixed, "step", "loss", meaning="accent"),
        ],
    )


def shares(result: Result) -> Figure:
    """Share of the fall so far that shrinking gives, and that forgetting gives, against step, up to ln 27."""
    figure, axis = canvas(height=3.2)
    ends = {"half of the fall": result.half_step, "corner": result.corner_step, LN: result.crossing_step}
    rows = result.shares
    rows = rows[rows["step"] <= 1.2 * result.crossing_step.mean]
    for column, look, colour, name, at, placement in (
        ("forgetting", SERIES[3], CONTROL, "forgetting", 4, {"va": "top", "xytext": (8, -4)}),
        ("shrinking", SERIES[1], PREDICTED, "shrinking", 4, {"va": "top", "xytext": (4, -9)}),
    ):
        axis.plot(rows["step"], 100 * rows[column], marker=look.marker, color=colour, linestyle=look.dash)
        band(axis, rows["step"], 100 * rows[f"{column}_low"], 100 * rows[f"{column}_high"], colour)
        place = rows.iloc[min(at, len(rows) - 1)]
        label(axis, name, place["step"], 100 * place[column], colour, **placement)
    for share, name in ((ONLY, "“only”"), (MAINLY, "“mostly”")):
        axis.axhline(100 * share, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
        label(axis, name, rows["step"].iloc[min(1, len(rows) - 1)], 100 * share, INK, va="bottom", xytext=(4, 1))
    for name, step in ends.items():
        axis.axvline(step.mean, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
        label(axis, name, step.mean, 4, INK, ha="right", xytext=(-4, 0))
    axis.set(xlabel="step", ylabel="share of the fall so far (%)", xscale="log", ylim=(0, 110))
    log_ticks(axis.xaxis)
    return figure


def behind(result: Result) -> Figure:
    """Loss against step on a logarithmic axis: both runs, and the arrow back to where the fixed run had the same loss."""
    figure, axis = canvas(height=3.2)
    bad, fixed = (_rows(result, init) for init in ("bad", "fixed"))
    last = int(bad["step"].max())
    for rows, look, colour in ((bad, SERIES[0], MEASURED), (fixed, SERIES[2], ACCENT)):
        _curve(axis, rows[rows["step"] > 0], look.marker, colour, look.dash)
    axis.axhline(UNIFORM, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    end, lowest = float(bad["loss"].iloc[-1]), float(fixed["loss"].min())
    reached = last - result.steps_behind.mean
    arrow = {"arrowstyle": "->", "color": INK, "linewidth": 0.9}
    axis.annotate("", (reached, end), (last, end), arrowprops=arrow, zorder=1)
    label(axis, f"{result.steps_behind.mean:,.0f} steps behind", 0.12 * last, end, INK, ha="center", va="bottom")
    label(axis, LN, 1, UNIFORM, INK, va="bottom", xytext=(0, 2))
    top = UNIFORM + 0.9
    seen = bad[bad["loss"] < top]
    place = seen.iloc[0] if len(seen) else bad.iloc[-1]
    label(axis, "bad initialisation", place["step"], min(place["loss"], top), MEASURED, ha="right", xytext=(-8, 0))
    near = fixed.iloc[min(4, len(fixed) - 1)]
    label(axis, "fixed initialisation", near["step"], near["loss"], ACCENT, va="bottom", xytext=(4, 6))
    axis.set(xlabel="step", ylabel="loss (nats)", xscale="log", ylim=(lowest - 0.05, top), xlim=(0.8, 1.25 * last))
    log_ticks(axis.xaxis)
    return figure


def plane(result: Result) -> Figure:
    """Loss against standard deviation of the logits: pure shrinking, and the paths that training takes."""
    figure, axis = canvas(height=3.9)
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
