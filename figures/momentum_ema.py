"""Figures of the chapter on momentum as an average."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.momentum_ema import DAMPENED, SAME_LR, SCALED_LR, ZERO_BUFFER, Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, MUTED, PREDICTED, SERIES, band, canvas, label

_BY_LR = (MEASURED, ACCENT, "#8a6d00")  # standing still, slow, fast


def ema_weights(result: Result) -> Figure:
    """Weight of each gradient against its age, for beta and its neighbours: dots from the update, lines by formula."""
    windows = result.windows[result.windows["beta"] > 0].set_index("beta")
    place = list(windows.index).index(result.params.beta)
    shown = windows.iloc[max(place - 1, 0) : place + 2]
    oldest = int(min(2.25 * shown["window"].max(), result.ema_weights["age"].max()))
    top = 1.05 * (1 - shown.index.min())
    figure, axes = canvas(height=2.9, columns=len(shown), sharey=True, squeeze=False)
    for (beta, found), axis in zip(shown.iterrows(), axes[0], strict=True):
        rows = result.ema_weights.query("beta == @beta and age <= @oldest")
        young = rows["age"] < found["window"]
        axis.bar(rows["age"][young], rows["weight"][young], width=1, color=ACCENT, alpha=0.22, linewidth=0)
        axis.plot(rows["age"], rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash, linewidth=1.1)
        axis.plot(rows["age"], rows["weight"], "o", color=MEASURED, markersize=2.6)
        words: dict[str, Any] = {"ha": "right", "xytext": (0, 0), "fontsize": 9}
        last = f"the last {found['window']:.0f}: {100 * found['window_weight']:.0f} %"
        label(axis, last, oldest, 0.64 * top, ACCENT, **words)
        label(axis, f"the older: {100 * (1 - found['window_weight']):.0f} %", oldest, 0.57 * top, **words)
        axis.set(title=f"β = {beta:g}", xlabel="age (steps)", xlim=(-1, oldest), ylim=(0, top))
    axes[0, 0].set(ylabel="weight in the average")
    return figure


def distances(result: Result) -> Figure:
    """Squared distance of the average from the full gradient against 1 / (1 - beta), one curve a learning rate."""
    figure, axis = canvas(height=4.2)
    longest = 1 / (1 - result.distances["beta"].max())
    axis.set(xscale="log", yscale="log", xlim=(0.85, 3 * longest))
    for lr, look, colour in zip(sorted(set(result.distances["lr"])), SERIES, _BY_LR, strict=False):
        rows = result.distances[result.distances["lr"] == lr]
        window = 1 / (1 - rows["beta"])
        if lr == 0:
            axis.plot(window, rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash, linewidth=1.1, zorder=4)
            middle = rows["predicted"].iloc[len(rows) // 2]
            theory = 0.6 * window.iloc[len(rows) // 2], 0.9 * middle
            label(axis, "theory, standing still", *theory, PREDICTED, ha="right", xytext=(0, 0))
        axis.plot(window, rows["distance"], look.marker + "-", color=colour, linewidth=0.8)
        band(axis, window, rows["distance_low"], rows["distance_high"], colour)
        zero = result.closest[result.closest["lr"] == lr]["zero_distance"].item()
        axis.plot([1.24 * longest, 3 * longest], [zero, zero], color=colour, linewidth=2.4, solid_capstyle="butt")
        name, above = ("standing still", 0) if lr == 0 else (f"learning\nrate {lr:g}", 12)
        label(axis, name, longest, rows["distance"].iloc[-1], colour, xytext=(5, above))
    label(axis, "bars: how far 0 is", 3 * longest, 0.34, INK, ha="right", xytext=(0, 0))
    axis.set(
        xlabel="1/(1 − β) (steps)", ylabel="squared distance from the full gradient,\nas a multiple of one batch's"
    )
    return figure


def first_steps(result: Result) -> Figure:
    """Sum of the weights and effective sample size against step, for three ways to start."""
    figure, (left, right) = canvas(height=3.3, columns=2)
    rows, beta = result.first_steps, result.params.beta
    step, last = rows["step"], rows["step"].iloc[-1]
    window = 1 / (1 - beta)
    left.plot(step, 1 - beta**step, color=PREDICTED, linestyle=SERIES[1].dash, linewidth=1.1)
    left.plot(step, rows["sum_notes"], "o", color=MEASURED, markersize=3, markevery=2)
    left.plot(step, rows["sum_dampened"], color=CONTROL, linestyle=SERIES[2].dash)
    label(left, "started at 0 (the notes)", window, 1 - np.exp(-1), MEASURED, xytext=(8, 0))
    label(left, "started at the first gradient, or corrected", last, 1.05, CONTROL, ha="right", xytext=(0, 0))
    left.set(xlabel="step", ylabel="sum of the weights", ylim=(0, 1.12))
    full = (1 + beta) / (1 - beta)
    right.axhline(full, color=MUTED, linewidth=0.9)
    noise = beta ** (2 * (step - 1)) + (1 - beta ** (2 * (step - 1))) / full
    for theory in (full * (1 - beta**step) / (1 + beta**step), 1 / noise):
        right.plot(step, theory, color=PREDICTED, linestyle=SERIES[1].dash, linewidth=1)
    right.plot(step, rows["effective_size_corrected"], "o", color=MEASURED, markersize=3, markevery=2)
    right.plot(step, rows["effective_size_dampened"], "^", color=CONTROL, markersize=3.4, markevery=2)
    label(right, "corrected", 1, 0.76 * full, MEASURED, xytext=(0, 0))
    label(right, "started at the\nfirst gradient", 1.8 * window, 0.4 * full, CONTROL)
    label(right, "(1 + β)/(1 − β)", last, 1.05 * full, INK, ha="right", xytext=(0, 0))
    right.set(xlabel="step", ylabel="effective sample size", ylim=(0, 1.13 * full))
    return figure


def paths(result: Result) -> Figure:
    """Distance of PyTorch's path from the notes' against step, on a logarithmic axis, for four settings."""
    figure, axis = canvas(height=4.0)
    beta, last = result.params.beta, result.params.path_steps
    drawn = (
        (SAME_LR, CONTROL, SERIES[2]),
        (DAMPENED, MEASURED, SERIES[0]),
        (SCALED_LR, ACCENT, SERIES[1]),
        (ZERO_BUFFER, INK, SERIES[4]),
    )
    for name, colour, look in drawn:
        rows = result.paths[result.paths["optimiser"] == name]
        shown = "--" if name == ZERO_BUFFER else "-"
        axis.plot(rows["step"], rows["distance"], color=colour, linestyle=shown)
        axis.plot(rows["step"], rows["distance"], look.marker, color=colour, markevery=max(1, last // 10))
        if name in (SAME_LR, DAMPENED):  # the others differ by rounding alone, which is no matter of chance
            band(axis, rows["step"], rows["distance_low"], rows["distance_high"], colour)
    step = np.arange(1, last + 1)
    axis.plot(step, beta * (1 - beta**step) / (1 - beta), color=PREDICTED, linestyle=SERIES[1].dash)
    label(axis, "lr = α", 0.72 * last, 9e2, CONTROL)
    label(axis, "lr = α, dampening = β", 0.3 * last, 2e-1, MEASURED)
    label(axis, "dashed: theory, were the gradient constant", 0.3 * last, 5e-3, PREDICTED)
    label(axis, "lr = (1 − β)α; or lr = α, dampening = β and a buffer of zeros", 0.12 * last, 1e-13, ACCENT)
    axis.set(yscale="log", ylim=(1e-17, 1e4), xlabel="step")
    axis.set_ylabel("distance from the notes' path,\nin lengths of the first plain step")
    return figure
