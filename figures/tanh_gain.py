"""Figures of the chapter on tanh and its gain."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.tanh_gain import FIVE_THIRDS, Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, MUTED, PREDICTED, SERIES, band, canvas, label, log_ticks
from lab.live import Axis, Curve, Frame, Live, Slider
from nets.mean_field import gradient_factor, next_variance


def fixed_points(result: Result) -> Figure:
    """Where the RMS settles against gain: the theory's curve, the measured networks, and the three famous gains."""
    figure, axis = canvas(height=2.9)
    measured = result.gains
    theory = result.fixed_points
    axis.plot(theory["gain"], theory["rms"], color=PREDICTED, linestyle=SERIES[1].dash, zorder=2)
    axis.errorbar(
        measured["gain"],
        measured["rms"],
        yerr=[measured["rms"] - measured["rms_low"], measured["rms_high"] - measured["rms"]],
        fmt="o",
        color=MEASURED,
        zorder=3,
    )
    left = {"ha": "right", "xytext": (-5, 0)}
    one = {"phone": {"ha": "right", "xytext": (-5, 0)}}
    for gain, name, beside in ((1.0, "gain 1", one), (result.ideal_gain, "ideal", left), (FIVE_THIRDS, "5/3", {})):
        axis.axvline(gain, color=ACCENT if gain != 1 else MUTED, linewidth=0.9, zorder=1)
        label(axis, name, gain, 0.06, ACCENT if gain != 1 else INK, **beside)
    end, last = theory.iloc[-1], measured.iloc[-1]
    label(axis, "theory: infinitely\nwide and deep", end["gain"], end["rms"] - 0.17, PREDICTED, ha="right")
    label(axis, f"measured, layer {result.params.depth}", last["gain"], last["rms"] + 0.09, MEASURED, ha="right")
    axis.set(xlabel="gain", ylabel="activations (RMS)", ylim=(-0.02, 1))
    return figure


def live(result: Result) -> Live:
    """The RMS of the activations against layer at infinite width, one gain at a time; measured where it was."""
    gains = sorted({round(0.5 + 0.05 * step, 2) for step in range(55)} | set(result.gains["gain"]))
    layers = list(range(1, result.params.depth + 1))
    frames = []
    for gain in gains:
        variances = [gain**2]
        while len(variances) <= len(layers):
            variances.append(next_variance(variances[-1], gain))
        growth = float(np.prod([gradient_factor(variance, gain) for variance in variances[1:-1]])) ** 0.5
        by = float(f"{max(growth, 1 / growth):.2g}")
        times = "more than a billion" if by >= 1e9 else f"{by:,.0f}" if by >= 10 else f"{by:g}"
        change = f"{'grown' if growth > 1 else 'shrunk'} {times}-fold"
        rms = [float(np.sqrt(variance)) / gain for variance in variances[1:]]
        sentence = f"Gain {_name(gain, result)}: after {{x}} layers the activations have an RMS of {{0}}."
        sentence += f" On its way back through all {len(layers)} the gradient has {change}."
        curves = [Curve("predicted", layers, rms, meaning="predicted")]
        if len(measured := result.layers[result.layers["gain"] == gain]):
            curves.append(Curve.of("measured", measured[measured["layer"] % 5 == 0], "layer", "rms", line=False))
        frames.append(Frame(sentence, curves))
    names = [_name(gain, result) for gain in gains]
    return Live(
        title="Move the gain",
        x=Axis("layer"),
        y=Axis("activations (RMS)", log=True, low=0.03, high=1.1),
        controls=[Slider("gain", names, start=names.index("1.25"))],
        frames=frames,
        position="layer",
    )


def signal(result: Result) -> Figure:
    """RMS of the activations against layer, one curve a gain: dots measured, lines predicted."""
    figure, axis = canvas(height=3.6)
    depth = result.params.depth
    axis.set(xlabel="layer", ylabel="activations (RMS)", yscale="log", xlim=(0, 1.14 * depth))
    axis.set(ylim=(0.03, 1.1))  # what sinks below is lost anyway
    log_ticks(axis.yaxis, (1, 3))
    _curves(axis, result, "rms", at="right")
    return figure


def gradient(result: Result) -> Figure:
    """RMS of the gradient against layer, one curve a gain: dots measured, lines predicted."""
    figure, axis = canvas(height=3.9)
    depth, layers = result.params.depth, result.layers
    axis.set(
        xlabel="layer (the gradient passes ←)",
        ylabel="gradient (RMS), last layer = 1",
    )
    axis.set(yscale="log", xlim=(0, 1.02 * depth))
    axis.set_xticks([tick for tick in axis.get_xticks() if tick <= depth])
    axis.set_xlim(-0.2 * depth, 1.02 * depth)  # room for names
    axis.set(ylim=(layers["gradient_low"].min() / 5, 5 * layers["gradient_high"].max()))
    _curves(axis, result, "gradient", at="left")
    return figure


def pushed(result: Result) -> Figure:
    """Training loss of each kind of network at its best learning rate, and the loss that needs no input."""
    figure, axis = canvas(height=2.5)
    rows = result.pushed.iloc[::-1].reset_index(drop=True)  # first kind on top
    words = {"none": "ideal gain", "last": "last layer pushes", "every": "every layer pushes"}
    axis.axvline(result.entropy, color=CONTROL, linewidth=1.0, linestyle=SERIES[2].dash, zorder=1)
    for place, row in rows.iterrows():
        look = SERIES[0] if row["pushes"] == "none" else SERIES[1]
        error = [[row["loss"] - row["loss_low"]], [row["loss_high"] - row["loss"]]]
        axis.errorbar(row["loss"], place, xerr=error, fmt=look.marker, color=look.colour)
    names = [
        "the only layer pushes" if row["pushes"] == "every" and row["depth"] == 1 else words[row["pushes"]]
        for _, row in rows.iterrows()
    ]
    axis.set(yticks=range(len(rows)), yticklabels=names, ylim=(-0.6, len(rows) - 0.4))
    axis.axhline((rows["depth"] > 1).sum() - 0.5, color=MUTED, linewidth=0.7)
    right = result.entropy + 0.16 * (result.entropy - rows["loss"].min())
    for depth, group in rows.groupby("depth"):
        layers = "1 hidden layer" if depth == 1 else f"{depth} hidden layers"
        inside = {"xytext": (-30, 0), "ha": "right"}
        label(axis, layers, right, group.index.max(), INK, xytext=(0, 0), ha="left", phone=inside)
    label(
        axis, "input ignored", result.entropy, 1, CONTROL,
        xycoords=("data", "axes fraction"), xytext=(0, 2), ha="center", va="bottom",
    )  # fmt: skip
    axis.set(xlabel="training loss after the same steps (nats)")
    axis.grid(visible=False, axis="y")
    return figure


NOT_DRAWN = (1.1, 2.0)  # against layer: as many gains as there are looks, and those that say most
README = fixed_points  # shown there, by `python -m figures`


def _curves(axis: Axes, result: Result, quantity: str, *, at: str) -> None:
    """Draw one quantity against layer for every gain, and its name where the curve leaves the frame or ends."""
    low, high = axis.get_ylim()
    side = {} if at == "right" else {"ha": "right", "xytext": (-6, 0)}
    drawn = result.layers[~result.layers["gain"].isin(NOT_DRAWN)]
    for (gain, rows), look in zip(drawn.groupby("gain"), SERIES, strict=False):
        axis.plot(rows["layer"], rows[f"{quantity}_predicted"], color=look.colour, linestyle=look.dash, linewidth=1.1)
        axis.plot(
            rows["layer"], rows[quantity], look.marker, color=look.colour, markersize=3.2, markevery=3, linestyle=""
        )
        band(axis, rows["layer"], rows[f"{quantity}_low"], rows[f"{quantity}_high"], look.colour)
        inside = rows[rows[quantity].between(low, high)]
        end = inside.iloc[-1 if at == "right" else 0]
        name = _name(float(str(gain)), result)
        label(axis, name, end["layer"], end[quantity], look.colour, phone={"text": name.partition(" ")[0]}, **side)


def _name(gain: float, result: Result) -> str:
    if gain == FIVE_THIRDS:
        return "5/3"
    words = {result.ideal_gain: "ideal", result.ideal_gain / 2: "half", 2 * result.ideal_gain: "double"}
    return f"{gain:.2f} ({words[gain]})" if gain in words else f"{gain:g}"
