"""Figures of the chapter on initialising all weights at zero, or at one constant."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.zero_init import Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, PREDICTED, SERIES, Look, band, canvas, label, log_ticks


def loss(result: Result) -> Figure:
    """Training loss against step, a curve for each initialisation, with the entropy of the characters."""
    figure, axis = canvas(height=3.1)
    first, last = _steps(result)
    right = 9 * last  # room for the names
    shown = {init: _trained(result, init) for init in _looks(result) if init != "constant layers"}
    ends = [float(rows["loss"].iloc[-1]) for rows in shown.values()]
    top = max(float(rows["loss"].max()) for rows in shown.values())
    axis.set(xlabel="step", ylabel="loss (nats)", xscale="log", xlim=(0.9 * first, right))
    axis.set(ylim=(min(ends) - 0.08, max(top, result.entropy) + 0.05))
    log_ticks(axis.xaxis)
    axis.set_xticks([tick for tick in axis.get_xticks() if 0.9 * first <= tick <= last])
    axis.spines["bottom"].set_bounds(0.9 * first, last)
    axis.axhline(result.entropy, color=INK, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    label(
        axis, "knowing frequencies only", right, result.entropy, INK,
        ha="right", va="bottom", xytext=(0, 2), phone={"text": "frequencies only"},
    )  # fmt: skip
    for init, rows in shown.items():
        name, look = _looks(result)[init]
        axis.plot(rows["step"], rows["loss"], marker=look.marker, color=look.colour, linestyle=look.dash)
        band(axis, rows["step"], rows["loss_low"], rows["loss_high"], look.colour)
        label(axis, name, last, float(rows["loss"].iloc[-1]), look.colour, va="top", xytext=(7, 0))
    return figure


def units(result: Result) -> Figure:
    """Distinct hidden units against step."""
    figure, axis = canvas(height=2.9)
    first, last = _steps(result)
    width, looks = result.params.width, _looks(result)
    ticks = [1, 2, *(tick for tick in (10, 30, 100, 300, 1000) if tick < 0.7 * width), width]
    axis.set(xlabel="step", ylabel="distinct units", xscale="log", xlim=(0.9 * first, last * 1.2))
    axis.set_yscale("log")
    axis.set(ylim=(0.7, 1.9 * width), yticks=ticks, yticklabels=[f"{tick}" for tick in ticks])
    axis.minorticks_off()
    for init, (_, look) in looks.items():
        rows = _trained(result, init)
        axis.plot(rows["step"], rows["distinct_units"], marker=look.marker, color=look.colour, linestyle=look.dash)
    early, layers = 1.25 * first, float(np.sqrt(first * last)) * 0.7
    sizes = " and ".join(f"1/{1 / scale:.0f}" for scale in result.params.tiny_scales)
    label(axis, f"good, and {sizes} of it", early, 1.32 * width, looks["good"][1].colour, xytext=(0, 0))
    label(axis, "constant, all zero", early, 1.28, looks["constant"][1].colour, xytext=(0, 0))
    label(axis, "constant layers, random embeddings", layers, 2.6, looks["constant layers"][1].colour, xytext=(0, 0))
    return figure


def excess_loss(result: Result) -> Figure:
    """How far the all-zero network's loss is above the entropy, against step: measured and predicted."""
    figure, axis = canvas(height=3.0)
    rows = result.excess_loss[result.excess_loss["step"] > 0]
    axis.plot(rows["step"], rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash, zorder=2)
    errors = [rows["excess"] - rows["excess_low"], rows["excess_high"] - rows["excess"]]
    axis.errorbar(rows["step"], rows["excess"], yerr=errors, fmt="o", color=MEASURED, zorder=3)
    axis.axhline(result.stationary_excess, color=ACCENT, linewidth=1.1, linestyle=SERIES[2].dash)
    axis.set(xlabel="step", ylabel="loss above the entropy (nats)", xscale="log", yscale="log")
    axis.set(ylim=(0.8 * result.stationary_excess, 1.6 * rows["excess"].max()))
    middle = rows.iloc[len(rows) // 2]
    label(axis, "predicted", middle["step"], middle["predicted"] * 1.5, PREDICTED)
    label(axis, "measured", rows["step"].iloc[2], rows["excess"].iloc[2] * 0.62, MEASURED, ha="right", xytext=(-2, 0))
    label(axis, "noise of SGD", rows["step"].iloc[0], result.stationary_excess, ACCENT, xytext=(0, 7))
    return figure


def escapes(result: Result) -> Figure:
    """Steps until the context is used, against what is small: a power law, and a logarithm."""
    figure, (left, right) = canvas(height=3.1, columns=2)
    weights, layers = (result.escapes[result.escapes["small"] == small] for small in ("all weights", "layers"))
    _dots(left, weights, SERIES[0])
    line = weights["step"].iloc[0] * weights["scale"].iloc[0] / weights["scale"]
    left.plot(weights["scale"], line, color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    left.set(xscale="log", yscale="log", xlabel="scale of all weights", ylabel="steps until the context is used")
    left.set(xlim=(0.8 * weights["scale"].min(), 1.25 * weights["scale"].max()))
    left.set(ylim=(0.75 * weights["step_low"].min(), 1.3 * weights["step_high"].max()))
    log_ticks(left.yaxis, (1, 2, 5))
    left.set_xticks(weights["scale"], [f"1/{1 / scale:.0f}" for scale in weights["scale"]])
    left.minorticks_off()
    label(left, "1 / scale", float(weights["scale"].iloc[1]), 1.13 * float(line.iloc[1]), PREDICTED)

    _dots(right, layers, SERIES[0])
    tenfold = np.log10(layers["scale"].iloc[0] / layers["scale"])
    predicted = layers["step"].iloc[0] + tenfold * result.steps_per_decade_predicted.mean
    right.plot(layers["scale"], predicted, color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    right.set(xscale="log", xlabel="scale of both layers", ylim=(0, 1.1 * layers["step_high"].max()))
    right.set(xlim=(0.5 * layers["scale"].min(), 4 * layers["scale"].max()))
    label(right, "logarithm", layers["scale"].iloc[1], predicted.iloc[1], PREDICTED, va="bottom", xytext=(2, 6))
    return figure


def _looks(result: Result) -> dict[str, tuple[str, Look]]:
    """Return how each initialisation is drawn: its name, and its colour with a second channel."""
    tiny = zip(result.params.tiny_scales, (SERIES[2], SERIES[4], SERIES[5], SERIES[6]), strict=False)
    return {
        "zero": ("all zero", SERIES[0]),
        "constant": ("constant", SERIES[1]),
        "constant layers": ("constant layers", SERIES[3]),
        **{f"tiny {scale:g}": (f"1/{1 / scale:.0f} of good", look) for scale, look in tiny},
        "good": ("good", Look(CONTROL, "X", "-")),
    }


def _steps(result: Result) -> tuple[int, int]:
    """Return the first and the last evaluation after training has begun."""
    steps = result.curves["step"]
    return int(steps[steps > 0].min()), int(steps.max())


def _trained(result: Result, init: str) -> pd.DataFrame:
    """Return a curve without its first point, which a logarithmic axis cannot show."""
    return result.curves[(result.curves["init"] == init) & (result.curves["step"] > 0)]


def _dots(axis: Axes, rows: pd.DataFrame, look: Look) -> None:
    errors = [rows["step"] - rows["step_low"], rows["step_high"] - rows["step"]]
    axis.errorbar(rows["scale"], rows["step"], yerr=errors, fmt=look.marker, color=look.colour, zorder=3)
