"""Figures of the chapter on dead neurons."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.dead_neurons import Result
from figures.style import INK, MEASURED, PREDICTED, SERIES, Look, band, canvas, label, log_ticks

RELU, LEAKY = SERIES[0], SERIES[2]
SHOWN_RATES = 4  # the highest learning rates are drawn: at lower ones nothing dies
WORST = 2.9  # nats; losses above lie outside the panel


def at_init(result: Result) -> Figure:
    """Share of units dead at initialisation: against the biases in one layer, and against the layer in a deep network."""
    figure, (left, right) = canvas(height=3.5, columns=2)
    rows = result.shifted
    left.set(xlabel="standard deviations of biases below zero", ylabel="share dead at initialisation")
    left.set(ylim=(-0.03, 1.03))
    for bound in ("lower_bound", "upper_bound"):
        left.plot(rows["shift"], rows[bound], color=PREDICTED, linestyle=SERIES[1].dash)
    _dots(left, rows, "shift", "dead", SERIES[0])
    label(left, "upper bound", *_at(rows, "shift", "upper_bound", 0.4), PREDICTED, ha="right", xytext=(-4, 0))
    label(left, "lower bound", *_at(rows, "shift", "lower_bound", 0.3), PREDICTED, xytext=(6, -4))
    label(left, "measured", *_at(rows, "shift", "dead", 0.1), MEASURED, xytext=(6, -6))
    rows = result.deep
    right.set(xlabel="layer", ylim=(-0.01, 1.1 * rows["embeddings_high"].max()))
    right.plot(rows["layer"], rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash)
    for name, look in (("normal", SERIES[0]), ("embeddings", SERIES[2])):
        _dots(right, rows, "layer", name, look)
    middle = rows.iloc[len(rows) // 2]
    label(right, "embeddings", middle["layer"], middle["embeddings"], SERIES[2].colour, ha="right", xytext=(-6, 16))
    label(right, "normal inputs\nand theory", middle["layer"], middle["normal"], MEASURED, va="top", xytext=(6, -14))
    return figure


def curves(result: Result) -> Figure:
    """Share of ReLU units that are dead against step, one panel with trained and one with frozen embeddings."""
    figure, axes = canvas(height=3.6, columns=2, sharey=True)
    relu = result.curves.query("activation == 'relu' and init == 'good'")
    lrs = sorted(relu["lr"].unique())[-SHOWN_RATES:]
    gap = 0.045 * float(relu["dead_high"].max())
    for axis, embeddings in zip(axes, ("trained", "frozen"), strict=True):
        axis.set(xlabel="step", title=f"embeddings {embeddings}")
        axis.set_xlim(0, 1.17 * relu["step"].max())
        ends = []
        for lr, look in zip(lrs, SERIES, strict=False):
            rows = relu[(relu["embeddings"] == embeddings) & (relu["lr"] == lr)]
            axis.plot(rows["step"], rows["dead"], color=look.colour, linestyle=look.dash)
            band(axis, rows["step"], rows["dead_low"].clip(lower=0), rows["dead_high"], look.colour)
            ends.append((float(rows["dead"].iloc[-1]), f"{lr:g}", look.colour))
        floor = -np.inf
        for height, text, colour in sorted(ends):
            floor = max(height, floor + gap)
            label(axis, text, relu["step"].max(), floor, colour, xytext=(4, -3))
    axes[0].set(ylabel="share of units dead", ylim=(-1.5 * gap, 1.02 * float(relu["dead_high"].max())))
    return figure


def revival(result: Result) -> Figure:
    """Share of units that were revived, against how deep they lay: died, dead at initialisation, leaky and inactive."""
    figure, axis = canvas(height=3.6)
    bins = result.by_depth[["from", "to"]].drop_duplicates()
    names = [
        f"{low:g} to {high:g}" if np.isfinite(high) else f"over {low:g}"
        for low, high in zip(bins["from"], bins["to"], strict=True)
    ]
    axis.set(xlabel="depth below zero when found, standard deviations of the pre-activation", ylabel="share revived")
    axis.set(ylim=(-0.03, 1.08), xlim=(-0.4, len(names) - 0.1), xticks=range(len(names)), xticklabels=names)
    axis.grid(axis="x", visible=False)
    for group, name, look, aside, beside in (
        ("died", "died", RELU, -0.05, (18, 7)),
        ("dead at initialisation", "dead at\ninitialisation", SERIES[3], 0.0, (8, 6)),
        ("leaky, inactive", "leaky,\ninactive", LEAKY, 0.05, (8, -10)),
    ):
        rows = result.by_depth[result.by_depth["group"] == group]
        places = np.arange(len(rows)) + aside
        axis.plot(places, rows["revived"], color=look.colour, linestyle=look.dash, linewidth=1)
        low, high = rows["revived_low"].clip(lower=0), rows["revived_high"].clip(upper=1)
        errors = [(rows["revived"] - low).clip(lower=0), (high - rows["revived"]).clip(lower=0)]
        axis.errorbar(places, rows["revived"], yerr=errors, fmt=look.marker, color=look.colour)
        label(axis, name, places[-1], rows["revived"].iloc[-1], look.colour, xytext=beside)
    return figure


def learning_rates(result: Result) -> Figure:
    """Against the learning rate: shares inactive at some evaluation and in the end, and losses, ReLU and leaky ReLU."""
    figure, (left, right) = canvas(height=3.8, columns=2)
    rows = result.final.query("init == 'good' and embeddings == 'trained'")
    by_activation = dict(list(rows.groupby("activation")))
    for axis in (left, right):
        axis.set(xlabel="learning rate", xscale="log")
        log_ticks(axis.xaxis, (1, 3))
    left.set(ylabel="share of units inactive on every example", ylim=(-0.03, 1.03))
    right.set(ylabel="loss on the training set (nats)")
    for activation, look in (("relu", RELU), ("leaky", LEAKY)):
        found = by_activation[activation]
        for quantity, filled in (("ever_inactive", "none"), ("inactive", look.colour)):
            left.plot(found["lr"], found[quantity], color=look.colour, linestyle=look.dash, linewidth=1)
            _dots(left, found, "lr", quantity, look, filled)
    for activation, look in (("relu", RELU), ("leaky", LEAKY), ("tanh", Look(INK, "X", SERIES[1].dash))):
        found = by_activation[activation][by_activation[activation]["loss"] < WORST]
        right.plot(found["lr"], found["loss"], color=look.colour, linestyle=look.dash, linewidth=1)
        _dots(right, found, "lr", "loss", look)
    ever, end = (_at(by_activation["relu"], "lr", name, 0.15) for name in ("ever_inactive", "inactive"))
    label(left, "at some\nevaluation", ever[0], 0.75, INK, ha="right", xytext=(-8, 0))
    label(left, "in the end", end[0], 0.3, INK, ha="right", xytext=(-18, 0))
    relu, leaky, tanh = (by_activation[name][by_activation[name]["loss"] < WORST] for name in ("relu", "leaky", "tanh"))
    label(right, "ReLU", relu["lr"].iloc[-1], relu["loss"].iloc[-1], RELU.colour, ha="right", xytext=(-8, 4))
    last = leaky.iloc[-1]
    label(right, "leaky", last["lr"], last["loss_low"], LEAKY.colour, ha="center", va="top", xytext=(-4, -4))
    place = tanh.iloc[min(2, len(tanh) - 1)]
    label(right, "tanh", place["lr"], place["loss"], INK, va="bottom", xytext=(2, 8))
    return figure


def _at(rows: pd.DataFrame, x: str, quantity: str, height: float) -> tuple[float, float]:
    """Return where a curve that rises reaches a height, as a share of its largest value."""
    row = rows.iloc[int((rows[quantity] >= height * rows[quantity].max()).argmax())]
    return float(row[x]), float(row[quantity])


def _dots(axis: Axes, rows: pd.DataFrame, x: str, quantity: str, look: Look, filled: str | None = None) -> None:
    errors = [rows[quantity] - rows[f"{quantity}_low"], rows[f"{quantity}_high"] - rows[quantity]]
    axis.errorbar(
        rows[x], rows[quantity], yerr=errors, fmt=look.marker, color=look.colour, markerfacecolor=filled, zorder=3
    )
