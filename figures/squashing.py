"""Figures of the chapter on squashing."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from experiments.squashing import FIVE_THIRDS, NOTES_VALUE, Result
from figures.style import CONTROL, SERIES, Look, canvas, label, log_ticks
from lab.live import Axis, Curve, Live, along


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
    """Bits that are left against the standard deviation of the signal: dots measured, lines exact."""
    figure, axis = canvas(height=2.9)
    full, narrowest, widest = np.log2(result.params.levels), 0.02, 40.0
    curve = result.curve[result.curve["std"].between(narrowest, widest)]
    axis.set(xlabel="standard deviation of the signal before squashing", ylabel=_bits_left(full), xscale="log")
    axis.set(xlim=(narrowest, widest), ylim=(0, 1.08 * full))
    log_ticks(axis.xaxis)
    axis.axhline(result.linear_bits, color=CONTROL, linewidth=1.1, linestyle=SERIES[6].dash, zorder=1)
    label(axis, "not squashed", widest, result.linear_bits, CONTROL, ha="right", va="bottom", xytext=(0, 3))
    for name, look in (("tanh", SERIES[0]), ("sigmoid", SERIES[2])):
        axis.plot(curve["std"], curve[name], color=look.colour, linewidth=1.1)
        rows = result.bits[(result.bits["activation"] == name) & result.bits["std"].between(narrowest, widest)]
        errors = [rows["bits"] - rows["bits_low"], rows["bits_high"] - rows["bits"]]
        axis.errorbar(rows["std"], rows["bits"], yerr=errors, fmt=look.marker, color=look.colour, zorder=4)
    label(axis, "tanh", 5.4, 4.1, SERIES[0].colour, ha="right", xytext=(0, 0))
    label(axis, "sigmoid", 13, 4.3, SERIES[2].colour, xytext=(0, 0))
    return figure


def live(result: Result) -> Live:
    """The bits that tanh and sigmoid leave, along the standard deviation of the signal."""
    full, rows = np.log2(result.params.levels), result.curve
    fixed = []
    for activation, meaning in (("tanh", "measured"), ("sigmoid", "accent")):
        dots = result.bits[result.bits["activation"] == activation]
        fixed.append(Curve.of("", rows, "std", activation, interval=False, meaning=meaning))
        fixed.append(Curve.of(activation, dots, "std", "bits", meaning=meaning, line=False))
    return along(
        "Move the size of the signal",
        Axis("standard deviation of the signal", log=True),
        Axis(_bits_left(full), low=0, high=full),
        rows,
        "std",
        lambda row: (
            f"Standard deviation {row['std']:.3g}: of {full:.3g} bits, tanh leaves {row['tanh']:.1f} and the sigmoid "
            f"{row['sigmoid']:.1f}. That is as much as {2 ** row['tanh']:.0f} and {2 ** row['sigmoid']:.0f} levels can hold."
        ),
        fixed,
        label="standard deviation",
        start=int((rows["std"] - result.best_std).abs().argmin()),
    )


def repeated(result: Result) -> Figure:
    """Where the notes' value gets to when it is multiplied by a gain and squashed, again and again: one curve a gain."""
    figure, axis = canvas(height=2.8)
    for (gain, rows), look in zip(result.repeated.groupby("gain"), SERIES, strict=False):
        name = "gain 5/3" if gain == FIVE_THIRDS else f"gain {gain:g}"
        style = {"color": look.colour, "linestyle": look.dash, "marker": look.marker, "markevery": 3}
        axis.plot(rows["squashings"], rows["value"], **style)
        last = rows.iloc[-1]
        label(axis, name, last["squashings"], last["value"], look.colour, va="center", xytext=(6, 0))
    repeats = result.params.repeats
    axis.set(xlabel="how often tanh was applied", ylabel=f"where {NOTES_VALUE:g} has got to", ylim=(0, 1.05))
    axis.set(xlim=(0, 1.17 * repeats))
    axis.spines["bottom"].set_bounds(0, repeats)
    return figure


def same_sign(result: Result) -> Figure:
    """Share of units whose weight gradients all have one sign, against the batch."""
    figure, axis = canvas(height=3.3)
    axis.set(xlabel="examples that the gradient is averaged over", ylabel="share of units with one sign")
    batches = sorted(result.same_sign["batch"].unique())
    axis.set(xscale="log", xlim=(0.9, 9 * batches[-1]), ylim=(-0.03, 1.04))
    axis.set(xticks=batches, xticklabels=[str(batch) for batch in batches])
    axis.minorticks_off()
    axis.spines["bottom"].set_bounds(0.9, batches[-1])
    names = {
        ("names", "sigmoid"): ("sigmoid", SERIES[0], 0.0),
        ("random", "sigmoid"): ("sigmoid,\nrandom errors", SERIES[1], 0.035),
        ("names, mean removed", "sigmoid"): ("sigmoid, mean\nerror removed", SERIES[2], -0.01),
        ("names", "tanh"): ("tanh, or sigmoid − ½", Look(CONTROL, "X", "-"), 0.0),
    }
    for (errors, activation), (name, look, lift) in names.items():
        rows = result.same_sign[(result.same_sign["errors"] == errors) & (result.same_sign["activation"] == activation)]
        bars = [rows["same_sign"] - rows["same_sign_low"], rows["same_sign_high"] - rows["same_sign"]]
        style = {"fmt": look.marker, "color": look.colour, "linestyle": look.dash, "linewidth": 1.1}
        axis.errorbar(rows["batch"], rows["same_sign"], yerr=bars, **style, zorder=3)
        label(axis, name, rows["batch"].iloc[-1], rows["same_sign"].iloc[-1] + lift, look.colour)
    return figure


def _bits_left(full: float) -> str:
    return f"bits that are left, of {full:.3g}"
