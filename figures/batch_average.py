"""Figures of the chapter on a batch and its replicas."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.batch_average import Result
from experiments.batch_average.data_parallel import SYNCHRONISED
from figures.style import ACCENT, CONTROL, INK, MEASURED, PREDICTED, SERIES, band, canvas, label

_BY_PRECISION = {"float64": (MEASURED, SERIES[0].marker), "float32": (ACCENT, SERIES[1].marker)}


def distances(result: Result) -> Figure:
    """Distance of the replicas' average from the batch's network against step: synchronised, and independent."""
    figure, axis = canvas(height=2.9)
    steps = result.params.steps
    for (lr, rows), look in zip(result.distances.groupby("lr"), SERIES, strict=False):
        synchronised = lr == SYNCHRONISED
        colour = CONTROL if synchronised else look.colour
        axis.plot(rows["step"], rows["distance"], look.marker, linestyle=look.dash, color=colour, linewidth=1.1)
        band(axis, rows["step"], rows["distance_low"], rows["distance_high"], colour)
        alone = "on their own, " if lr == max(result.params.lrs) else ""
        name = "copies that average\ntheir gradients" if synchronised else f"{alone}lr {lr:g}"
        end = rows.iloc[-1]
        label(axis, name, end["step"], end["distance"], colour)
    axis.set(xscale="log", yscale="log", xlabel="step", xlim=(0.9, steps**1.4), ylim=(1e-16, 10))
    ticks = [tick for tick in (1, 10, 100, 1000) if tick <= steps]
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.set_ylabel("distance, over how far the\nbatch's network has moved")
    return figure


def differences(result: Result) -> Figure:
    """Error of central differences against the perturbation h, in two precisions, with both branches of theory."""
    figure, axis = canvas(height=3.4)
    _by_precision(axis, result, "error")
    label(axis, "rounding", 2e-8, 3e-9, PREDICTED, ha="right", xytext=(0, 0))
    label(axis, "left out of\nthe series", 6e-3, 2e-8, PREDICTED, xytext=(0, 0))
    label(axis, "float64", 1e-9, 9e-5, MEASURED, xytext=(0, 0))
    label(axis, "float32", 2.2e-5, 1.6, ACCENT, xytext=(0, 0))
    axis.set(ylim=(5e-11, 1e3), ylabel="error of the central differences,\nover the length of the gradient")
    return figure


def directions(result: Result) -> Figure:
    """Share of perturbations after which the loss goes the wrong way, with theory; open dots where there is none."""
    figure, axis = canvas(height=3.4)
    floor = 2e-4  # stands for none
    _by_precision(axis, result, "wrong", floor=floor)
    axis.axhline(0.5, color=INK, linewidth=0.8)
    label(axis, "chance", result.params.smallest_h, 0.5, INK, xytext=(0, -7))
    label(axis, "float64", 2e-10, 2.5e-3, MEASURED, xytext=(0, 0))
    label(axis, "float32", 1.2e-3, 0.16, ACCENT, xytext=(0, 0))
    label(axis, "none at all", 3e-7, floor, MEASURED, ha="center", xytext=(0, 10))
    axis.set(ylim=(1.5e-4, 1.5), ylabel="share of perturbations that\nmove the loss the wrong way")
    return figure


def _by_precision(axis: Axes, result: Result, quantity: str, *, floor: float = 0.0) -> None:
    """Draw a quantity against the perturbation h; what is below `floor` stands there as an open dot."""
    for precision, (colour, marker) in _BY_PRECISION.items():
        rows = result.finite_differences[result.finite_differences["precision"] == precision]
        theory = rows[rows[f"{quantity}_predicted"] > max(floor, 1e-300)]
        below, above = theory[theory["h"] < 1e-4], theory[theory["h"] >= 1e-4]
        parts = (below, above) if len(theory) < len(rows) and precision == "float64" else (theory,)
        for part in parts:
            axis.plot(
                part["h"],
                part[f"{quantity}_predicted"],
                color=PREDICTED,
                linestyle=SERIES[1].dash,
                linewidth=1.1,
                zorder=1,
            )
        seen = rows[rows[quantity] > floor]
        low = np.maximum(seen[f"{quantity}_low"], seen[quantity] / 30)  # a logarithm knows no interval that reaches 0
        error = [seen[quantity] - low, seen[f"{quantity}_high"] - seen[quantity]]
        axis.errorbar(seen["h"], seen[quantity], yerr=error, fmt=marker, color=colour, zorder=3, elinewidth=0.9)
        none = rows[rows[quantity] <= floor]
        axis.plot(none["h"], np.full(len(none), floor), marker, color=colour, markerfacecolor="none")
    axis.set(xscale="log", yscale="log", xlabel="perturbation h of a weight")
