"""Figures of the chapter on the variance 2/n."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.kaiming import INITS, Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, MUTED, PREDICTED, SERIES, band, canvas, label
from lab.live import Axis, Curve, Frame, Live, Slider

LOOKS = dict(zip(INITS, (SERIES[0], SERIES[1], SERIES[2]), strict=True))
NAMES = {"2/n": "2/n", "1/n": "1/n", "1": "variance 1"}
TOP = 1e17  # of the mean square, as drawn: what 1/n loses is seen, and variance 1 leaves the frame


def signal_propagation(result: Result) -> Figure:
    """Mean square of signal and gradient against layer, one curve an initialisation: dots measured, lines predicted."""
    figure, (left, right) = canvas(height=2.8, columns=2, sharey=True)
    for axis, name in ((left, "signal"), (right, "gradient")):
        for init, rows in result.layers.groupby("init"):
            look = LOOKS[str(init)]
            axis.plot(rows["layer"], rows[f"{name}_predicted"], color=look.colour, linestyle=look.dash, linewidth=1.1)
            axis.plot(
                rows["layer"],
                rows[name],
                look.marker,
                color=look.colour,
                markersize=3.2,
                markevery=max(1, result.params.depth // 16),
            )
            band(axis, rows["layer"], rows[f"{name}_low"], rows[f"{name}_high"], look.colour)
            seen = rows[rows[name] < TOP]
            place = seen.iloc[-1 if name == "signal" else 0] if init == "1" else rows.iloc[len(rows) // 2]
            height = min(float(place[name]), TOP / 1e3)  # variance 1 leaves the frame: its name stands where
            aside = 9 if init == "1" else 0
            outwards = (name == "signal") == (init == "1/n")
            label(
                axis, NAMES[str(init)], place["layer"], height, look.colour,
                xytext=(aside if name == "signal" else -aside, -11 if init == "1/n" else 9 if init == "2/n" else 0),
                ha="right" if (init == "1") != (name == "signal") or outwards else "left",
            )  # fmt: skip
        axis.set(yscale="log", title=name, ylim=(1 / TOP, TOP), yticks=[10.0**power for power in range(-15, 16, 5)])
        axis.minorticks_off()
        axis.axhline(1, color=MUTED, linewidth=0.8, zorder=1)
    left.set(xlabel="layer", ylabel="mean square, as a\nmultiple of the first")
    right.set(xlabel="layer (passes from right to left)")
    return figure


def live(result: Result) -> Live:
    """Mean square of the signal against layer at variance c/n, one c at a time; measured where it was."""
    width = result.params.width
    layers = range(1, result.params.depth + 1)
    tried = {number * width ** (1 - power): init for init, (number, power) in INITS.items()}
    numerators = sorted({round(0.1 * step, 1) for step in range(10, 41)} | set(tried))
    frames, names = [], []
    for numerator in numerators:
        curves = [Curve("predicted", layers, [(numerator / 2) ** layer for layer in layers], meaning="predicted")]
        name = f"{numerator:g}/n"
        if init := tried.get(numerator):
            rows = result.layers[(result.layers["init"] == init) & (result.layers["layer"] % 3 == 0)]
            curves.append(Curve.of("measured, typical", rows, "layer", "signal", line=False))
            name = name if init == name else f"{init} ({name})"
        names.append(name)
        sentence = (
            f"Weights of variance {name}: each layer multiplies the mean square by {numerator / 2:.3g} on average. "
        )
        sentence += "After {x} layers that makes {0} times the input’s."
        frames.append(Frame(sentence, curves))
    return Live(
        title="Move the variance",
        x=Axis("layer"),
        y=Axis("mean square of the signal", log=True, low=1e-15, high=1e15),
        controls=[Slider("variance", names, start=numerators.index(2))],
        frames=frames,
        position="layer",
    )


def networks(result: Result) -> Figure:
    """What becomes of single inputs in single networks with variance 2/n: two widths, a thin line each network."""
    figure, axes = canvas(height=3.3, columns=2, sharey=True)
    laws = result.widths.set_index("width")
    for axis, (width, rows) in zip(axes, result.networks.groupby("width"), strict=True):
        for _, network in rows.groupby("network"):
            axis.plot(network["layer"], network["mean_square"], color=MEASURED, linewidth=0.6, alpha=0.45)
        layers = np.unique(rows["layer"])
        law = laws.loc[width]
        typical = law["drift_predicted"] * layers
        reach = 1.96 * law["std_predicted"] * np.sqrt(layers / layers[-1])
        axis.plot(layers, np.exp(typical), color=PREDICTED, linestyle=SERIES[1].dash)
        for side in (-1, 1):
            axis.plot(layers, np.exp(typical + side * reach), color=PREDICTED, linestyle=SERIES[2].dash, linewidth=1.2)
        axis.axhline(1, color=INK, linewidth=1.0)
        axis.set(yscale="log", xlabel="layer", title=f"{width} units", xlim=(0, 1.01 * layers[-1]))
    axes[0].set(ylabel="mean square of one input's signal,\nas a multiple of the input's")
    first, depth, law = axes[0], result.params.depth, laws.loc[result.networks["width"].min()]
    top = float(np.exp(1.5 * law["std_predicted"]))
    first.set_ylim(top=4 * top)  # room for the highest name
    label(first, "mean over networks", 0.08 * depth, top, INK, xytext=(0, 0))
    first.annotate(
        "",
        (0.16 * depth, 1.15),
        (0.16 * depth, 0.75 * top),
        arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.7},
    )
    late = 0.88 * depth
    label(first, "typical", late, float(np.exp(law["drift_predicted"] * late)), PREDICTED, xytext=(0, -9), ha="right")
    label(first, "95 %", 0.06 * depth, float(np.exp(-1.9 * law["std_predicted"])), PREDICTED, xytext=(0, 0))
    return figure


def training(result: Result) -> Figure:
    """Loss after a fixed number of steps against depth, each initialisation at its best learning rate."""
    figure, axis = canvas(height=3.4)
    depths = sorted(result.training["depth"].unique())
    whole = result.training[result.training["finite"] == 1]
    best = whole.loc[whole.groupby(["init", "depth"])["loss"].idxmin()]
    best = best[best["loss"] < np.log(27)]  # a blind guess among the characters
    bottom = float(best["loss"].min())
    top = max(float(best["loss"].max()), result.entropy)
    margin = 0.12 * (top - bottom)
    top += margin
    for init, rows in best.groupby("init"):
        look = LOOKS[str(init)]
        errors = [rows["loss"] - rows["loss_low"], rows["loss_high"] - rows["loss"]]
        axis.errorbar(
            rows["depth"], rows["loss"], yerr=errors, color=look.colour, marker=look.marker, linestyle=look.dash
        )
        lost = sorted(set(depths) - set(rows["depth"]))
        if lost:  # an empty line would take room at the corner of the figure
            axis.plot(lost, [top] * len(lost), "x", color=look.colour, markersize=7, clip_on=False)
        _name(axis, str(init), rows["depth"].iloc[-1], rows["loss"].iloc[-1], lost[0] if lost else None, top)
    axis.axhline(result.entropy, color=CONTROL, linewidth=1.0, linestyle=SERIES[2].dash, zorder=1)
    label(axis, "input ignored", depths[0], result.entropy, CONTROL, xytext=(0, 7), ha="left")
    axis.set(xlabel="hidden layers", ylabel="training loss after\nthe same steps (nats)", xscale="log")
    axis.set(ylim=(bottom - margin, top))
    axis.set(xlim=(0.9 * depths[0], 1.55 * depths[-1]), xticks=depths, xticklabels=[str(depth) for depth in depths])
    axis.minorticks_off()
    return figure


def _name(axis: Axes, init: str, depth: float, loss: float, lost: float | None, top: float) -> None:
    if lost is None:
        label(axis, NAMES[init], depth, loss, LOOKS[init].colour, xytext=(8, 0))
    else:
        label(
            axis, f"{NAMES[init]}: diverged", lost, top, LOOKS[init].colour,
            ha="right", xytext=(-8, 0), phone={"text": f"{init}: diverged", "xytext": (-6, 0)},
        )  # fmt: skip


def cosines(result: Result) -> Figure:
    """Cosine between the signals of two inputs against layer: measured and predicted."""
    figure, axis = canvas(height=3.2)
    rows = result.cosines
    axis.plot(rows["layer"], rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash)
    axis.plot(rows["layer"], rows["cosine"], "o", color=MEASURED, markersize=3.4)
    band(axis, rows["layer"], rows["cosine_low"], rows["cosine_high"], MEASURED)
    axis.axhline(1, color=CONTROL, linewidth=0.9)
    label(axis, "all inputs look alike", rows["layer"].iloc[-1], 1, CONTROL, xytext=(0, 7), ha="right")
    middle = rows.iloc[len(rows) // 8]
    label(
        axis, "measured (dots) and predicted (dashed)", middle["layer"], middle["cosine"] - 0.06, ACCENT, xytext=(6, 0)
    )
    axis.set(xlabel="layer (0: the inputs)", ylabel="cosine between two inputs", ylim=(-0.03, 1.08))
    return figure
