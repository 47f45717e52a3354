"""Figures of the chapter on batch norm as a regulariser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.batchnorm_regularization import Result
from figures.style import ACCENT, CONTROL, PREDICTED, SERIES, Look, band, canvas, label

NONE, LAYER = Look(CONTROL, "X", "-"), Look("#8a6d00", "v", (0, (3, 1, 1, 1, 1, 1)))  # the two controls
FINAL = Look(ACCENT, "D", "-")


def jitter(result: Result) -> Figure:
    """Jitter of a normalised value against the size of its group: measured at initialisation and after training, and the law."""
    figure, axis = canvas(height=3.6)
    rows = _ghosts(result)
    axis.plot(rows["size"], rows["jitter_law"], color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    _dots(axis, rows, "size", "jitter_initial", SERIES[0])
    _dots(axis, rows, "size", "jitter_final", FINAL, fillstyle="none", markersize=9)
    axis.set(xscale="log", yscale="log", xlabel="examples in a group", ylabel="jitter (standard deviation over mates)")
    axis.set(xlim=(1.3 * rows["size"].max(), rows["size"].min() / 1.3), xticks=list(rows["size"]))
    axis.set(yticks=[0.05, 0.1, 0.2, 0.5])
    axis.set_xticklabels([f"{size}" for size in rows["size"]])
    axis.set_yticklabels(["0.05", "0.1", "0.2", "0.5"])
    axis.minorticks_off()
    before, middle = ((float(row["size"]), float(row["jitter_law"])) for _, row in rows.iloc[1:3].iterrows())
    label(axis, "law for normal values", *before, PREDICTED, ha="right", va="bottom", xytext=(-6, 8))
    label(axis, "dots: before training", *middle, SERIES[0].colour, xytext=(12, -16))
    label(axis, "diamonds: after training", *middle, FINAL.colour, xytext=(12, -30))
    return figure


def losses(result: Result) -> Figure:
    """Gap, and the two losses it lies between, against the measured jitter; controls as lines across."""
    figure, (left, right) = canvas(height=3.9, columns=2)
    rows, imaginary = _ghosts(result), _imaginary(result)
    twin = rows[rows["size"] == result.params.imitated].iloc[0]
    _dots(left, rows, "jitter_final", "gap", SERIES[0], "-")
    for kind, look in (("test", SERIES[0]), ("train", SERIES[1])):
        _dots(right, rows, "jitter_final", kind, look, look.dash)
    for axis, kinds in ((left, ("gap",)), (right, ("test", "train"))):
        for kind in kinds:
            axis.plot(
                twin["jitter_final"], imaginary[kind], "D", color=ACCENT, fillstyle="none", markersize=8, zorder=4
            )
            for name, control in (("none", NONE), ("layer", LAYER)):
                height = _row(result, name)[kind]
                axis.axhline(height, color=control.colour, linestyle=control.dash, linewidth=1.1, zorder=1)
    for _, row in rows.iterrows():
        label(left, f"{row['size']}", row["jitter_final"], row["gap"], SERIES[0].colour, xytext=(4, 9))
    end = 1.12 * rows["jitter_final"].max()
    for name, text, look in (("none", "no normalisation", NONE), ("layer", "layer norm", LAYER)):
        label(left, text, end, _row(result, name)["gap"], look.colour, ha="right", va="bottom", xytext=(0, 2))
    label(
        left, "imaginary\nmates", twin["jitter_final"], imaginary["gap"], ACCENT, ha="right", va="top", xytext=(-7, 0)
    )
    middle, last = rows.iloc[-2], rows.iloc[-1]
    label(right, "test", last["jitter_final"], last["test"], SERIES[0].colour, ha="center", xytext=(0, -13))
    label(right, "training", middle["jitter_final"], middle["train"], SERIES[1].colour, ha="right", xytext=(-3, 14))
    for axis in (left, right):
        axis.set(xlabel="jitter after training", xlim=(0, end))
    left.set(ylabel="gap: validation less training loss (nats)", ylim=(0, None))
    right.set(ylabel="loss (nats)")
    return figure


def curves(result: Result) -> Figure:
    """Validation loss against step, one curve for each of five variants."""
    figure, axis = canvas(height=3.9)
    whole, smallest = str(result.params.groups[0]), str(result.params.groups[-1])
    looks = {"none": NONE, "layer": LAYER, whole: SERIES[1], str(result.best): SERIES[0], smallest: SERIES[3]}
    ends = []
    for name, look in looks.items():
        rows = result.curves[result.curves["variant"] == name]
        axis.plot(rows["step"], rows["validation"], marker=look.marker, color=look.colour, linestyle=look.dash)
        band(axis, rows["step"], rows["validation_low"], rows["validation_high"], look.colour)
        text = f"groups of {name}" if name.isdecimal() else {"none": "no normalisation", "layer": "layer norm"}[name]
        ends.append((float(rows["validation"].iloc[-1]), text, look.colour))
    ceiling = np.inf
    for height, text, colour in sorted(ends, reverse=True):
        ceiling = min(height, ceiling - 0.05 * np.ptp(axis.get_ylim()))  # names at least a line apart
        label(axis, text, float(result.curves["step"].max()), ceiling, colour, xytext=(9, 0))
    axis.set(xlabel="step", ylabel="validation loss (nats)")
    first, last = axis.get_xlim()
    axis.set_xlim(first, last + 0.3 * (last - first))  # room for the names
    return figure


def _ghosts(result: Result) -> pd.DataFrame:
    return result.variants[result.variants["size"] > 0]


def _row(result: Result, name: str) -> pd.Series:
    return result.variants[result.variants["variant"] == name].iloc[0]


def _imaginary(result: Result) -> pd.Series:
    return result.variants[result.variants["variant"].str.startswith("imaginary")].iloc[0]


def _dots(
    axis: Axes, rows: pd.DataFrame, across: str, kind: str, look: Look, line: object = "none", **more: Any
) -> None:
    errors = [rows[kind] - rows[f"{kind}_low"], rows[f"{kind}_high"] - rows[kind]]
    style: dict[str, Any] = {"marker": look.marker, "color": look.colour, "linestyle": line, "linewidth": 1.2} | more
    axis.errorbar(rows[across], rows[kind], yerr=errors, zorder=3, **style)
