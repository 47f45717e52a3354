"""Figures of the chapter on the first loss."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from experiments.initial_loss import UNIFORM, Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, PREDICTED, SERIES, band, canvas, label

DOTTED = (0, (1, 2))
HEIGHTS = (1.04, 0.08, 0.35, 0.5)  # where the names of the distributions stand
# Two of the starts as marks on the sweep: their names in the result, in the figure, and where the name stands.
MARKS = {
    "drawn": ("as drawn", {"ha": "right", "xytext": (-8, 4)}),
    "small, no bias": ("1/100 of that, no bias", {"ha": "center", "xytext": (0, 13)}),
}


def loss(result: Result) -> Figure:
    """First loss against the spread of the logits: dots measured, lines predicted, two starts of the notes."""
    figure, axis = canvas(height=3.9)
    rows = result.scales
    axis.plot(rows["scale"], UNIFORM + rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash, zorder=2)
    axis.plot(rows["scale"], rows["loss"], "o", color=MEASURED, zorder=3)
    band(axis, rows["scale"], rows["loss_low"], rows["loss_high"], MEASURED)
    axis.axhline(UNIFORM, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    for start, (name, placement) in MARKS.items():
        found = result.starts[result.starts["start"] == start].iloc[0]
        axis.plot(found["spread"], found["loss"], "D", color=ACCENT, markersize=7, fillstyle="none", zorder=4)
        label(axis, name, found["spread"], found["loss"], ACCENT, **placement)
    label(axis, "ln 27: a uniform guess", 100, UNIFORM, INK, ha="right", va="top", xytext=(0, -3))
    high = rows.iloc[-2]
    label(axis, "predicted", high["scale"], 1.15 * high["loss"], PREDICTED, ha="right", xytext=(-6, 4))
    label(axis, "measured", high["scale"], 0.85 * high["loss"], MEASURED, xytext=(4, -4))
    axis.set(xlabel="spread of the logits", ylabel="first loss (nats)", xscale="log", yscale="log")
    axis.set(ylim=(2.2, 320), yticks=[3, 10, 30, 100, 300], yticklabels=["3", "10", "30", "100", "300"])
    axis.tick_params(axis="y", which="minor", labelleft=False)
    return figure


def price(result: Result) -> Figure:
    """The two parts of the first loss against the spread: the price above ln 27, and the luck from seed to seed."""
    figure, axis = canvas(height=4.2)
    rows = result.scales
    fine = np.geomspace(rows["scale"].min(), rows["scale"].max(), 200)
    square = rows["square_law"].iloc[0] / rows["scale"].iloc[0] ** 2
    axis.plot(fine, square * fine**2, color=CONTROL, linewidth=1.0, linestyle=SERIES[3].dash, zorder=1)
    straight = result.largest * fine - UNIFORM
    axis.plot(
        fine[straight > 0], straight[straight > 0], color=ACCENT, linewidth=1.0, linestyle=SERIES[2].dash, zorder=1
    )
    axis.plot(rows["scale"], rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash, zorder=2)
    errors = [rows["price"] - rows["price_low"], rows["price_high"] - rows["price"]]
    axis.errorbar(rows["scale"], rows["price"], yerr=errors, fmt="o", color=MEASURED, zorder=3)
    axis.plot(rows["scale"], rows["luck"], SERIES[3].marker, color=SERIES[3].colour, markersize=3.5, zorder=2)
    axis.plot(fine, result.luck * fine, color=SERIES[3].colour, linewidth=0.9, zorder=1)
    axis.set(xlabel="spread of the logits, $s$", ylabel="nats", xscale="log", yscale="log", ylim=(2e-5, 500))
    label(axis, "$s^2/2$", 24, square * 24**2, CONTROL, ha="right", xytext=(-6, 0))
    label(axis, f"{result.largest:.2f} $s$ − ln 27", 1.75, 0.12, ACCENT, xytext=(6, 0))
    label(axis, "price: measured,\nand predicted", 0.11, 0.0011, MEASURED, xytext=(6, 0))
    label(axis, "luck: spread\nover seeds", 0.011, result.luck * 0.04, SERIES[3].colour, xytext=(0, 12))
    return figure


def probability(result: Result) -> Figure:
    """Distribution of the probability that the right letter gets, one curve a spread: measured, and normal logits."""
    figure, axis = canvas(height=3.9)
    decade = np.log(10)
    heights = dict(zip(sorted(result.probabilities["scale"].unique()), HEIGHTS, strict=False))
    for (scale, rows), look in zip(result.probabilities.groupby("scale"), SERIES, strict=False):
        x = rows["log_p"] / decade
        axis.plot(x, rows["level"], color=look.colour, linewidth=1.9)
        axis.plot(rows["predicted"] / decade, rows["level"], color=INK, linewidth=0.9, linestyle=DOTTED, zorder=4)
        axis.plot(x.iloc[5::18], rows["level"].iloc[5::18], look.marker, color=look.colour, linestyle="")
        height = heights[scale]
        name, beside = f"spread {float(str(scale)):g}", {"ha": "right", "xytext": (-8, 3)}
        if height > 1:  # so narrow that its name stands above it
            name, beside = f"{name}, all near 1/27", {"ha": "right", "xytext": (14, 0)}
        label(axis, name, np.interp(min(height, 0.5), rows["level"], x), height, look.colour, **beside)
    axis.axvline(-np.log10(27), color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    ticks = [-20, -15, -10, -5, 0]
    axis.set(xlabel="probability of the right letter", ylabel="share of examples that get less", xlim=(-20, 0.4))
    axis.set(xticks=ticks, xticklabels=[f"$10^{{{tick}}}$" if tick else "1" for tick in ticks], ylim=(0, 1))
    return figure
