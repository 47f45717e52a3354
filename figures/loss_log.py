"""Figures of the chapter on what each fix is worth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.loss_log import AGAIN, FIXES, KEPT, LECTURE, Result, lecture_reduction
from figures.style import INK, MEASURED, MUTED, PREDICTED, SERIES, Look, band, canvas, label
from lab.live import Axis, Curve, Frame, Live, Slider

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
    "tanh": "and fixing tanh",
    "gain": "gain 5/3 in its place",
    "batch norm": "and batch norm",
    AGAIN: "other batches: chance",
}
KINDS = {"train": (MEASURED, "o", -0.16), "validation": (PREDICTED, "s", 0.16)}  # colour, marker, place within a row
STYLES = dict(zip(VARIANTS, (*SERIES[:4], SERIES[4], SERIES[6]), strict=True))


def final(result: Result) -> Figure:
    """Loss after the last step, a row a variant: seeds, mean with interval, and the lecture's single run."""
    figure, axis = canvas(height=3.4)
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
    """What each change lowers the validation loss by, a row a change, against what chance does to single runs."""
    figure, axis = canvas(height=2.9)
    last = result.reductions[result.reductions["step"] == result.reductions["step"].max()].set_index("fix")
    chance = result.chance.set_index("fix")["validation"]
    axis.axvline(0, color=INK, linewidth=0.8)
    colour, marker, _ = KINDS["validation"]
    for row, name in enumerate(CHANGES):
        axis.barh(row, 2 * chance[name], 0.8, left=-chance[name], color=MUTED, alpha=0.25, linewidth=0)
        _interval(axis, last.loc[name], "validation", row, colour, marker)
        if name in LECTURE:
            axis.plot(lecture_reduction(1)[name], row, marker, color=INK, fillstyle="none", markersize=7, zorder=3)
    _rows(axis, list(CHANGES.values()))
    right = last["validation_high"].max()
    words = "grey: chance in single runs\nhollow: the lecture’s runs"
    short = {"text": "grey: chance\nhollow:\nlecture"}
    label(axis, words, right, len(CHANGES) - 1.5, INK, xytext=(0, 0), ha="right", phone=short)
    axis.set(xlabel="the change lowers the validation loss by (nats)")
    return figure


def live(result: Result) -> Live:
    """Validation loss against step: which fixes are made, and whether the learning rate is lowered half way."""
    last = int(result.curves["step"].max())
    late = result.curves[result.curves["step"] >= last / 100]
    chance = result.chance.set_index("fix")["validation"]
    ends = result.curves[result.curves["step"] == last].set_index("variant")["validation"]
    frames = []
    for name, before in zip(FIXES, (None, *FIXES), strict=False):
        for lowered in (False, True):
            rows = late[late["variant"] == (name if lowered else KEPT.get(name, name))]
            words = f"{NAMES[name].capitalize()}, learning rate {'lowered' if lowered else 'kept'}: "
            if not lowered and name not in KEPT:  # before that it is one and the same run
                rows = rows[rows["step"] <= last / 2]
                words += f"not trained to the end. The loss is {rows['validation'].iloc[-1]:.3f} nats half way."
            else:
                words += f"the loss ends at {rows['validation'].iloc[-1]:.3f} nats."
            if lowered and before:
                fall = ends[before] - ends[name]
                words += (
                    f" This fix {'lowers' if fall > 0 else 'raises'} it by {abs(fall):.3f}; chance alone puts up to "
                )
                words += f"{chance[name]:.3f} between two single runs."
            curve = Curve.of(NAMES[name] if (name, lowered) != (FIXES[0], True) else "", rows, "step", "validation")
            frames.append(Frame(words, [curve]))
    original = late[late["variant"] == FIXES[0]]
    return Live(
        title="Add the fixes one by one",
        x=Axis("step", log=True),
        y=Axis("validation loss (nats)"),
        controls=[
            Slider("fixes up to", [NAMES[name] for name in FIXES]),
            Slider("lower the learning rate half way", ["kept", "lowered"], start=1, switch=True),
        ],
        frames=frames,
        fixed=[Curve.of("original", original, "step", "validation", interval=False, meaning="control")],
    )


def curves(result: Result) -> Figure:
    """Validation loss in the late part of the run, with the learning rate lowered half way and without."""
    figure, axis = canvas(height=3.3)
    last = int(result.curves["step"].max())
    for name, kept in KEPT.items():
        look = STYLES[name]
        for variant, words, dash in ((name, NAMES[name], "-"), (kept, f"{NAMES[name]}, lr kept", (0, (2, 1.5)))):
            rows = result.curves[(result.curves["variant"] == variant) & (result.curves["step"] >= 0.3 * last)]
            if variant == kept:
                rows = rows[rows["step"] >= last / 2]  # before that they are one and the same run
            axis.plot(rows["step"], rows["validation"], marker=look.marker, color=look.colour, linestyle=dash)
            band(axis, rows["step"], rows["validation_low"], rows["validation_high"], look.colour)
            label(axis, words, last, float(rows["validation"].iloc[-1]), look.colour, xytext=(9, 0))
    axis.axvline(last / 2, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    axis.margins(y=0.1)  # room for the lowest name
    words, short = _lowered(result).replace(" ", "\n", 1), _lowered(result).replace("learning rate", "lr")
    beside = {"xytext": (-4, 14), "ha": "right", "phone": {"text": short, "xytext": (-3, 8)}}
    label(axis, words, last / 2, axis.get_ylim()[0], INK, **beside)
    ticks = [last * share for share in (0.5, 0.75, 1)]
    axis.set_xticks(ticks, labels=[f"{tick:,.0f}" for tick in ticks])
    axis.set(xlabel="step", ylabel="validation loss (nats)", xlim=(0.3 * last, 1.3 * last))
    return figure


def fading(result: Result) -> Figure:
    """What each fix lowers the validation loss by against step, linear near zero and logarithmic beyond."""
    figure, axis = canvas(height=3.6)
    axis.axhline(0, color=INK, linewidth=0.8)
    first = result.reductions["step"].drop_duplicates().iloc[1]
    places = {"logits": (50, 6), "tanh": (25, 0.13), "gain": (3, 0.03), "batch norm": (3, -0.25)}  # of first, and nats
    for name, (start, height) in places.items():
        rows = result.reductions[(result.reductions["fix"] == name) & (result.reductions["step"] > 0)]
        _curve(axis, rows, STYLES[name], CHANGES[name])
        shift = {"gain": {"xytext": (-20, 7)}, "tanh": {"xytext": (-16, 0)}}.get(name, {})
        label(axis, CHANGES[name], start * first, height, STYLES[name].colour, xytext=(0, 0), phone=shift)
    half = float(result.reductions["step"].max()) / 2
    axis.axvline(half, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    axis.set(xlabel="step", ylabel="lowers the validation loss by (nats)", xscale="log")
    axis.set_yscale("symlog", linthresh=0.01, linscale=0.7)
    ticks = [-0.1, -0.01, 0, 0.01, 0.1, 1, 10]
    axis.set_yticks(ticks, labels=[f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks])
    axis.minorticks_off()
    label(axis, _lowered(result), half, -0.25, INK, xytext=(-4, 0), ha="right", phone={"xytext": (-4, 13)})
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
