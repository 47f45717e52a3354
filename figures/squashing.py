"""Figures of the chapter on squashing."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from experiments.squashing import FIVE_THIRDS, LINEAR_RANGE, NOTES_VALUE, Result
from figures.style import ACCENT, CONTROL, INK, PREDICTED, SERIES, Look, canvas, label


def functions(result: Result) -> Figure:
    """Sigmoid and tanh against their input, and the derivative of each against its output."""
    figure, (left, right) = canvas(height=3.1, columns=2)
    curves = result.functions
    for name, look in (("tanh", SERIES[0]), ("sigmoid", SERIES[1])):
        left.plot(curves["input"], curves[name], color=look.colour, linestyle=look.dash)
        right.plot(curves[name], curves[f"{name}_derivative"], color=look.colour, linestyle=look.dash)
    left.set(xlabel="input", ylabel="output", xlim=(curves["input"].min(), curves["input"].max()), ylim=(-1.05, 1.05))
    right.set(xlabel="output", ylabel="derivative", xlim=(-1.05, 1.05), ylim=(0, 1.05), yticks=[0, 0.25, 0.5, 0.75, 1])
    label(left, "sigmoid", -5.8, 0.14, SERIES[1].colour, xytext=(0, 0))
    label(left, "tanh", -5.8, -0.86, SERIES[0].colour, xytext=(0, 0))
    label(right, "tanh", -0.57, 0.75, SERIES[0].colour, xytext=(0, 0), ha="right")
    label(right, "sigmoid", 0.5, 0.3, SERIES[1].colour, xytext=(0, 0), ha="center")
    return figure


def bits(result: Result) -> Figure:
    """Bits that are left against the standard deviation of the signal: dots measured, lines predicted."""
    figure, axis = canvas(height=4.0)
    full, stds = np.log2(result.params.levels), result.curve["std"]
    narrowest, widest = stds.iloc[0], stds.iloc[-1]
    axis.set(xlabel="standard deviation of the signal before squashing", ylabel=_bits_left(full), xscale="log")
    axis.set(xlim=(0.8 * narrowest, 1.3 * widest), ylim=(0, 1.05 * full))
    axis.axhline(result.linear_bits, color=CONTROL, linewidth=1.1, linestyle=SERIES[6].dash, zorder=1)
    unsquashed = f"unsquashed, levels laid over\n±{LINEAR_RANGE:g} standard deviations"
    label(axis, unsquashed, 1.25 * widest, result.linear_bits, CONTROL, ha="right", va="top", xytext=(0, -5))
    looks = {"tanh": SERIES[0], "sigmoid": SERIES[2], "clip": Look(INK, "X", "-")}
    for activation, rows in result.bits.groupby("activation"):
        look = looks[str(activation)]
        errors = [rows["bits"] - rows["bits_low"], rows["bits_high"] - rows["bits"]]
        axis.errorbar(rows["std"], rows["bits"], yerr=errors, fmt=look.marker, color=look.colour, zorder=4)
        axis.plot(stds, result.curve[str(activation)], color=look.colour, linewidth=0.9)
    limit = result.curve[result.curve["many_levels"] > 0]
    axis.plot(limit["std"], limit["many_levels"], color=PREDICTED, linestyle=SERIES[1].dash, linewidth=1.3, zorder=3)
    label(axis, "tanh", 0.19, 7.05, SERIES[0].colour, ha="right", xytext=(0, 0))
    label(axis, "sigmoid", 0.14, 4.6, SERIES[2].colour, xytext=(0, 0))
    label(axis, "clip at ±1", 2.6, 3.55, INK, ha="right", xytext=(0, 0))
    label(axis, "tanh, limit of\nmany levels", 4.2, 1.1, PREDICTED, ha="right", xytext=(0, 0))
    axis.axvline(result.best_std, color=ACCENT, linewidth=0.9, zorder=0)
    best = f"best for tanh, {result.best_std:.2f}"
    label(axis, best, result.best_std, 0.35, ACCENT, ha="right", xytext=(-4, 0))
    return figure


def repeated(result: Result) -> Figure:
    """The notes' value squashed again and again, and the bits left of a standard normal signal, one curve a gain."""
    figure, (left, right) = canvas(height=3.4, columns=2)
    full = np.log2(result.params.levels)
    for (gain, rows), look in zip(result.repeated.groupby("gain"), SERIES, strict=False):
        name = "gain 5/3" if gain == FIVE_THIRDS else f"gain {gain:g}"
        style = {"color": look.colour, "linestyle": look.dash, "marker": look.marker, "markevery": 3}
        left.plot(rows["squashings"], rows["value"], **style)
        right.plot(rows["squashings"], rows["bits"], **style)
        last = rows.iloc[-1]
        label(left, name, last["squashings"], last["value"] - 0.05, look.colour, ha="right", xytext=(0, 0))
        if last["bits"] > 2:  # it never falls far
            middle = rows.iloc[len(rows) // 2]
            label(right, name, middle["squashings"], middle["bits"] + 0.5, look.colour, xytext=(0, 0))
        elif gain == FIVE_THIRDS:
            beside = rows.iloc[(rows["bits"] - 0.37 * full).abs().argmin()]
            label(right, name, beside["squashings"], beside["bits"], look.colour)
        else:
            label(right, name, rows["squashings"][rows["bits"] < 1.5].min(), 0.55, look.colour, xytext=(0, 0))
    left.set(xlabel="squashings", ylabel=f"where {NOTES_VALUE:g} has got to", ylim=(0, 1.05))
    right.set(xlabel="squashings", ylabel=_bits_left(full), ylim=(0, 1.05 * full))
    return figure


def same_sign(result: Result) -> Figure:
    """Share of units whose weight gradients all have one sign, against the batch."""
    figure, axis = canvas(height=3.9)
    axis.set(xlabel="examples that the gradient is averaged over", ylabel="share of units with all signs equal")
    batches = sorted(result.same_sign["batch"].unique())
    axis.set(xscale="log", xlim=(0.9, 10 * batches[-1]), ylim=(-0.03, 1.04))
    axis.set(xticks=batches, xticklabels=[str(batch) for batch in batches])
    axis.minorticks_off()
    axis.spines["bottom"].set_bounds(0.9, batches[-1])
    axis.plot([1, batches[-1]], [result.same_sign_predicted] * 2, color=PREDICTED, linestyle=SERIES[1].dash, zorder=2)
    names = {
        ("names", "sigmoid"): ("sigmoid, names network", SERIES[0], 0.0),
        ("random", "sigmoid"): ("sigmoid, random errors", SERIES[2], 0.03),
        ("names, mean removed", "sigmoid"): ("sigmoid, names network,\nmean error removed", SERIES[3], 0.0),
        ("names", "tanh"): ("tanh; rings: sigmoid − 1/2", Look(CONTROL, "X", "-"), 0.025),
    }
    for (errors, activation), (name, look, lift) in names.items():
        rows = result.same_sign[(result.same_sign["errors"] == errors) & (result.same_sign["activation"] == activation)]
        bars = [rows["same_sign"] - rows["same_sign_low"], rows["same_sign_high"] - rows["same_sign"]]
        style = {"fmt": look.marker, "color": look.colour, "linestyle": look.dash, "linewidth": 1.1}
        axis.errorbar(rows["batch"], rows["same_sign"], yerr=bars, **style, zorder=3)
        label(axis, name, rows["batch"].iloc[-1], rows["same_sign"].iloc[-1] + lift, look.colour)
    label(axis, "theory, large batch", 1, result.same_sign_predicted - 0.04, PREDICTED, xytext=(0, 0))
    other = result.same_sign[
        (result.same_sign["errors"] == "names") & (result.same_sign["activation"] == "sigmoid − 1/2")
    ]
    axis.plot(other["batch"], other["same_sign"], "o", color=INK, fillstyle="none", markersize=8.5)
    return figure


def _bits_left(full: float) -> str:
    return f"bits that are left, of {full:.3g}"
