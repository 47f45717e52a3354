"""Figures of the chapter on the distribution of weights."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.weight_distribution import (
    ADAM,
    INITIAL,
    INITS,
    LAYERS,
    LEVELS,
    NEAR,
    SGD,
    TOGETHER,
    UNIFORM_KURTOSIS,
    Result,
    recipes,
)
from figures.style import CONTROL, INK, MUTED, SERIES, Look, band, canvas, label
from lab.live import Axis, Curve, Frame, Live, Slider

BEFORE, AFTER, BY_ADAM = Look(CONTROL, "o", "-"), SERIES[0]._replace(marker="s"), SERIES[2]
ROWS = {**{layer: layer for layer in LAYERS}, TOGETHER: "all together"}


def histograms(result: Result) -> Figure:
    """Histograms of standardised weights, drawn from their quantiles: what stays of a uniform, and what becomes of a normal."""
    figure, axes = canvas(height=2.9, columns=2, sharey=True)
    panels = (
        (axes[0], "uniform", "first hidden", ((INITIAL, BEFORE), (SGD, AFTER))),
        (axes[1], "normal", "output", ((INITIAL, BEFORE), (SGD, AFTER), (ADAM, BY_ADAM))),
    )
    bell = np.linspace(-3, 3, 121)
    for axis, init, layer, curves in panels:
        for recipe, look in curves:
            edges = _quantiles(result, init, recipe, layer)["weights"].to_numpy()
            height = np.diff(LEVELS) / np.diff(edges)
            axis.stairs(height, edges, color=look.colour, linewidth=1.6)
        axis.plot(bell, np.exp(-(bell**2) / 2) / (2 * np.pi) ** 0.5, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        axis.set(xlabel="weight (standard deviations)", xlim=(-3.2, 3.2), title=f"{layer}, from a {init}")
    axes[0].set(ylabel="density")
    left, right = axes
    label(left, "before", -1.7, 0.29, BEFORE.colour, xytext=(-4, 11), ha="center")
    label(left, "after SGD", 1.25, 0.21, AFTER.colour, xytext=(9, 2))
    label(left, "normal", 0, 0.4, INK, xytext=(0, 8), ha="center")
    label(right, "after SGD", 0.4, 0.55, AFTER.colour, xytext=(8, 4))
    label(right, "after Adam", 0.8, 0.3, BY_ADAM.colour, xytext=(10, 8))
    label(right, "before", 1.2, 0.2, BEFORE.colour, xytext=(10, 4))
    return figure


def kurtosis(result: Result) -> Figure:
    """Excess kurtosis of each layer before training and after plain SGD, from either initialisation."""
    figure, axes = canvas(height=3.0, columns=2, sharey=True, sharex=True)
    for axis, init in zip(axes, INITS, strict=True):
        axis.axvspan(-NEAR, NEAR, color=MUTED, alpha=0.25, linewidth=0)
        for place, layer in enumerate(ROWS):
            _dot(axis, _row(result.moments, init, SGD, layer, 0), place - 0.2, BEFORE, fillstyle="none")
            _dot(axis, _row(result.moments, init, SGD, layer, result.params.steps), place, AFTER)
            _dot(axis, _row(result.moments, init, ADAM, layer, result.params.steps), place + 0.2, BY_ADAM)
        axis.set_xscale("symlog", linthresh=1, linscale=0.8)
        axis.set_xticks([-1, 0, 1, 10], labels=["−1", "0", "1", "10"])
        axis.minorticks_off()
        axis.set(xlabel="excess kurtosis", yticks=range(len(ROWS)), ylim=(len(ROWS) - 0.5, -1.0))
        axis.set_yticklabels(list(ROWS.values()))
        axis.grid(visible=False, axis="y")
        axis.set_xlim(-2.6, 40)
        axis.set_title(f"from a {init} initialisation")
    last = [
        [
            _row(result.moments, init, recipe, layer, result.params.steps)["kurtosis"]
            for recipe, layer in ((SGD, "output"), (ADAM, TOGETHER))
        ]
        for init in INITS
    ]
    for axis, began, (by_sgd, by_adam) in zip(axes, (0.0, UNIFORM_KURTOSIS), last, strict=True):
        label(axis, "before", began, -0.65, BEFORE.colour, xytext=(0, 0), ha="center")
        label(axis, "after SGD", by_sgd, 2.6, AFTER.colour, xytext=(0, 0), ha="center")
        label(axis, "after Adam", by_adam, 4.2, BY_ADAM.colour, xytext=(-8, 0), ha="right")
    return figure


def quantiles(result: Result) -> Figure:
    """Quantiles of standardised weights that began uniform against a normal's: what stays, and what training writes."""
    figure, axis = canvas(height=3.4)
    axis.axline((0, 0), slope=1, color=INK, linewidth=0.8)
    curves = {
        ("uniform", INITIAL, "first hidden"): (BEFORE, "first hidden, before", -9),
        ("uniform", SGD, "first hidden"): (SERIES[0], "first hidden, after", 0),
        ("uniform", SGD, "output"): (SERIES[1], "output, after", None),
    }
    for kind, (look, words, shift) in curves.items():
        rows = _quantiles(result, *kind)
        axis.plot(
            rows["normal"], rows["weights"], color=look.colour, marker=look.marker, markersize=3, linestyle=look.dash
        )
        band(axis, rows["normal"], rows["weights_low"], rows["weights_high"], look.colour)
        end = rows.iloc[-1]
        beside = {"xytext": (-8, 2), "ha": "right"} if shift is None else {"xytext": (5, shift)}
        label(axis, words, end["normal"], end["weights"], look.colour, **beside)
    label(axis, "normal", -2.2, -2.2, INK, xytext=(8, -4), va="top")
    low, high = axis.get_xlim()
    axis.set(xlim=(low, high + 0.32 * (high - low)))
    axis.set(xlabel="normal quantile (standard deviations)", ylabel="weights (standard deviations)")
    return figure


def memory(result: Result) -> Figure:
    """Excess kurtosis of weights that began uniform, against step: measured, and predicted from those that began normal."""
    figure, axis = canvas(height=3.0)
    steps = result.params.steps
    axis.axhline(0, color=INK, linewidth=0.8)
    for layer, look in zip(LAYERS[:-1], SERIES, strict=False):
        found = result.moments[(result.moments["init"] == "uniform") & (result.moments["recipe"] == SGD)]
        rows = found[(found["layer"] == layer) & (found["step"] > 0)]
        axis.plot(rows["step"], rows["kurtosis_predicted"], color=look.colour, linestyle=(0, (4, 2)), linewidth=1.1)
        errors = [rows["kurtosis"] - rows["kurtosis_low"], rows["kurtosis_high"] - rows["kurtosis"]]
        axis.errorbar(rows["step"], rows["kurtosis"], yerr=errors, fmt=look.marker, color=look.colour)
        label(axis, layer, steps, float(rows["kurtosis"].iloc[-1]), look.colour, xytext=(9, 0))
    label(axis, "normal", steps, 0, INK, xytext=(9, 0))
    first = min(step for step in result.moments["step"] if step > 0)
    axis.set(xlabel="step", ylabel="excess kurtosis", xscale="log", xlim=(first / 1.3, 8 * steps))
    axis.set_xticks([10**power for power in range(5) if first <= 10**power <= steps])
    axis.minorticks_off()
    return figure


def singular(result: Result) -> Figure:
    """The largest singular values of the second hidden layer over the edge: before, after, and after in random order."""
    figure, axis = canvas(height=3.2)
    shown = result.singular[result.singular["rank"] <= min(20, result.params.width)]
    axis.axhline(1, color=INK, linewidth=0.8)
    curves = (
        (INITIAL, "value", BEFORE, "before training"),
        (SGD, "value", SERIES[0], "after SGD"),
        (ADAM, "value", SERIES[2], "after Adam"),
        (ADAM, "shuffled", SERIES[1], "after Adam, in random order"),
    )
    for recipe, column, look, words in curves:
        rows = shown[shown["recipe"] == recipe]
        axis.plot(rows["rank"], rows[column], color=look.colour, marker=look.marker, linestyle=look.dash, label=words)
        band(axis, rows["rank"], rows[f"{column}_low"], rows[f"{column}_high"], look.colour)
    axis.legend(loc="upper right", bbox_to_anchor=(1, 1.12))
    label(axis, "edge for independent weights", shown["rank"].max(), 1, INK, xytext=(0, 7), ha="right")
    axis.set(xlabel="rank", ylabel="singular value over the edge")
    axis.set_xticks([1, *(tick for tick in (5, 10, 15, 20) if tick <= shown["rank"].max())])
    return figure


def live(result: Result) -> Live:
    """Quantile plot of one layer, from either initialisation, before training and after each recipe."""
    states = [INITIAL, *recipes(result.params)]
    names = {INITIAL: "none", **{recipe: _recipe(recipe) for recipe in states[1:]}}
    shapes = result.shapes.set_index(["init", "recipe", "layer"])["rejected"].to_dict()
    frames = []
    for init, layer, state in product(INITS, ROWS, states):
        found = _quantiles(result, init, state, layer)
        moment = _row(
            result.moments,
            init,
            SGD if state == INITIAL else state,
            layer,
            0 if state == INITIAL else result.params.steps,
        )
        seeds = result.params.adam_seeds if state == ADAM else result.params.seeds
        rejected = round(shapes[init, state, layer] * seeds)
        when = "before training" if state == INITIAL else f"after {names[state]}"
        what = "all weights together" if layer == TOGETHER else layer if layer == "embedding" else f"{layer} layer"
        sentence = f"From a {init} distribution, {what}, {when}: the excess kurtosis is {moment['kurtosis']:.2f}"
        sentence = (
            sentence.replace("-", "−")
            + f", and a test rejects a normal distribution in {rejected} of {seeds} networks."
        )
        frames.append(
            Frame(
                sentence,
                [
                    Curve.of(
                        "weights", found, "normal", "weights", meaning="control" if state == INITIAL else "measured"
                    )
                ],
            )
        )
    ends = [float(result.quantiles["normal"].min()), float(result.quantiles["normal"].max())]
    return Live(
        title="Choose a layer, and train it",
        x=Axis("normal quantile (standard deviations)"),
        y=Axis("weights (standard deviations)"),
        controls=[
            Slider("initialisation", list(INITS), start=1),
            Slider("layer", list(ROWS.values()), start=1),
            Slider("training", [names[state] for state in states]),
        ],
        frames=frames,
        fixed=[Curve("normal", ends, ends, meaning="predicted")],
    )


def _recipe(recipe: str) -> str:
    return f"SGD, weight {recipe}" if recipe.startswith("decay") else recipe


def _quantiles(result: Result, init: str, recipe: str, layer: str) -> pd.DataFrame:
    table = result.quantiles
    return table[(table["init"] == init) & (table["recipe"] == recipe) & (table["layer"] == layer)]


def _row(table: pd.DataFrame, init: str, recipe: str, layer: str, step: int) -> dict[str, float]:
    chosen = (table["init"] == init) & (table["recipe"] == recipe) & (table["layer"] == layer) & (table["step"] == step)
    (row,) = table[chosen].filter(like="kurtosis").to_dict("records")
    return {str(name): float(value) for name, value in row.items()}


def _dot(axis: Axes, row: dict[str, float], place: float, look: Look, **more: Any) -> None:
    error = np.array([[row["kurtosis"] - row["kurtosis_low"]], [row["kurtosis_high"] - row["kurtosis"]]])
    axis.errorbar(row["kurtosis"], place, xerr=error, fmt=look.marker, color=look.colour, zorder=3, **more)
