"""Figures of the chapter on initialising all weights at zero, or at one constant."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.zero_init import Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, PREDICTED, SERIES, Look, band, canvas, label, log_ticks

UNIFORM = float(np.log(27))  # nats
# Controls that fall on another initialisation's curve: which, and their name.
RINGS = {"constant": ("one unit", "one unit"), "good": ("zero last layer", "last layer zero")}
ON_THE_LINE = 0.03  # nats; a curve that ends so close to the entropy has its name above that line


def loss(result: Result) -> Figure:
    """Training loss against step, a curve for each initialisation, with the entropies that bound it; controls as rings."""
    figure, axis = canvas(height=4.4)
    first, last = _steps(result)
    right = 14 * last  # room for the names
    top = max(UNIFORM, float(result.curves["loss"].max())) + 0.05
    axis.set(xlabel="step", ylabel="loss on the training set (nats)", xscale="log", xlim=(0.9 * first, right))
    axis.set(ylim=(result.conditional_entropy - 0.1, top))
    log_ticks(axis.xaxis)
    axis.set_xticks([tick for tick in axis.get_xticks() if 0.9 * first <= tick <= last])
    axis.spines["bottom"].set_bounds(0.9 * first, last)
    levels = (
        (UNIFORM, "ln 27: a uniform guess", 2),
        (result.entropy, "entropy of the letter frequencies", -2),
        (result.conditional_entropy, "entropy given the context", 2),
    )
    for level, text, points in levels:
        axis.axhline(level, color=INK, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
        placement = {"ha": "right", "va": "bottom" if points > 0 else "top", "xytext": (0, points)}
        label(axis, text, right, level, INK, **placement)
    ends = []
    for init, (name, look) in _looks(result).items():
        rows = _trained(result, init)
        axis.plot(rows["step"], rows["loss"], marker=look.marker, color=look.colour, linestyle=look.dash)
        band(axis, rows["step"], rows["loss_low"], rows["loss_high"], look.colour)
        ring = RINGS.get(init)
        if ring:
            control = _trained(result, ring[0])
            axis.plot(control["step"], control["loss"], "o", color=INK, fillstyle="none", markersize=8.5)
        ends.append((name + (f"; rings: {ring[1]}" if ring else ""), look.colour, float(rows["loss"].iloc[-1])))
    _names(axis, ends, at=last, line=result.entropy, gap=0.062)
    return figure


def units(result: Result) -> Figure:
    """Distinct hidden units, and the rank of their activations, against step."""
    figure, (left, right) = canvas(height=3.7, columns=2, sharey=True)
    first, last = _steps(result)
    width, looks = result.params.width, _looks(result)
    ticks = [0, 1, 2, *(tick for tick in (10, 30, 100, 300, 1000) if tick < 0.7 * width), width]
    for axis, column, title in ((left, "distinct_units", "distinct units"), (right, "rank", "rank of the activations")):
        axis.set(title=title, xlabel="step", xscale="log", xlim=(0.9 * first, last * 1.2))
        axis.set_yscale("symlog", linthresh=1, linscale=0.5)
        axis.set(ylim=(-0.25, 1.6 * width), yticks=ticks, yticklabels=[f"{tick}" for tick in ticks])
        axis.minorticks_off()
        for init, (_, look) in looks.items():
            rows = _trained(result, init)
            axis.plot(rows["step"], rows[column], marker=look.marker, color=look.colour, linestyle=look.dash)
    early, layers = 1.25 * first, float(np.sqrt(first * last)) * 0.6
    sizes = ", ".join(f"1/{1 / scale:.0f}" for scale in result.params.tiny_scales)
    label(left, f"good, {sizes}", early, 1.22 * width, looks["good"][1].colour, xytext=(0, 0))
    label(left, "constant, all zero", early, 1.35, looks["constant"][1].colour, xytext=(0, 0))
    label(right, "good", early, 1.22 * width, looks["good"][1].colour, xytext=(0, 0))
    label(right, "constant", early, 1.35, looks["constant"][1].colour, xytext=(0, 0))
    label(right, "all zero", early, 0.28, looks["zero"][1].colour, xytext=(0, 0))
    for axis in (left, right):
        label(axis, "constant layers", layers, 2.6, looks["constant layers"][1].colour, xytext=(0, 0))
    for place, scale in enumerate(result.params.tiny_scales):
        name, look = looks[f"tiny {scale:g}"]
        rows = _trained(result, f"tiny {scale:g}")
        beside = {"va": "bottom", "xytext": (2, 8)} if place == 0 else {"va": "top", "xytext": (0, -6)}
        label(right, name, rows["step"].iloc[0], rows["rank"].iloc[0], look.colour, **beside)
    return figure


def excess_loss(result: Result) -> Figure:
    """How far the all-zero network's loss is above the entropy, against step: measured and predicted."""
    figure, axis = canvas(height=3.4)
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
    """Steps until something small has grown, against its scale: a power law, and two logarithms."""
    figure, (left, right) = canvas(height=3.6, columns=2)
    weights, layers, noise = (
        result.escapes[result.escapes["small"] == small] for small in ("all weights", "layers", "noise")
    )
    _dots(left, weights, SERIES[0])
    line = weights["step"].iloc[-1] * weights["scale"].iloc[-1] / weights["scale"]
    left.plot(weights["scale"], line, color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    left.set(xscale="log", yscale="log", xlabel="scale of all weights", ylabel="steps until the context is used")
    left.set(xlim=(0.8 * weights["scale"].min(), 1.25 * weights["scale"].max()))
    left.set(ylim=(0.75 * weights["step_low"].min(), 1.2 * weights["step_high"].max()))
    log_ticks(left.yaxis, (1, 2, 5))
    left.set_xticks(weights["scale"], [f"1/{1 / scale:.0f}" for scale in weights["scale"]])
    left.minorticks_off()
    label(left, "1 / scale", float(weights["scale"].iloc[1]), 1.13 * float(line.iloc[1]), PREDICTED)

    _dots(right, layers, SERIES[0])
    _dots(right, noise, SERIES[2])
    tenfold = np.log10(layers["scale"].iloc[0] / layers["scale"])
    predicted = layers["step"].iloc[0] + tenfold * result.steps_per_decade_predicted.mean
    right.plot(layers["scale"], predicted, color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    right.set(
        xscale="log",
        xlabel="scale",
        ylabel="steps",
        ylim=(0, 1.07 * max(layers["step_high"].max(), noise["step_high"].max())),
    )
    right.set(xlim=(0.5 * layers["scale"].min(), 4 * layers["scale"].max()))
    below = {"va": "top", "ha": "left", "xytext": (-8, -14)}
    label(
        right,
        "layers, until the\ncontext is used",
        layers["scale"].iloc[-1],
        layers["step"].iloc[-1] * 0.6,
        SERIES[0].colour,
        **below,
    )
    above = {"va": "bottom", "xytext": (8, 2)}
    label(
        right,
        "noise, until equal\nunits separate",
        noise["scale"].iloc[-2],
        noise["step"].iloc[-2],
        SERIES[2].colour,
        **above,
    )
    label(right, "theory", layers["scale"].iloc[0], predicted.iloc[0], PREDICTED, va="top", xytext=(2, -8))
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


def _names(axis: Axes, ends: list[tuple[str, str, float]], *, at: float, line: float, gap: float) -> None:
    """Write each curve's name to the right of its end, or above `line` where it ends there; `gap` apart at least."""
    on_line = sorted((end for end in ends if abs(end[2] - line) < ON_THE_LINE), key=lambda end: end[2])
    others = [end for end in ends if end not in on_line]
    placed = others + [(name, colour, line + (0.65 + k) * gap) for k, (name, colour, _) in enumerate(on_line)]
    ceiling = np.inf
    for name, colour, height in sorted(placed, key=lambda end: -end[2]):
        ceiling = min(height, ceiling - gap)
        label(axis, name, at, ceiling, colour, xytext=(7, 0))
