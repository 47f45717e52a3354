"""Figures of the chapter on the ratio of update to data."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.update_ratio import GOOD, Result
from figures.style import INK, MEASURED, PREDICTED, SERIES, Look, canvas, label, log_ticks
from lab.live import Axis, Curve, Frame, Live, Slider

NAMES = {
    "one layer": "one layer, SGD",
    "deep": "{} layers, SGD",
    "batch norm": "with batch norm",
    "Adam": "{} layers, Adam",
}
ENDS = ("", "_low", "_high")  # of a measured column: mean and interval
HIGHEST = 0.4  # nats above the best loss, where the first figure ends: what lies beyond is lost anyway


def names(result: Result) -> dict[str, str]:
    """Return what each network is called."""
    return {name: words.format(result.params.depth) for name, words in NAMES.items()}


def layer_names(count: int) -> list[str]:
    """Return what the weight matrices of a network are called, embedding first."""
    return ["embedding", *(f"hidden {place}" for place in range(1, count - 1)), "last"]


def valley(result: Result) -> Figure:
    """Loss above the best against the ratio of update to data, a curve a network, and the notes' ratio."""
    figure, axis = canvas(height=3.0)
    axis.axvline(GOOD, color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
    label(axis, "the notes’ 1e-3", GOOD, 0.9 * HIGHEST, INK, phone={"text": "1e-3"})
    for (name, words), look in zip(names(result).items(), SERIES, strict=False):
        rows = result.sweep[(result.sweep["network"] == name) & (result.sweep["diverged"] == 0)]
        above = rows["loss"] - rows["loss"].min()
        axis.plot(10 ** rows["ratio"], above, marker=look.marker, color=look.colour, linestyle=look.dash, label=words)
    axis.set(xlabel="update over data, median layer", ylabel="training loss above the best (nats)")
    axis.set(xscale="log", ylim=(-0.02 * HIGHEST, HIGHEST))
    axis.set_xlim(10 ** (np.log10(GOOD) - 1.6), None)
    log_ticks(axis.xaxis)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def live(result: Result) -> Live:
    """The ratio's logarithm against step in three kinds of layer, for each network and learning rate."""
    params = result.params
    best = result.settings.set_index("network")["best_loss"]
    called, limits = names(result), (-6, 0)
    places = range(params.below + params.above + 1)
    frames = []
    for name, words in called.items():
        sweep = result.sweep[result.sweep["network"] == name]
        for _, row in sweep.iterrows():
            rows = result.watch[
                (result.watch["network"] == name) & np.isclose(result.watch["lr"], row["lr"], rtol=1e-9)
            ]
            sentence = f"{words[0].upper()}{words[1:]}, learning rate {row['lr']:.2g}: "
            if row["diverged"]:
                sentence += "the training diverges."
            else:
                above = row["loss"] - best[name]
                sentence += f"the median layer’s ratio is {_thousandths(row['ratio'])} thousandths. The loss ends at "
                sentence += f"{row['loss']:.3f} nats, {f'{above:.3f} above' if above > 0 else 'which is'} the best."
            curves = [
                Curve(kind, rows["step"].tolist(), _shown(rows[column], limits), meaning=meaning)
                for column, kind, meaning in (
                    ("last", "last layer", "control"),
                    ("hidden", "hidden layers", "measured"),
                    ("embedding", "embedding", "accent"),
                )
            ]
            frames.append(Frame(sentence, curves))
    values = [f"{params.lr * 10 ** ((place - params.below) / params.per_decade):.2g}" for place in places]
    adam = params.adam_lr / params.lr
    steps = [float(result.watch["step"].min()), float(result.watch["step"].max())]
    return Live(
        title="Move the learning rate",
        x=Axis("step"),
        y=Axis("update over data, log₁₀", low=limits[0], high=limits[1]),
        controls=[
            Slider("network", list(called.values()), start=list(called).index("batch norm")),
            Slider(f"learning rate (with Adam {adam:g} times this)", values, start=params.below),
        ],
        frames=frames,
        fixed=[Curve("1e-3", steps, [log10(GOOD)] * 2, meaning="predicted")],
    )


def over_training(result: Result) -> Figure:
    """The lecture's own plot: the ratio in each kind of layer against step, with batch norm at the lecture's rate."""
    figure, axis = canvas(height=2.9)
    lr = result.params.lr
    rows = result.watch[(result.watch["network"] == "batch norm") & np.isclose(result.watch["lr"], lr)]
    kinds = (("last", "last layer"), ("hidden", "hidden layers (median)"), ("embedding", "embedding"))
    for (column, words), look in zip(kinds, (SERIES[1], SERIES[0], SERIES[2]), strict=True):
        values = 10 ** rows[column]
        axis.plot(rows["step"], values, marker=look.marker, color=look.colour, linestyle=look.dash)
        label(axis, words, rows["step"].iloc[-1], values.iloc[-1], look.colour, xytext=(-4, 10), ha="right")
    axis.axhline(GOOD, color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
    label(axis, "1e-3", rows["step"].iloc[len(rows) // 2], GOOD, INK, xytext=(0, -9))
    axis.set(xlabel="step", ylabel="update over data", yscale="log")
    axis.set_ylim(0.4 * GOOD, 1.6 * 10 ** rows["last"].max())
    log_ticks(axis.yaxis)
    return figure


def layers(result: Result) -> Figure:
    """What a larger learning rate in one layer lowers the loss by, against that layer's ratio."""
    figure, axis = canvas(height=3.0)
    axis.axhline(0, color=INK, linewidth=0.8)
    for (name, words), look in zip(names(result).items(), SERIES, strict=False):
        rows = result.layers[result.layers["network"] == name]
        _dots(axis, 10 ** rows["ratio"], [rows[f"gain{end}"] for end in ENDS], look, words)
    axis.set(xscale="log", xlabel="the layer’s update over data", ylabel="lowers the loss by (nats)")
    axis.set_yscale("symlog", linthresh=0.01, linscale=1.2)
    place = result.layers.groupby("network")["layer"]
    first = result.layers[result.layers["layer"] == place.transform("min")]
    last = result.layers[result.layers["layer"] == place.transform("max")]
    for words, rows in (("embedding", first), ("last layer", last)):
        adam, sgd = rows[rows["network"] == "Adam"].iloc[0], rows[rows["network"] != "Adam"]
        label(axis, words, 10 ** adam["ratio"], adam["gain_low"], xytext=(-4, -9))
        label(axis, words, 10 ** sgd["ratio"].mean(), sgd["gain_high"].max(), ha="center", xytext=(0, 8))
    axis.margins(y=0.2)  # room for the words
    axis.set_yticks([-0.1, -0.01, 0, 0.01], labels=["−0.1", "−0.01", "0", "0.01"])
    axis.minorticks_off()
    log_ticks(axis.xaxis)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def length(result: Result) -> Figure:
    """The ratio at the best learning rate against the number of steps, with what two arguments expect."""
    figure, axis = canvas(height=2.9)
    rows = result.length
    axis.plot(rows["steps"], rows["steps"] ** -0.5, color=PREDICTED, linestyle=SERIES[1].dash)
    axis.plot(rows["steps"], 1 / rows["steps"], color=PREDICTED, linestyle=SERIES[2].dash)
    _dots(axis, rows["steps"], [10 ** rows[f"best_ratio{end}"] for end in ENDS], SERIES[0])
    first, third, last = rows.iloc[0], rows.iloc[len(rows) // 3], rows.iloc[-1]
    label(axis, "1/√T (random steps)", first["steps"], first["steps"] ** -0.5, PREDICTED, xytext=(0, 9))
    label(axis, "1/T (straight ahead)", third["steps"], 1 / third["steps"], PREDICTED, xytext=(8, 8))
    label(axis, "measured best", last["steps"], 10 ** last["best_ratio"], MEASURED, xytext=(0, 12), ha="right")
    axis.axhline(GOOD, color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
    axis.set(xscale="log", yscale="log", xlabel="steps of training", ylabel="best update over data")
    axis.set_xticks(rows["steps"], labels=[f"{steps:,}" for steps in rows["steps"]])
    axis.minorticks_off()
    log_ticks(axis.yaxis)
    return figure


def decay(result: Result) -> Figure:
    """The ratio with weight decay and batch norm against the square root of twice rate times decay."""
    figure, axis = canvas(height=2.7)
    rows = result.decay
    low, high = 0.9 * rows["predicted"].min(), 1.1 * rows["predicted"].max()
    axis.plot([low, high], [low, high], color=PREDICTED, linestyle=SERIES[1].dash)
    label(axis, "theory", high, high, PREDICTED, ha="right", xytext=(-8, 4))
    for (lr, group), look in zip(rows.groupby("lr"), (SERIES[0], SERIES[2]), strict=False):
        ends, size = [group[f"ratio{end}"] for end in ENDS], 6 if look is SERIES[0] else 10
        _dots(axis, group["predicted"], ends, look, f"learning rate {lr:g}", fillstyle="none", markersize=size)
    axis.set(xscale="log", yscale="log", xlabel="√(2ηλ)", ylabel="update over data")
    _plain_ticks(axis, sorted(set(rows["predicted"])))
    axis.legend(loc="upper left")
    return figure


def _dots(
    axis: Axes, x: pd.Series, ends: Sequence[pd.Series], look: Look, words: str | None = None, **style: Any
) -> None:
    """Draw dots with intervals, `ends` being mean, low and high; the dots alone are named in a legend."""
    mean, low, high = ends
    axis.vlines(x, low, high, color=look.colour, linewidth=1.0)
    axis.plot(x, mean, look.marker, color=look.colour, label=words, **style)


def _thousandths(log_ratio: float) -> str:
    value = 1000 * 10**log_ratio
    return f"{value:.1f}" if value >= 0.1 else f"{value:.1g}"


def _shown(logs: pd.Series, limits: tuple[float, float]) -> list[float]:
    """Return logarithms of ratios; NaN where a network that diverged has left the axis."""
    return logs.where(logs.between(*limits)).tolist()


def _plain_ticks(axis: Axes, places: list[float]) -> None:
    axis.set_xticks(places, labels=[f"{place:g}" for place in places])
    axis.set_yticks(places, labels=[f"{place:g}" for place in places])
    axis.minorticks_off()
