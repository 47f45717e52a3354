"""Figures of the chapter on dead neurons."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.dead_neurons import Result
from figures.style import INK, MEASURED, PREDICTED, SERIES, Look, band, canvas, label

RELU, LEAKY = SERIES[0], SERIES[2]

LIFTS = {
    "trained": {1.0: -5, 1.5: 5},
    "still": {1.0: -7, 2.0: 7, 3.0: 3},
}  # of labels that would lie on each other, points


def born(result: Result) -> Figure:
    """Share of units dead at the start: against the biases in one layer, and against the layer in a deep network."""
    figure, (left, right) = canvas(height=3.5, columns=2)
    rows = result.shifted
    left.set(xlabel="biases, spreads below zero", ylabel="share of units dead at the start", ylim=(-0.03, 1.03))
    left.plot(rows["shift"], rows["least"], color=PREDICTED, linestyle=SERIES[1].dash)
    left.plot(rows["shift"], rows["most"], color=PREDICTED, linestyle=SERIES[1].dash)
    _dots(left, rows, "shift", "born", SERIES[0])
    label(left, "at most", 1.5, 0.3, PREDICTED, ha="right", xytext=(0, 0))
    label(left, "at least", 3.6, 0.5, PREDICTED, xytext=(4, 0))
    label(left, "measured", 2.45, 0.06, MEASURED, xytext=(8, -4))
    rows = result.layers
    right.set(xlabel="layer", ylim=(-0.01, 0.35))
    right.plot(rows["layer"], rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash)
    for name, look in (("normal", SERIES[0]), ("letters", SERIES[2])):
        _dots(right, rows, "layer", name, look)
    label(right, "letters", 19, 0.3, SERIES[2].colour, ha="right", xytext=(0, 0))
    label(right, "normal numbers\nand theory", 16, 0.075, MEASURED, xytext=(0, 0))
    return figure


def course(result: Result) -> Figure:
    """Share of ReLU units that are dead against step, one panel with letters trained and one with letters held still."""
    figure, axes = canvas(height=3.6, columns=2, sharey=True)
    relu = result.curves.query("activation == 'relu' and start == 'good'")
    rates = sorted(relu["rate"].unique())[-4:]
    for axis, letters, title in zip(axes, ("trained", "still"), ("letters trained", "letters held still"), strict=True):
        axis.set(xlabel="step", title=title)
        axis.set_xlim(0, 1.17 * relu["step"].max())
        for rate, look in zip(rates, SERIES, strict=False):
            rows = relu[(relu["letters"] == letters) & (relu["rate"] == rate)]
            axis.plot(rows["step"], rows["dead"], color=look.colour, linestyle=look.dash)
            band(axis, rows["step"], rows["dead_low"].clip(lower=0), rows["dead_high"], look.colour)
            lift = LIFTS[letters].get(rate, 0)
            label(axis, f"{rate:g}", rows["step"].iloc[-1], rows["dead"].iloc[-1], look.colour, xytext=(4, lift))
    axes[0].set(ylabel="share of units dead", ylim=(-0.06, 0.9))
    return figure


def returning(result: Result) -> Figure:
    """Share of units that came back, against how deep they lay when found: died, born dead, and leaky units off."""
    figure, axis = canvas(height=3.6)
    bins = result.depths[["from", "to"]].drop_duplicates()
    names = [
        f"{low:g} to {high:g}" if np.isfinite(high) else f"over {low:g}"
        for low, high in zip(bins["from"], bins["to"], strict=True)
    ]
    axis.set(xlabel="depth below zero when found, spreads of the pre-activation", ylabel="share that came back")
    axis.set(ylim=(-0.03, 1.08), xlim=(-0.4, len(names) - 0.1), xticks=range(len(names)), xticklabels=names)
    axis.grid(axis="x", visible=False)
    for way, look, aside in (("died", RELU, -0.05), ("born dead", SERIES[3], 0.0), ("leaky", LEAKY, 0.05)):
        rows = result.depths[result.depths["way"] == way]
        places = np.arange(len(rows)) + aside
        axis.plot(places, rows["returned"], color=look.colour, linestyle=look.dash, linewidth=1)
        low, high = rows["returned_low"].clip(lower=0), rows["returned_high"].clip(upper=1)
        axis.errorbar(
            places,
            rows["returned"],
            yerr=[(rows["returned"] - low).clip(lower=0), (high - rows["returned"]).clip(lower=0)],
            fmt=look.marker,
            color=look.colour,
        )
        name = {"leaky": "leaky, off"}.get(way, way)
        label(
            axis,
            name,
            places[-1],
            rows["returned"].iloc[-1],
            look.colour,
            xytext=(18 if way == "died" else 8, {"died": 7, "leaky": -6}.get(way, 0)),
        )
    return figure


def rates(result: Result) -> Figure:
    """Against the learning rate: shares off at some look and in the end, and losses, of ReLU and leaky ReLU."""
    figure, (left, right) = canvas(height=3.8, columns=2)
    ends = result.ends.query("start == 'good' and letters == 'trained'")
    for axis in (left, right):
        ticks = [0.03, 0.1, 0.3, 1, 3]
        axis.set(xlabel="learning rate", xscale="log", xticks=ticks, xticklabels=[f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
    left.set(ylabel="share of units off for every example", ylim=(-0.03, 1.03))
    right.set(ylabel="loss on the training set (nats)", ylim=(2.25, 2.9))
    for activation, look in (("relu", RELU), ("leaky", LEAKY)):
        rows = ends[ends["activation"] == activation]
        for quantity, filled in (("ever", "none"), ("out", look.colour)):
            left.plot(rows["rate"], rows[quantity], color=look.colour, linestyle=look.dash, linewidth=1)
            _dots(left, rows, "rate", quantity, look, filled)
    for activation, look in (("relu", RELU), ("leaky", LEAKY), ("tanh", Look(INK, "X", SERIES[1].dash))):
        rows = ends[(ends["activation"] == activation) & (ends["loss"] < 2.9)]
        right.plot(rows["rate"], rows["loss"], color=look.colour, linestyle=look.dash, linewidth=1)
        _dots(right, rows, "rate", "loss", look)
    label(left, "at some\nlook", 1.6, 0.75, INK, ha="right", xytext=(0, 0))
    label(left, "in the end", 1.75, 0.3, INK, ha="right", xytext=(0, 0))
    label(right, "ReLU", 2.75, 2.78, RELU.colour, ha="right", xytext=(-2, 0))
    label(right, "leaky", 3.0, 2.497, LEAKY.colour, ha="center", xytext=(-2, -44))
    label(right, "tanh", 0.4, 2.41, INK, xytext=(0, 4))
    return figure


def _dots(axis: Axes, rows: pd.DataFrame, x: str, quantity: str, look: Look, filled: str | None = None) -> None:
    errors = [rows[quantity] - rows[f"{quantity}_low"], rows[f"{quantity}_high"] - rows[quantity]]
    axis.errorbar(
        rows[x], rows[quantity], yerr=errors, fmt=look.marker, color=look.colour, markerfacecolor=filled, zorder=3
    )
