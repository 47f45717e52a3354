"""Figures of the chapter on a batch and its copies."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.batch_average import Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, PREDICTED, SERIES, band, canvas, label

_LOOKS = {"float64": (MEASURED, SERIES[0].marker), "float32": (ACCENT, SERIES[1].marker)}


def walks(result: Result) -> Figure:
    """Distance of the copies' average from the batch's network against step: together, and alone at three rates."""
    figure, axis = canvas(height=4.0)
    for (rate, rows), look in zip(result.walks.groupby("rate"), SERIES, strict=False):
        together = rate == 0
        colour = CONTROL if together else look.colour
        axis.plot(rows["step"], rows["distance"], look.marker, linestyle=look.dash, color=colour, linewidth=1.1)
        band(axis, rows["step"], rows["low"], rows["high"], colour)
        name = "averaging gradients\nat every step" if together else f"alone, rate {rate:g}"
        end = rows.iloc[-1]
        label(axis, name, end["step"], end["distance"], colour)
    axis.set(xscale="log", yscale="log", xlabel="step", xlim=(0.9, 900), ylim=(1e-16, 10))
    axis.set_xticks([1, 10, 100], ["1", "10", "100"])
    axis.set_ylabel("distance of the copies' average from\nthe batch's network, over the way gone")
    return figure


def differences(result: Result) -> Figure:
    """Error of central differences against the size of the nudge, in two precisions, with both branches of theory."""
    figure, axis = canvas(height=4.0)
    _by_precision(axis, result, "error")
    label(axis, "rounding", 2e-8, 3e-9, PREDICTED, ha="right", xytext=(0, 0))
    label(axis, "left out of\nthe series", 6e-3, 2e-8, PREDICTED, xytext=(0, 0))
    label(axis, "float64", 1e-9, 9e-5, MEASURED, xytext=(0, 0))
    label(axis, "float32", 2.2e-5, 1.6, ACCENT, xytext=(0, 0))
    axis.set(ylim=(5e-11, 1e3), ylabel="error of the central differences,\nover the length of the gradient")
    return figure


def directions(result: Result) -> Figure:
    """Share of nudges after which the loss does not go where it should, with theory; open dots where there is none."""
    figure, axis = canvas(height=3.8)
    floor = 2e-4  # stands for none
    _by_precision(axis, result, "wrong", floor=floor)
    axis.axhline(0.5, color=INK, linewidth=0.8)
    label(axis, "a coin", 1e-11, 0.5, INK, xytext=(0, -7))
    label(axis, "float64", 2e-10, 2.5e-3, MEASURED, xytext=(0, 0))
    label(axis, "float32", 1.2e-3, 0.16, ACCENT, xytext=(0, 0))
    label(axis, "no nudge of any weight", 3e-7, floor, MEASURED, ha="center", xytext=(0, 10))
    axis.set(ylim=(1.5e-4, 1.5), ylabel="share of nudges after which the loss\ndoes not go where the derivative says")
    return figure


def _by_precision(axis: Axes, result: Result, quantity: str, *, floor: float = 0.0) -> None:
    """Draw a quantity against the size of the nudge; what is below `floor` stands there as an open dot."""
    for precision, (colour, marker) in _LOOKS.items():
        rows = result.nudges[result.nudges["precision"] == precision]
        theory = rows[rows[f"{quantity}_predicted"] > max(floor, 1e-300)]
        below, above = theory[theory["size"] < 1e-4], theory[theory["size"] >= 1e-4]
        parts = (below, above) if len(theory) < len(rows) and precision == "float64" else (theory,)
        for part in parts:
            axis.plot(
                part["size"],
                part[f"{quantity}_predicted"],
                color=PREDICTED,
                linestyle=SERIES[1].dash,
                linewidth=1.1,
                zorder=1,
            )
        seen = rows[rows[quantity] > floor]
        low = np.maximum(seen[f"{quantity}_low"], seen[quantity] / 30)  # a logarithm knows no interval that reaches 0
        error = [seen[quantity] - low, seen[f"{quantity}_high"] - seen[quantity]]
        axis.errorbar(seen["size"], seen[quantity], yerr=error, fmt=marker, color=colour, zorder=3, elinewidth=0.9)
        none = rows[rows[quantity] <= floor]
        axis.plot(none["size"], np.full(len(none), floor), marker, color=colour, markerfacecolor="none")
    axis.set(xscale="log", yscale="log", xlabel="size of the nudge")
