"""Figures of the chapter on what each fix is worth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.loss_log import AGAIN, FIXES, LECTURE, Result, lecture_reduction
from figures.style import INK, MEASURED, MUTED, PREDICTED, SERIES, Look, band, canvas, label

VARIANTS = (*FIXES, AGAIN)
NAMES = {
    "original": "original",
    "logits": "logits fixed",
    "tanh": "tanh fixed",
    "gain": "gain 5/3",
    "batch norm": "batch norm",
    AGAIN: "gain 5/3, other batches",
}
CHANGES = {
    "logits": "fixing the logits",
    "tanh": "fixing tanh, besides",
    "gain": "gain 5/3 instead",
    "batch norm": "batch norm, besides",
    AGAIN: "other batches: chance",
}
KINDS = {"train": (MEASURED, "o", -0.16), "validation": (PREDICTED, "s", 0.16)}  # colour, marker, place within a row
STYLES = dict(zip(VARIANTS, (*SERIES[:4], SERIES[4], SERIES[6]), strict=True))


def final(result: Result) -> Figure:
    """Loss after the last step, a row a variant: seeds, mean with interval, and the lecture's single run."""
    figure, axis = canvas(height=3.9)
    last = result.curves[result.curves["step"] == result.curves["step"].max()].set_index("variant")
    for row, name in enumerate(VARIANTS):
        for part, (colour, marker, lift) in KINDS.items():
            seeds = result.runs.loc[result.runs["variant"] == name, part]
            axis.plot(seeds, np.full(len(seeds), row + lift), marker, color=colour, alpha=0.35, markersize=3.5, mew=0)
            _interval(axis, last.loc[name], part, row + lift, colour, marker)
            if name in LECTURE:
                theirs = LECTURE[name][list(KINDS).index(part)]
                axis.plot(theirs, row + lift, marker, color=INK, fillstyle="none", markersize=7, zorder=3)
    _rows(axis, [NAMES[name] for name in VARIANTS])
    axis.set(xlabel="loss after the last step (nats)")
    _legend(axis, {"training": "train", "validation": "validation"}, "hollow: the lecture's runs")
    return figure


def reductions(result: Result) -> Figure:
    """What each fix lowers the loss by after the last step, a row a fix, against what chance does to single runs."""
    figure, axis = canvas(height=3.7)
    last = result.reductions[result.reductions["step"] == result.reductions["step"].max()].set_index("fix")
    chance = result.chance.set_index("fix")["validation"]
    axis.axvline(0, color=INK, linewidth=0.8)
    for row, name in enumerate(CHANGES):
        axis.barh(row, 2 * chance[name], 0.8, left=-chance[name], color=MUTED, alpha=0.25, linewidth=0)
        for place, (part, (colour, marker, lift)) in enumerate(KINDS.items()):
            _interval(axis, last.loc[name], part, row + lift, colour, marker)
            if name in LECTURE:
                theirs = lecture_reduction(place)[name]
                axis.plot(theirs, row + lift, marker, color=INK, fillstyle="none", markersize=7, zorder=3)
    _rows(axis, list(CHANGES.values()))
    right = last[["train_high", "validation_high"]].to_numpy().max()
    label(
        axis,
        "grey: what chance alone\nputs between single runs",
        right,
        len(CHANGES) - 1,
        INK,
        xytext=(0, 0),
        ha="right",
    )
    axis.set(xlabel="loss without the change minus loss with it (nats)")
    _legend(axis, {"training": "train", "validation": "validation"}, "hollow: the lecture's runs")
    return figure


def curves(result: Result) -> Figure:
    """Validation loss against step, one curve a variant: the whole run, and its last part from nearer."""
    figure, (whole, late) = canvas(height=3.7, columns=2)
    last = int(result.curves["step"].max())
    near = last // 20
    for name in FIXES:
        rows = result.curves[(result.curves["variant"] == name) & (result.curves["step"] > 0)]
        for axis in (whole, late):
            shown = rows if axis is whole else rows[rows["step"] >= near]
            _curve(axis, shown, STYLES[name], NAMES[name])
    for axis in (whole, late):
        axis.set(xlabel="step", xscale="log")
    late.axvline(last / 2, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    whole.set(ylabel="loss on the validation set (nats)", yscale="log")
    ticks = [2, 3, 4, 6, 10, 20]
    whole.set_yticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    late.set_xticks([near, last // 2, last], labels=[f"{step / 1000:g}k" for step in (near, last // 2, last)])
    for axis in (whole, late):
        axis.minorticks_off()
    label(late, _lowered(result), last / 2, late.get_ylim()[0], INK, xytext=(-4, 8), ha="right")
    whole.legend(loc="upper right")
    return figure


def fading(result: Result) -> Figure:
    """What each fix lowers the validation loss by against step, linear near zero and logarithmic beyond."""
    figure, axis = canvas(height=4.0)
    axis.axhline(0, color=INK, linewidth=0.8)
    for name in CHANGES:
        rows = result.reductions[(result.reductions["fix"] == name) & (result.reductions["step"] > 0)]
        _curve(axis, rows, STYLES[name], CHANGES[name])
    half = float(result.reductions["step"].max()) / 2
    axis.axvline(half, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    axis.set(xlabel="step", ylabel="reduction of the validation loss (nats)", xscale="log")
    axis.set_yscale("symlog", linthresh=0.01, linscale=0.7)
    ticks = [-0.1, -0.01, 0, 0.01, 0.1, 1, 10]
    axis.set_yticks(ticks, labels=[f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks])
    axis.minorticks_off()
    label(axis, _lowered(result), half, 8, INK, xytext=(-4, 0), ha="right")
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return figure


def _lowered(result: Result) -> str:
    return f"learning rate ÷ {result.params.lr / result.params.late_lr:.3g}"


def _curve(axis: Axes, rows: pd.DataFrame, look: Look, name: str) -> None:
    axis.plot(rows["step"], rows["validation"], marker=look.marker, color=look.colour, linestyle=look.dash, label=name)
    band(axis, rows["step"], rows["validation_low"], rows["validation_high"], look.colour)


def _interval(axis: Axes, row: pd.Series, part: str, height: float, colour: str, marker: str) -> None:
    axis.plot([row[f"{part}_low"], row[f"{part}_high"]], [height, height], color=colour)
    axis.plot(row[part], height, marker, color=colour, markersize=5.5)


def _rows(axis: Axes, names: list[str]) -> None:
    axis.set_yticks(range(len(names)), labels=names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(False, axis="y")


def _legend(axis: Axes, kinds: Mapping[str, str], other: str) -> None:
    handles = [Line2D([], [], color=KINDS[part][0], marker=KINDS[part][1], label=name) for name, part in kinds.items()]
    handles.append(Line2D([], [], color=INK, marker="o", fillstyle="none", linestyle="", markersize=7, label=other))
    axis.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 1.13), ncols=3)
