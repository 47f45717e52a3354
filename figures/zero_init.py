"""Figures of the chapter on zero and constant starts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.zero_init import Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, PREDICTED, SERIES, Look, band, canvas, label

# Which start looks how, and where its name stands: label, colour with its second channel.
LOOKS = {
    "zero": ("all zero", SERIES[0]),
    "constant": ("constant", SERIES[1]),
    "constant layers": ("constant layers", SERIES[3]),
    "tiny 0.01": ("1/100 of good", SERIES[4]),
    "tiny 0.1": ("1/10 of good", SERIES[2]),
    "good": ("good", Look(CONTROL, "X", "-")),
}
# Controls that fall on another start's curve: which, and their name.
RINGS = {"constant": ("one unit", "one unit"), "good": ("zero last layer", "last layer zero")}
LIFTS = {"zero": 0.105, "tiny 0.01": 0.04}  # nats; two curves end on the entropy's line, and their names above it


def loss(result: Result) -> Figure:
    """Training loss against step, one curve a start, with the entropies that bound it; two controls as rings."""
    figure, axis = canvas(height=4.4)
    last = int(result.curves["step"].max())
    right = 14 * last  # room for the names
    axis.set(xlabel="step", ylabel="loss on the training set (nats)", xscale="log", xlim=(9, right))
    axis.set(ylim=(1.8, 3.35), xticks=[10, 100, 1000, last], xticklabels=["10", "100", "1000", f"{last}"])
    axis.minorticks_off()
    axis.spines["bottom"].set_bounds(9, last)
    levels = (
        (float(np.log(27)), "ln 27: a uniform guess", 2),
        (result.entropy, "entropy of the letters", -2),
        (result.entropy_context, "entropy, given three letters", 2),
    )
    for level, text, points in levels:
        axis.axhline(level, color=INK, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
        placement = {"ha": "right", "va": "bottom" if points > 0 else "top", "xytext": (0, points)}
        label(axis, text, right, level, INK, **placement)
    ends = []
    for start, (name, look) in LOOKS.items():
        rows = _trained(result, start)
        axis.plot(rows["step"], rows["loss"], marker=look.marker, color=look.colour, linestyle=look.dash)
        band(axis, rows["step"], rows["loss_low"], rows["loss_high"], look.colour)
        ring = RINGS.get(start)
        if ring:
            control = _trained(result, ring[0])
            axis.plot(control["step"], control["loss"], "o", color=INK, fillstyle="none", markersize=8.5)
        lift = LIFTS.get(start, 0.0)
        ends.append((name + (f"; rings: {ring[1]}" if ring else ""), look.colour, float(rows["loss"].iloc[-1]) + lift))
    _names(axis, ends, at=last, gap=0.062)
    return figure


def units(result: Result) -> Figure:
    """Distinct hidden units, and the directions they span, against step."""
    figure, (left, right) = canvas(height=3.7, columns=2, sharey=True)
    last = int(result.curves["step"].max())
    for axis, column, title in ((left, "distinct", "distinct units"), (right, "rank", "rank of the activations")):
        axis.set(title=title, xlabel="step", xscale="log", xlim=(9, last * 1.2))
        axis.set_yscale("symlog", linthresh=1, linscale=0.5)
        axis.set(ylim=(-0.25, 320), yticks=[0, 1, 2, 10, 30, 100, 200])
        axis.set_yticklabels(["0", "1", "2", "10", "30", "100", "200"])
        axis.minorticks_off()
        for start, (_, look) in LOOKS.items():
            rows = _trained(result, start)
            axis.plot(rows["step"], rows[column], marker=look.marker, color=look.colour, linestyle=look.dash)
    for axis, places in (
        (left, {"good": (12, 245), "constant layers": (130, 2.6), "constant": (12, 1.35)}),
        (
            right,
            {"tiny 0.1": (60, 50), "tiny 0.01": (12, 21), "good": (12, 245), "constant layers": (90, 2.6)}
            | {"constant": (12, 1.35), "zero": (12, 0.28)},
        ),
    ):
        for start, (x, y) in places.items():
            name, look = LOOKS[start]
            text = "good, 1/10, 1/100" if axis is left and start == "good" else name
            text = "constant, all zero" if axis is left and start == "constant" else text
            label(axis, text, x, y, look.colour, xytext=(0, 0))
    return figure


def settling(result: Result) -> Figure:
    """How far the all-zero network's loss is above the entropy, against step: measured and predicted."""
    figure, axis = canvas(height=3.4)
    rows = result.settling[result.settling["step"] > 0]
    axis.plot(rows["step"], rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash, zorder=2)
    errors = [rows["excess"] - rows["excess_low"], rows["excess_high"] - rows["excess"]]
    axis.errorbar(rows["step"], rows["excess"], yerr=errors, fmt="o", color=MEASURED, zorder=3)
    axis.axhline(result.noise, color=ACCENT, linewidth=1.1, linestyle=SERIES[2].dash)
    axis.set(xlabel="step", ylabel="loss above the entropy (nats)", xscale="log", yscale="log", ylim=(5e-4, 0.7))
    middle = rows.iloc[len(rows) // 2]
    label(axis, "predicted", middle["step"], middle["predicted"] * 1.5, PREDICTED)
    label(axis, "measured", rows["step"].iloc[2], rows["excess"].iloc[2] * 0.62, MEASURED, ha="right", xytext=(-2, 0))
    label(axis, "noise that SGD leaves for good", 10, result.noise, ACCENT, xytext=(0, 7))
    return figure


def escapes(result: Result) -> Figure:
    """Steps until a small thing has grown, against its size: a power law, and two logarithms."""
    figure, (left, right) = canvas(height=3.6, columns=2)
    small, faint, jitter = (result.escapes[result.escapes["kind"] == kind] for kind in ("small", "faint", "jitter"))
    _dots(left, small, SERIES[0])
    line = small["step"].iloc[-1] * small["size"].iloc[-1] / small["size"]
    left.plot(small["size"], line, color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    left.set(xscale="log", yscale="log", xlabel="size of all weights", ylabel="steps until the letters are heard")
    left.set(xlim=(0.02, 0.125), ylim=(350, 2600), xticks=list(small["size"]), yticks=[500, 1000, 2000])
    left.set_xticklabels([f"1/{1 / size:.0f}" for size in small["size"]])
    left.set_yticklabels(["500", "1000", "2000"])
    left.minorticks_off()
    label(left, "1 / size", float(small["size"].iloc[1]), 1.13 * float(line.iloc[1]), PREDICTED)

    _dots(right, faint, SERIES[0])
    _dots(right, jitter, SERIES[2])
    tenfold = np.log10(faint["size"].iloc[0] / faint["size"])
    predicted = faint["step"].iloc[0] + tenfold * result.decade_predicted.mean
    right.plot(faint["size"], predicted, color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    right.set(xscale="log", xlabel="size", ylabel="steps", ylim=(0, 850), xlim=(5e-6, 4e-2))
    label(right, "of the layers, until\nletters are heard", 6e-6, 140, SERIES[0].colour, xytext=(0, 0))
    label(right, "of the noise, until\nequal units part", 2.2e-4, 640, SERIES[2].colour, xytext=(0, 0))
    label(right, "theory", float(faint["size"].iloc[1]), float(predicted.iloc[1]) - 45, PREDICTED, ha="right")
    return figure


def _trained(result: Result, start: str) -> pd.DataFrame:
    """Return a start's curve without its first point, which a logarithmic axis cannot show."""
    return result.curves[(result.curves["start"] == start) & (result.curves["step"] > 0)]


def _dots(axis: Axes, rows: pd.DataFrame, look: Look) -> None:
    errors = [rows["step"] - rows["step_low"], rows["step_high"] - rows["step"]]
    axis.errorbar(rows["size"], rows["step"], yerr=errors, fmt=look.marker, color=look.colour, zorder=3)


def _names(axis: Axes, ends: list[tuple[str, str, float]], *, at: float, gap: float) -> None:
    """Write each curve's name to the right of its end, at least `gap` below the name above it."""
    ceiling = np.inf
    for name, colour, height in sorted(ends, key=lambda end: -end[2]):
        ceiling = min(height, ceiling - gap)
        label(axis, name, at, ceiling, colour, xytext=(7, 0))
