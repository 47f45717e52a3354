"""Figures of the chapter on how wide pre-activations should be."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.saturation import FIVE_THIRDS, RAW, Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, PREDICTED, SERIES, Look, band, canvas, label

SCALE = "scale of the first layer"


def bending(result: Result) -> Figure:
    """Saturated share and departure from linearity against scale: start and end measured, start predicted."""
    figure, (left, right) = canvas(height=3.6, columns=2)
    for axis, quantity in ((left, "saturated"), (right, "departure")):
        axis.set(xlabel=SCALE, xscale="log")
        axis.plot(result.curve["scale"], result.curve[quantity], color=PREDICTED, linestyle=SERIES[1].dash)
        _dots(axis, result.starting, quantity, SERIES[0])
        _dots(axis, result.ending, quantity, Look(CONTROL, "s", "-"))
    left.set(ylabel="share of activations beyond ±0.97", ylim=(-0.03, 1.03))
    right.set(ylabel="share of variance that is not linear", yscale="log", ylim=(1e-7, 1.5))
    label(left, "theory", 2.2, 0.29, PREDICTED)
    label(left, "start", 4.2, 0.56, MEASURED)
    label(left, "after training", 0.03, 0.06, CONTROL, xytext=(-2, 3))
    label(right, "after training", 0.03, 0.028, CONTROL, xytext=(-2, 3))
    label(right, "start", 0.1, 3e-5, MEASURED, xytext=(7, 0))
    label(right, "theory", 0.3, 1.4e-3, PREDICTED, xytext=(7, 0))
    return figure


def gradients(result: Result) -> Figure:
    """Gradient by the pre-activations and by the letters, as a share of that by the activations, against scale."""
    figure, axis = canvas(height=3.6)
    axis.set(xlabel=SCALE, ylabel="gradient, as a multiple of that by the activations", xscale="log", yscale="log")
    axis.set(ylim=(0.02, 8), yticks=[0.03, 0.1, 0.3, 1, 3], yticklabels=["0.03", "0.1", "0.3", "1", "3"])
    axis.minorticks_off()
    for quantity, look in (("inner", SERIES[0]), ("inputs", SERIES[2])):
        axis.plot(result.curve["scale"], result.curve[quantity], color=PREDICTED, linestyle=SERIES[1].dash)
        _dots(axis, result.starting, quantity, look)
    _marks(axis, 0.026)
    label(axis, "by the pre-activations", 0.032, 1.35, SERIES[0].colour, xytext=(0, 0))
    label(axis, "by the letters", 0.12, 0.075, SERIES[2].colour, xytext=(0, 0))
    label(axis, "theory", 14, 3.4, PREDICTED, ha="right", xytext=(0, 0))
    return figure


def loss(result: Result) -> Figure:
    """Loss against scale after the first look and the last, and what the two controls add to the last."""
    figure, axis = canvas(height=4.4)
    axis.set(xlabel=SCALE, ylabel="loss on the training set (nats)", xscale="log", xlim=(0.025, 200))
    ticks = (0.03, 0.1, 0.3, 1, 3, 10, 30)
    axis.set(xticks=ticks, xticklabels=[f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.spines["bottom"].set_bounds(0.025, 40)
    trained = result.losses[result.losses["network"] == "tanh"]
    first, last = trained["step"].min(), trained["step"].max()
    for step, look in ((first, SERIES[2]), (last, SERIES[0])):
        rows = trained[trained["step"] == step]
        axis.plot(rows["scale"], rows["loss"], marker=look.marker, color=look.colour, linestyle=look.dash)
        band(axis, rows["scale"], rows["loss_low"], rows["loss_high"], look.colour)
        label(axis, f"after {step:,} steps", rows["scale"].iloc[-1], rows["loss"].iloc[-1], look.colour, xytext=(13, 0))
    ends = result.losses[result.losses["step"] == last]
    base = ends[ends["network"] == "tanh"].set_index("scale")["loss"]
    for network, marker, aside in (("no tanh", "D", 0.89), ("held still", "X", 1.12)):
        rows = ends[ends["network"] == network]
        errors = [rows["loss"] - rows["loss_low"], rows["loss_high"] - rows["loss"]]
        places = aside * rows["scale"]
        axis.vlines(places, base[rows["scale"]], rows["loss"], color=INK, linewidth=0.8, linestyle=SERIES[2].dash)
        axis.errorbar(places, rows["loss"], yerr=errors, fmt=marker, color=INK, markersize=5.5, zorder=4)
        for place, height in zip(places, rows["loss"], strict=True):
            side = {"ha": "right", "xytext": (-6, 0)} if place > 1 and network == "no tanh" else {"xytext": (7, 0)}
            label(axis, network, place, height, INK, **side)
    _marks(axis, axis.get_ylim()[0])
    return figure


def _dots(axis: Axes, rows: pd.DataFrame, quantity: str, look: Look) -> None:
    errors = [rows[quantity] - rows[f"{quantity}_low"], rows[f"{quantity}_high"] - rows[quantity]]
    axis.errorbar(rows["scale"], rows[quantity], yerr=errors, fmt=look.marker, color=look.colour, zorder=3)


def _marks(axis: Axes, height: float) -> None:
    """Mark the scale that people use, and that of weights left as they were drawn."""
    for scale, name, placement in ((FIVE_THIRDS, "5/3", {"ha": "right", "xytext": (-4, 6)}), (RAW, "raw", {})):
        axis.axvline(scale, color=ACCENT, linewidth=0.9, zorder=0)
        label(axis, name, scale, height, ACCENT, **({"xytext": (4, 6)} | placement))
