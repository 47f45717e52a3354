"""Figures of the chapter on dead neurons."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.dead_neurons import BY_BIAS, BY_DEPTH, DIED_FROZEN, DIED_TRAINED, Result
from experiments.dead_neurons.revival import ARMS
from figures.style import INK, MEASURED, MUTED, PREDICTED, SERIES, Look, band, canvas, label, log_ticks
from lab.live import Axis, Curve, Frame, Live, Slider

RELU, LEAKY = SERIES[0], SERIES[2]
SHOWN_RATES = 3  # the highest learning rates are drawn: at lower ones hardly a unit dies


def at_init(result: Result) -> Figure:
    """Share of units dead at initialisation: against the biases in one layer, and against the layer in a deep network."""
    figure, (left, right) = canvas(height=3.2, columns=2)
    rows = result.shifted
    left.set(xlabel="standard deviations of biases below zero", ylabel="share dead at initialisation")
    left.set(ylim=(-0.03, 1.03))
    for bound in ("lower_bound", "upper_bound"):
        left.plot(rows["shift"], rows[bound], color=PREDICTED, linestyle=SERIES[1].dash)
    _dots(left, rows, "shift", "dead", SERIES[0])
    label(left, "upper bound", *_at(rows, "shift", "upper_bound", 0.8), PREDICTED, ha="right", xytext=(-4, 0))
    label(left, "lower bound", *_at(rows, "shift", "lower_bound", 0.3), PREDICTED, xytext=(6, -4))
    label(left, "measured", *_at(rows, "shift", "dead", 0.4), MEASURED, ha="right", xytext=(-7, 0))
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
    figure, axes = canvas(height=2.9, columns=2, sharey=True)
    relu = result.curves.query("activation == 'relu' and init == 'good'")
    lrs = sorted(relu["lr"].unique())[-SHOWN_RATES:]
    for axis, embeddings in zip(axes, ("trained", "frozen"), strict=True):
        axis.set(xlabel="step", title=f"embeddings {embeddings}")
        axis.set_xlim(0, 1.17 * relu["step"].max())
        for lr, look in zip(lrs, SERIES, strict=False):
            rows = relu[(relu["embeddings"] == embeddings) & (relu["lr"] == lr)]
            axis.plot(rows["step"], rows["dead"], color=look.colour, linestyle=look.dash)
            band(axis, rows["step"], rows["dead_low"].clip(lower=0), rows["dead_high"], look.colour)
            label(axis, f"{lr:g}", relu["step"].max(), float(rows["dead"].iloc[-1]), look.colour, xytext=(4, 0))
        label(
            axis, "learning rate", 1.17 * relu["step"].max(), float(rows["dead"].iloc[-1]), INK,
            ha="right", va="bottom", xytext=(0, 12),
        )  # fmt: skip
    top = float(relu["dead_high"].max())
    axes[0].set(ylabel="share of units dead", ylim=(-0.1 * top, 1.02 * top))
    return figure


def live(result: Result) -> Live:
    """The share of units that are inactive on every example against step: ReLU and leaky, one learning rate at a time."""
    good = result.curves.query("init == 'good'")
    lrs = sorted(good["lr"].unique())
    ways = ("trained", "frozen")
    at = ["activation", "embeddings", "lr"]
    diverged = result.final.query("init == 'good'").set_index(at)["diverged"]
    curves = {key: rows[::2] for key, rows in good.groupby(at)}
    frames = []
    for lr in lrs:
        for embeddings in ways:
            sentence = f"Learning rate {lr:g}, embeddings {embeddings}: at step {{x}} a share of {{0}} of the ReLU "
            sentence += "units is inactive on every example, and {1} of the leaky ones."
            shown, lost = [], 0
            for activation, name, meaning in (("relu", "ReLU", "measured"), ("leaky", "leaky ReLU", "accent")):
                rows = curves[activation, embeddings, lr]
                rows = rows.assign(inactive_low=rows["inactive_low"].clip(lower=0))
                shown.append(Curve.of(name, rows, "step", "inactive", meaning=meaning))
                lost += int(diverged[activation, embeddings, lr])
            if lost:
                sentence += f" Left out: {lost} of {2 * result.params.seeds} networks (diverged)."
            frames.append(Frame(sentence, shown))
    return Live(
        title="Move the learning rate",
        x=Axis("step", low=0),
        y=Axis("share of inactive units", low=0),
        controls=[
            Slider("learning rate", [f"{lr:g}" for lr in lrs], start=len(lrs) - 2),
            Slider("embeddings frozen", ways, switch=True),
        ],
        frames=frames,
        position="step",
    )


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


def benefits(result: Result) -> Figure:
    """What the loss falls by with dead units revived, and with leaky ReLU, one row for each way to have dead units."""
    figure, axis = canvas(height=3.0)
    words = {
        DIED_TRAINED: "died in training,\nembeddings trained",
        DIED_FROZEN: "died in training,\nembeddings frozen",
        BY_BIAS: "dead at initialisation,\nby biases",
        BY_DEPTH: "dead at initialisation,\nby depth",
    }
    for arm, look, aside in ((ARMS[1], SERIES[0], -0.13), (ARMS[2], LEAKY, 0.13)):
        rows = result.benefits[result.benefits["arm"] == arm].set_index("setting")
        places = [row + aside for row, name in enumerate(words) if name in rows.index]
        rows = rows.loc[[name for name in words if name in rows.index]]
        errors = [rows["benefit"] - rows["benefit_low"], rows["benefit_high"] - rows["benefit"]]
        axis.errorbar(rows["benefit"], places, xerr=errors, fmt=look.marker, color=look.colour)
        row = places[list(rows.index).index(BY_BIAS)]
        name = "every dead unit revived" if arm == ARMS[1] else "leaky ReLU instead"
        above = {"ha": "right", "xytext": (4, 10)} if arm == ARMS[1] else {}
        label(axis, name, float(rows["benefit_high"][BY_BIAS]), row, look.colour, phone=above)
    axis.axvline(0, color=MUTED, linewidth=1.0, zorder=1)
    axis.set(yticks=range(len(words)), yticklabels=list(words.values()), ylim=(len(words) - 0.5, -0.5))
    low, high = result.benefits["benefit_low"].min(), result.benefits["benefit_high"].max()
    axis.set(xlabel="what the loss falls by (nats)", xlim=(low - 0.02, high + 0.5 * (high - low)))
    axis.grid(axis="y", visible=False)
    return figure


def learning_rates(result: Result) -> Figure:
    """Against the learning rate: units that were inactive at some evaluation, and losses, of ReLU and leaky ReLU."""
    figure, (left, right) = canvas(height=3.2, columns=2)
    rows = result.final.query("init == 'good' and embeddings == 'trained'")
    for axis in (left, right):
        axis.set(xlabel="learning rate", xscale="log")
        log_ticks(axis.xaxis, (1, 3))
    left.set(ylabel="share of units ever inactive\non every example", ylim=(-0.03, 1.03))
    right.set(ylabel="loss on the training set (nats)")
    for activation, name, look, above in (("relu", "ReLU", RELU, 14), ("leaky", "leaky", LEAKY, -14)):
        found = rows[rows["activation"] == activation]
        for axis, quantity in ((left, "ever_inactive"), (right, "loss")):
            axis.plot(found["lr"], found[quantity], color=look.colour, linestyle=look.dash, linewidth=1)
            _dots(axis, found, "lr", quantity, look)
        label(right, name, found["lr"].iloc[-2], found["loss"].iloc[-2], look.colour, ha="center", xytext=(0, above))
    relu = rows[rows["activation"] == "relu"]
    middle = relu.iloc[len(relu) // 2]
    label(left, "ReLU and leaky ReLU", middle["lr"], middle["ever_inactive"], INK, ha="right", xytext=(0, 10))
    return figure


def _at(rows: pd.DataFrame, x: str, quantity: str, height: float) -> tuple[float, float]:
    """Return where a curve that rises reaches a height, as a share of its largest value."""
    row = rows.iloc[int((rows[quantity] >= height * rows[quantity].max()).argmax())]
    return float(row[x]), float(row[quantity])


def _dots(axis: Axes, rows: pd.DataFrame, x: str, quantity: str, look: Look) -> None:
    errors = [rows[quantity] - rows[f"{quantity}_low"], rows[f"{quantity}_high"] - rows[quantity]]
    axis.errorbar(rows[x], rows[quantity], yerr=errors, fmt=look.marker, color=look.colour, zorder=3)
