"""Figures of the chapter on how wide pre-activations should be."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.saturation import FIVE_THIRDS, RAW, SATURATED, Result, expected_nonlinearity, expected_saturated
from figures.style import ACCENT, CONTROL, MEASURED, PREDICTED, SERIES, Look, band, canvas, label, log_ticks
from lab.live import Axis, Curve, Frame, Live, Slider

SCALE = "scale of the first layer"


def nonlinearity(result: Result) -> Figure:
    """Saturated share and nonlinearity against scale: at initialisation, after training, and predicted."""
    figure, (left, right) = canvas(height=3.6, columns=2)
    for axis, quantity in ((left, "saturated"), (right, "nonlinearity")):
        axis.set(xlabel=SCALE, xscale="log")
        log_ticks(axis.xaxis)
        axis.plot(result.predicted["scale"], result.predicted[quantity], color=PREDICTED, linestyle=SERIES[1].dash)
        _dots(axis, result.at_init, quantity, SERIES[0])
        _dots(axis, result.after_training, quantity, Look(CONTROL, "s", "-"))
    left.set(ylabel=f"share of activations beyond ±{SATURATED:g}", ylim=(-0.03, 1.03))
    right.set(ylabel="share of variance that is not linear", yscale="log")
    right.set(ylim=(0.2 * result.at_init["nonlinearity"].min(), 1.5))
    narrow, middle = result.at_init.iloc[0], result.at_init.iloc[len(result.at_init) // 2]
    label(left, "at initialisation", middle["scale"], middle["saturated"], MEASURED, ha="right", xytext=(-6, 14))
    label(left, "after training", narrow["scale"], 0.06, CONTROL, xytext=(-2, 3))
    _name_theory(left, result, "saturated", FIVE_THIRDS, (12, 4))
    trained = result.after_training.iloc[0]
    label(right, "after training", narrow["scale"], trained["nonlinearity"], CONTROL, va="bottom", xytext=(-2, 8))
    second = result.at_init.iloc[1]
    label(right, "at initialisation", second["scale"], second["nonlinearity"], MEASURED, xytext=(7, -4))
    _name_theory(right, result, "nonlinearity", FIVE_THIRDS / 2, (7, -2))
    return figure


def live(result: Result) -> Live:
    """The density of tanh's output at initialisation, one scale at a time; the loss at the end where it was measured."""
    scales = sorted({*result.predicted["scale"].iloc[::3], *result.at_init["scale"]})
    last = result.losses["step"].max()
    ends = result.losses.query("network == 'tanh' and step == @last").set_index("scale")["loss"]
    frames = []
    for scale in scales:
        pre = np.linspace(-4, 4, 121) * min(scale, 1)
        density = np.exp(-((pre / scale) ** 2) / 2) / np.sqrt(2 * np.pi) / scale * np.cosh(pre) ** 2
        beyond, bent = 100 * expected_saturated(scale, SATURATED), _percent(expected_nonlinearity(scale))
        sentence = f"Scale {_name(scale)}, by theory: {beyond:.0f} % of the activations lie beyond ±{SATURATED:g}. "
        sentence += f"A straight line leaves {bent} of their variance unexplained."
        if scale in ends.index:
            sentence += f" Measured after {last:,} steps: a loss of {ends[scale]:.3f} nats."
        frames.append(Frame(sentence, [Curve("", np.tanh(pre).tolist(), density.tolist(), meaning="predicted")]))
    return Live(
        title="Move the scale of the first layer",
        x=Axis("activation", low=-1, high=1),
        y=Axis("density by theory", low=0, high=3),
        controls=[Slider("scale", [_name(scale) for scale in scales], start=scales.index(FIVE_THIRDS))],
        frames=frames,
    )


def gradients(result: Result) -> Figure:
    """Gradient with respect to pre-activations, and embeddings, over that with respect to activations, against scale."""
    figure, axis = canvas(height=3.6)
    axis.set(xlabel=SCALE, ylabel="gradient, relative to the activations'", xscale="log", yscale="log")
    log_ticks(axis.xaxis)
    for quantity, look in (("pre_gradient", SERIES[0]), ("embedding_gradient", SERIES[2])):
        axis.plot(result.predicted["scale"], result.predicted[quantity], color=PREDICTED, linestyle=SERIES[1].dash)
        _dots(axis, result.at_init, quantity, look)
    log_ticks(axis.yaxis, (1, 2, 5))
    lowest, highest = (find(result.predicted["embedding_gradient"]) for find in (min, max))
    axis.set(ylim=(0.6 * lowest, 2 * highest))
    _marks(axis, 0.75 * lowest)
    narrow, second = result.at_init.iloc[0], result.at_init.iloc[1]
    label(axis, "pre-activations", narrow["scale"], narrow["pre_gradient"], SERIES[0].colour, xytext=(-2, 10))
    label(axis, "embeddings", second["scale"], second["embedding_gradient"], SERIES[2].colour, xytext=(8, -6))
    last = result.predicted.iloc[-1]
    label(axis, "theory", last["scale"], last["embedding_gradient"], PREDICTED, ha="right", xytext=(-16, 2))
    return figure


def loss(result: Result) -> Figure:
    """Loss against scale, after the first evaluation and after the last."""
    figure, axis = canvas(height=3.0)
    narrow, wide = result.at_init["scale"].min(), result.at_init["scale"].max()
    axis.set(xlabel=SCALE, ylabel="loss on the training set (nats)", xscale="log", xlim=(0.83 * narrow, 8 * wide))
    ticks = result.params.scales
    axis.set(xticks=ticks, xticklabels=[f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.spines["bottom"].set_bounds(0.83 * narrow, 1.33 * wide)
    trained = result.losses[result.losses["network"] == "tanh"]
    for step, look in ((trained["step"].min(), SERIES[2]), (trained["step"].max(), SERIES[0])):
        rows = trained[trained["step"] == step]
        axis.plot(rows["scale"], rows["loss"], marker=look.marker, color=look.colour, linestyle=look.dash)
        band(axis, rows["scale"], rows["loss_low"], rows["loss_high"], look.colour)
        label(axis, f"after {step:,} steps", rows["scale"].iloc[-1], rows["loss"].iloc[-1], look.colour, xytext=(13, 0))
    _marks(axis, axis.get_ylim()[0])
    return figure


def learning(result: Result) -> Figure:
    """Loss after the last step, at scale 5/3 and the largest, by what learns besides the last layer."""
    figure, axis = canvas(height=2.8)
    ends = result.losses[result.losses["step"] == result.losses["step"].max()]
    words = {"frozen": "nothing", "hidden frozen": "embeddings", "embeddings frozen": "hidden layer", "tanh": "both"}
    wide = result.at_init["scale"].max()
    for scale, name, look in ((FIVE_THIRDS, "scale 5/3", SERIES[0]), (wide, f"scale {wide:g}", SERIES[1])):
        rows = ends[ends["scale"] == scale].set_index("network").loc[list(words)]
        errors = [rows["loss"] - rows["loss_low"], rows["loss_high"] - rows["loss"]]
        axis.errorbar(rows["loss"], range(len(words)), xerr=errors, fmt=look.marker, color=look.colour)
        label(
            axis, name, float(rows["loss"].iloc[-1]), len(words) - 1, look.colour, ha="center", va="top", xytext=(0, -9)
        )
    axis.set(yticks=range(len(words)), yticklabels=list(words.values()), ylim=(len(words) - 0.3, -0.5))
    axis.set(xlabel="loss on the training set (nats)", ylabel="what learns, besides\nthe last layer")
    return figure


def _name(scale: float) -> str:
    return {FIVE_THIRDS: "5/3", RAW: f"{RAW:.2g} (raw)"}.get(scale, f"{scale:.2g}")


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share > 1e-4 else "less than 0.01 %"


def _name_theory(axis: Axes, result: Result, quantity: str, scale: float, beside: tuple[float, float]) -> None:
    """Write "theory" beside the predicted curve, at a scale."""
    place = result.predicted.iloc[(result.predicted["scale"] > scale).argmax()]
    label(axis, "theory", place["scale"], place[quantity], PREDICTED, xytext=beside)


def _dots(axis: Axes, rows: pd.DataFrame, quantity: str, look: Look) -> None:
    errors = [rows[quantity] - rows[f"{quantity}_low"], rows[f"{quantity}_high"] - rows[quantity]]
    axis.errorbar(rows["scale"], rows[quantity], yerr=errors, fmt=look.marker, color=look.colour, zorder=3)


def _marks(axis: Axes, height: float) -> None:
    """Mark the scale that people use, and that of weights left standard normal."""
    for scale, name, placement in ((FIVE_THIRDS, "5/3", {"ha": "right", "xytext": (-4, 6)}), (RAW, "raw", {})):
        axis.axvline(scale, color=ACCENT, linewidth=0.9, zorder=0)
        label(axis, name, scale, height, ACCENT, **({"xytext": (4, 6)} | placement))
