"""Figures of the chapter on momentum as an average."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from experiments.momentum_ema import DAMPENED, SAME, SCALED, ZEROED, Params, Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, MUTED, PREDICTED, SERIES, band, canvas, label

SHOWN = (0.8, 0.9, 0.95)  # betas whose weights are drawn
_BY_RATE = (MEASURED, ACCENT, "#8a6d00")  # standing still, slow, fast
FARTHEST = 45  # age at which the drawing of the weights ends


def weights(result: Result) -> Figure:
    """Weight of each gradient against its age, for three betas: dots fed through the update, lines by formula."""
    figure, axes = canvas(height=2.9, columns=len(SHOWN), sharey=True)
    for beta, axis in zip(SHOWN, axes, strict=True):
        rows = result.weights.query("beta == @beta and age <= @FARTHEST")
        found = result.windows.set_index("beta").loc[beta]
        young = rows["age"] < found["window"]
        axis.bar(rows["age"][young], rows["weight"][young], width=1, color=ACCENT, alpha=0.22, linewidth=0)
        axis.plot(rows["age"], rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash, linewidth=1.1)
        axis.plot(rows["age"], rows["weight"], "o", color=MEASURED, markersize=2.6)
        name = f"the last {found['window']:.0f}: {100 * found['carried']:.0f} %"
        label(axis, name, FARTHEST, 0.135, ACCENT, ha="right", xytext=(0, 0), fontsize=9)
        label(
            axis,
            f"the older: {100 * (1 - found['carried']):.0f} %",
            FARTHEST,
            0.12,
            ha="right",
            xytext=(0, 0),
            fontsize=9,
        )
        axis.set(title=f"β = {beta:g}", xlabel="age (steps)", xlim=(-1, FARTHEST), ylim=(0, 0.21))
    axes[0].set(ylabel="weight in the average")
    return figure


def distances(result: Result) -> Figure:
    """Squared distance of the average from the whole gradient against 1 / (1 - beta), one curve a learning rate."""
    figure, axis = canvas(height=4.2)
    axis.set(xscale="log", yscale="log", xlim=(0.85, 1500), ylim=(0.0045, 1.3))
    for rate, look, colour in zip(sorted(set(result.distances["rate"])), SERIES, _BY_RATE, strict=False):
        rows = result.distances[result.distances["rate"] == rate]
        window = 1 / (1 - rows["beta"])
        if rate == 0:
            axis.plot(window, rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash, linewidth=1.1, zorder=4)
        axis.plot(window, rows["distance"], look.marker + "-", color=colour, linewidth=0.8)
        band(axis, window, rows["distance_low"], rows["distance_high"], colour)
        zero = result.overdone[result.overdone["rate"] == rate]["zero"].item()
        axis.plot([620, 1500], [zero, zero], color=colour, linewidth=2.4, solid_capstyle="butt")
        name, above = ("standing still", 0) if rate == 0 else (f"rate {rate:g}", 8)
        label(axis, name, 500, rows["distance"].iloc[-1], colour, xytext=(5, above))
    label(axis, "bars: how far 0 is", 1500, 0.34, INK, ha="right", xytext=(0, 0))
    label(axis, "theory, standing still", 26, 0.0155, PREDICTED, ha="right", xytext=(0, 0))
    axis.set(
        xlabel="1/(1 − β) (steps)", ylabel="squared distance from the whole gradient,\nas a multiple of one batch's"
    )
    return figure


def beginnings(result: Result) -> Figure:
    """Sum of the weights and number of values averaged against step, for three ways to begin."""
    figure, (left, right) = canvas(height=3.3, columns=2)
    rows, beta = result.starts, Params.beta
    step = rows["step"]
    left.plot(step, 1 - beta**step, color=PREDICTED, linestyle=SERIES[1].dash, linewidth=1.1)
    left.plot(step, rows["sum_notes"], "o", color=MEASURED, markersize=3, markevery=2)
    left.plot(step, rows["sum_dampened"], color=CONTROL, linestyle=SERIES[2].dash)
    label(left, "begun at 0 (the notes)", 12, 0.62, MEASURED)
    label(left, "begun at the first gradient, or corrected", 60, 1.05, CONTROL, ha="right", xytext=(0, 0))
    left.set(xlabel="step", ylabel="sum of the weights", ylim=(0, 1.12))
    full = (1 + beta) / (1 - beta)
    right.axhline(full, color=MUTED, linewidth=0.9)
    noise = beta ** (2 * (step - 1)) + (1 - beta ** (2 * (step - 1))) / full
    for theory in (full * (1 - beta**step) / (1 + beta**step), 1 / noise):
        right.plot(step, theory, color=PREDICTED, linestyle=SERIES[1].dash, linewidth=1)
    right.plot(step, rows["values_corrected"], "o", color=MEASURED, markersize=3, markevery=2)
    right.plot(step, rows["values_dampened"], "^", color=CONTROL, markersize=3.4, markevery=2)
    label(right, "corrected", 1, 14.5, MEASURED, xytext=(0, 0))
    label(right, "begun at the\nfirst gradient", 18, 7.5, CONTROL)
    label(right, "(1 + β)/(1 − β)", 60, full + 0.9, INK, ha="right", xytext=(0, 0))
    right.set(xlabel="step", ylabel="values that a plain mean would need", ylim=(0, 21.5))
    return figure


def paths(result: Result) -> Figure:
    """Distance of PyTorch's path from the notes' against step, on a logarithmic axis, for four settings."""
    figure, axis = canvas(height=4.0)
    drawn = (
        (SAME, CONTROL, SERIES[2]),
        (DAMPENED, MEASURED, SERIES[0]),
        (SCALED, ACCENT, SERIES[1]),
        (ZEROED, INK, SERIES[4]),
    )
    for name, colour, look in drawn:
        rows = result.path[result.path["optimiser"] == name]
        shown = "--" if name == ZEROED else "-"
        axis.plot(rows["step"], rows["apart"], color=colour, linestyle=shown)
        axis.plot(rows["step"], rows["apart"], look.marker, color=colour, markevery=10)
        if name in (SAME, DAMPENED):  # the others differ by rounding alone, which is no matter of chance
            band(axis, rows["step"], rows["apart_low"], rows["apart_high"], colour)
    step = np.arange(1, Params.walk + 1)
    axis.plot(
        step, Params.beta * (1 - Params.beta**step) / (1 - Params.beta), color=PREDICTED, linestyle=SERIES[1].dash
    )
    label(axis, "the same rate α", 72, 9e2, CONTROL)
    label(axis, "rate α, dampening = β", 30, 2e-1, MEASURED)
    label(axis, "dashed: theory, were the gradient constant", 30, 5e-3, PREDICTED)
    label(axis, "rate (1 − β)α; or rate α, dampening = β and a buffer of zeros", 12, 1e-13, ACCENT)
    axis.set(yscale="log", ylim=(1e-17, 1e4), xlabel="step")
    axis.set_ylabel("distance from the notes' path,\nin lengths of the first plain step")
    return figure
