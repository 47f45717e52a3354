"""Figures of the chapter on the ratio of update to data."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.update_ratio import GOOD, Result
from figures.style import INK, MEASURED, PREDICTED, SERIES, canvas, label, log_ticks
from lab.live import Axis, Curve, Frame, Live, Slider

NAMES = {
    "one layer": "one layer, SGD",
    "deep": "{} layers, SGD",
    "batch norm": "with batch norm",
    "Adam": "{} layers, Adam",
}
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
    label(axis, "the notes’ 1e-3", GOOD, 0.96 * HIGHEST, INK, ha="right", xytext=(-5, 0))
    for (name, words), look in zip(names(result).items(), SERIES, strict=False):
        rows = result.sweep[(result.sweep["network"] == name) & (result.sweep["diverged"] == 0)]
        above = rows["loss"] - rows["loss"].min()
        axis.plot(10 ** rows["ratio"], above, marker=look.marker, color=look.colour, linestyle=look.dash, label=words)
    axis.set(xlabel="update over data, median layer", ylabel="training loss above the best (nats)")
    axis.set(xscale="log", ylim=(-0.02 * HIGHEST, HIGHEST))
    axis.set_xlim(10 ** (np.log10(GOOD) - 1.6), None)
    log_ticks(axis.xaxis)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.22), ncols=2)
    return figure


def live(result: Result) -> Live:
    """The ratio against step in three kinds of layer, for each network and learning rate."""
    params = result.params
    best = result.settings.set_index("network")["best_loss"]
    called, slowest = names(result), result.watch["step"].min()
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
                rows = rows[rows["step"] < slowest]
            else:
                sentence += f"the median layer’s ratio is {10 ** row['ratio']:.1e}, and the loss ends at {row['loss']:.3f} nats, "
                sentence += f"{max(row['loss'] - best[name], 0):.3f} above the best."
            curves = [
                Curve(kind, rows["step"].tolist(), (10 ** rows[column]).tolist(), meaning=meaning)
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
        y=Axis("update over data", log=True, low=1e-6, high=1.0),
        controls=[
            Slider("network", list(called.values()), start=list(called).index("batch norm")),
            Slider(f"learning rate (for Adam × {adam:g})", values, start=params.below),
        ],
        frames=frames,
        fixed=[Curve("1e-3", steps, [GOOD, GOOD], meaning="predicted")],
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
    label(axis, "1e-3", rows["step"].iloc[0], GOOD, INK, xytext=(0, -8))
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
        errors = [rows["gain"] - rows["gain_low"], rows["gain_high"] - rows["gain"]]
        axis.errorbar(
            10 ** rows["ratio"],
            rows["gain"],
            yerr=errors,
            fmt=look.marker,
            color=look.colour,
            label=words,
            linewidth=1.0,
        )
    axis.set(xscale="log", xlabel="the layer’s update over data", ylabel="lowers the loss by (nats)")
    log_ticks(axis.xaxis)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.22), ncols=2)
    return figure


def length(result: Result) -> Figure:
    """The ratio at the best learning rate against the number of steps, with what two arguments expect."""
    figure, axis = canvas(height=2.9)
    rows = result.length
    errors = [
        10 ** rows["best_ratio"] - 10 ** rows["best_ratio_low"],
        10 ** rows["best_ratio_high"] - 10 ** rows["best_ratio"],
    ]
    axis.plot(rows["steps"], rows["steps"] ** -0.5, color=PREDICTED, linestyle=SERIES[1].dash)
    axis.plot(rows["steps"], 1 / rows["steps"], color=PREDICTED, linestyle=SERIES[2].dash)
    axis.errorbar(rows["steps"], 10 ** rows["best_ratio"], yerr=errors, fmt="o", color=MEASURED)
    first, last = rows.iloc[0], rows.iloc[-1]
    label(axis, "a way of its own size, at random", first["steps"], first["steps"] ** -0.5, PREDICTED, xytext=(0, 9))
    label(axis, "the same, straight ahead", first["steps"], 1 / first["steps"], PREDICTED, xytext=(0, -10))
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
        errors = [group["ratio"] - group["ratio_low"], group["ratio_high"] - group["ratio"]]
        axis.errorbar(
            group["predicted"], group["ratio"], yerr=errors, fmt=look.marker, color=look.colour, label=f"learning rate {lr:g}",
            fillstyle="none", markersize=6 if look is SERIES[0] else 10,
        )  # fmt: skip
    axis.set(xscale="log", yscale="log", xlabel="√(2ηλ)", ylabel="update over data")
    _plain_ticks(axis, sorted(set(rows["predicted"])))
    axis.legend(loc="upper left")
    return figure


def _plain_ticks(axis: Axes, places: list[float]) -> None:
    axis.set_xticks(places, labels=[f"{place:g}" for place in places])
    axis.set_yticks(places, labels=[f"{place:g}" for place in places])
    axis.minorticks_off()
