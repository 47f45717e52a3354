"""Figures of the chapter on squashing."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.squashing import FIVE_THIRDS, Result
from figures.style import ACCENT, CONTROL, INK, PREDICTED, SERIES, Look, canvas, label

PLACES = {1.0: (16.0, 5.65), FIVE_THIRDS: (7.5, 2.95), 3.0: (4.5, 0.55)}  # of a gain's name; others at their end


def functions(result: Result) -> Figure:
    """Sigmoid and tanh against their input, and the slope of each against its output."""
    figure, (left, right) = canvas(height=3.1, columns=2)
    curves = result.functions
    for name, look in (("tanh", SERIES[0]), ("sigmoid", SERIES[1])):
        left.plot(curves["input"], curves[name], color=look.colour, linestyle=look.dash)
        right.plot(curves[name], curves[f"{name}_slope"], color=look.colour, linestyle=look.dash)
    left.set(xlabel="input", ylabel="output", xlim=(-6, 6), ylim=(-1.05, 1.05))
    right.set(xlabel="output", ylabel="slope", xlim=(-1.05, 1.05), ylim=(0, 1.05), yticks=[0, 0.25, 0.5, 0.75, 1])
    label(left, "sigmoid", -5.8, 0.14, SERIES[1].colour, xytext=(0, 0))
    label(left, "tanh", -5.8, -0.86, SERIES[0].colour, xytext=(0, 0))
    label(right, "tanh", -0.57, 0.75, SERIES[0].colour, xytext=(0, 0), ha="right")
    label(right, "sigmoid", 0.5, 0.3, SERIES[1].colour, xytext=(0, 0), ha="center")
    return figure


def bits(result: Result) -> Figure:
    """Bits that survive at 256 levels against the spread of the signal: dots measured, lines predicted."""
    figure, axis = canvas(height=4.0)
    axis.set(xlabel="spread of the signal before squashing", ylabel="bits that survive, of 8", xscale="log")
    axis.set(xlim=(0.008, 130), ylim=(0, 8.4))
    axis.axhline(result.linear, color=CONTROL, linewidth=1.1, linestyle=SERIES[6].dash, zorder=1)
    label(axis, "unsquashed, levels laid\nover four spreads either side", 125, 6.55, CONTROL, ha="right", xytext=(0, 0))
    looks = {"tanh": SERIES[0], "sigmoid": SERIES[2], "clip": Look(INK, "X", "-")}
    for squash, rows in result.bits.groupby("squash"):
        look = looks[str(squash)]
        errors = [rows["bits"] - rows["bits_low"], rows["bits_high"] - rows["bits"]]
        axis.errorbar(rows["spread"], rows["bits"], yerr=errors, fmt=look.marker, color=look.colour, zorder=4)
        axis.plot(result.curve["spread"], result.curve[str(squash)], color=look.colour, linewidth=0.9)
    smooth = result.curve[result.curve["smooth"] > 0]
    axis.plot(smooth["spread"], smooth["smooth"], color=PREDICTED, linestyle=SERIES[1].dash, linewidth=1.3, zorder=3)
    label(axis, "tanh", 0.19, 7.05, SERIES[0].colour, ha="right", xytext=(0, 0))
    label(axis, "sigmoid", 0.14, 4.6, SERIES[2].colour, xytext=(0, 0))
    label(axis, "clip at ±1", 2.6, 3.55, INK, ha="right", xytext=(0, 0))
    label(axis, "tanh, limit of\nmany levels", 4.2, 1.1, PREDICTED, ha="right", xytext=(0, 0))
    axis.axvline(result.best_spread, color=ACCENT, linewidth=0.9, zorder=0)
    best = f"best spread for tanh, {result.best_spread:.2f}"
    label(axis, best, result.best_spread, 0.35, ACCENT, ha="right", xytext=(-4, 0))
    return figure


def repeated(result: Result) -> Figure:
    """The notes' value squashed again and again, and the bits of a standard normal signal, one curve a gain."""
    figure, (left, right) = canvas(height=3.4, columns=2)
    for (gain, rows), look in zip(result.repeated.groupby("gain"), SERIES, strict=False):
        name = "gain 5/3" if gain == FIVE_THIRDS else f"gain {gain:g}"
        style = {"color": look.colour, "linestyle": look.dash, "marker": look.marker, "markevery": 3}
        left.plot(rows["squashings"], rows["value"], **style)
        right.plot(rows["squashings"], rows["bits"], **style)
        last = rows.iloc[-1]
        label(left, name, last["squashings"], last["value"] - 0.05, look.colour, ha="right", xytext=(0, 0))
        place = PLACES.get(float(str(gain)), (last["squashings"], last["bits"]))
        label(right, name, place[0], place[1], look.colour, xytext=(0, 0))
    left.set(xlabel="squashings", ylabel="where 0.75 has got to", ylim=(0, 1.05))
    right.set(xlabel="squashings", ylabel="bits that survive, of 8", ylim=(0, 8.4))
    return figure


def ties(result: Result) -> Figure:
    """Share of units whose weight gradients all have one sign, against the batch."""
    figure, axis = canvas(height=3.9)
    axis.set(xlabel="examples that the gradient is averaged over", ylabel="share of units with all signs equal")
    axis.set(xscale="log", xlim=(0.9, 2600), ylim=(-0.03, 1.04))
    batches = sorted(result.ties["batch"].unique())
    axis.set(xticks=batches, xticklabels=[str(batch) for batch in batches])
    axis.minorticks_off()
    axis.spines["bottom"].set_bounds(0.9, batches[-1])
    axis.plot([1, batches[-1]], [result.tied_expected] * 2, color=PREDICTED, linestyle=SERIES[1].dash, zorder=2)
    names = {
        ("names", "sigmoid"): ("sigmoid, names network", SERIES[0], 0.0),
        ("random", "sigmoid"): ("sigmoid, random errors", SERIES[2], 0.03),
        ("names, mean removed", "sigmoid"): ("sigmoid, names network,\nmean error removed", SERIES[3], 0.0),
        ("names", "tanh"): ("tanh; rings: sigmoid − 1/2", Look(CONTROL, "X", "-"), 0.025),
    }
    for (errors, squash), (name, look, lift) in names.items():
        rows = result.ties[(result.ties["errors"] == errors) & (result.ties["squash"] == squash)]
        bars = [rows["tied"] - rows["tied_low"], rows["tied_high"] - rows["tied"]]
        style = {"fmt": look.marker, "color": look.colour, "linestyle": look.dash, "linewidth": 1.1}
        axis.errorbar(rows["batch"], rows["tied"], yerr=bars, **style, zorder=3)
        label(axis, name, rows["batch"].iloc[-1], rows["tied"].iloc[-1] + lift, look.colour)
    label(axis, "theory, large batch", 1, result.tied_expected - 0.04, PREDICTED, xytext=(0, 0))
    other = result.ties[(result.ties["errors"] == "names") & (result.ties["squash"] == "sigmoid − 1/2")]
    axis.plot(other["batch"], other["tied"], "o", color=INK, fillstyle="none", markersize=8.5)
    return figure
