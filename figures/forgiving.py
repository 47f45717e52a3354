"""Figures of the chapter on what forgives an inexact initialisation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.forgiving import REMEDIES, TOLERANCE, TOLERANCES, Result
from figures.style import (
    CONTROL,
    INK,
    MEASURED,
    MUTED,
    PREDICTED,
    SERIES,
    Look,
    band,
    canvas,
    label,
    log_ticks,
    readable,
)

ORDER = ("plain", *REMEDIES)
LOOKS = {
    "plain": Look(CONTROL, "X", (0, (2, 2))),
    "residual": SERIES[2],
    "batch norm": SERIES[0],
    "layer norm": SERIES[3],
    "Adam": SERIES[1],
}
NAMES = {
    "plain": "plain SGD",
    "residual": "residual",
    "batch norm": "batch norm",
    "layer norm": "layer norm",
    "Adam": "Adam",
}
TICKS = (0.03, 0.1, 0.3, 1, 3, 10, 30)


def windows(result: Result) -> Figure:
    """The range of gains that will do, one bar a remedy, and how wide it is as a factor."""
    figure, axis = canvas(height=2.5)
    table = result.windows.set_index("remedy")
    for row, name in enumerate(ORDER):
        look, found = LOOKS[name], {column: table[column][name] for column in table}
        ends = [float(found["window_from"]), float(found["window_to"])]
        axis.plot(ends, [row, row], color=look.colour, linewidth=7, solid_capstyle="butt", alpha=0.6)
        axis.plot(found["best_gain"], row, look.marker, color=look.colour, markersize=6)
        runs_off = (bool(found["open_low"] > 0), bool(found["open_high"] > 0))
        for end, off, arrow in zip(ends, runs_off, ("<", ">"), strict=True):
            if off:
                axis.plot(end, row, arrow, color=look.colour, markersize=8, clip_on=False)
        factor = f"{'at least ' if any(runs_off) else ''}×{10 ** float(found['decades']):.2g}"
        left = runs_off[1]
        place, aside = (ends[0], -8) if left else (ends[1], 8)
        label(axis, factor, place, row, look.colour, xytext=(aside, 0), ha="right" if left else "left")
    axis.set(yticks=range(len(ORDER)), yticklabels=[NAMES[name] for name in ORDER], ylim=(len(ORDER) - 0.4, -1.1))
    for tick, name in zip(axis.get_yticklabels(), ORDER, strict=True):
        tick.set_color(readable(LOOKS[name].colour))
    axis.grid(visible=False, axis="y")
    axis.axvline(1, color=MUTED, linewidth=1.0, zorder=1)
    label(axis, "1 / √fan-in", 1, -1.1, INK, xytext=(4, -7))
    _gains(axis, result)
    axis.set_xlim(0.7 * table["window_from"].min(), 1.9 * table["window_to"].max())
    return figure


def losses(result: Result) -> Figure:
    """Loss against the gain at initialisation, one curve a remedy."""
    figure, axis = canvas(height=3.8)
    bottom, top = result.losses["loss"].min(), result.losses["loss"].max()
    top += 0.08 * (top - bottom)
    for name in ORDER:
        rows, look = result.losses[result.losses["remedy"] == name], LOOKS[name]
        axis.plot(rows["gain"], rows["loss"], color=look.colour, marker=look.marker, linestyle=look.dash, markersize=4)
        band(axis, rows["gain"], rows["loss_low"].clip(upper=top), rows["loss_high"].clip(upper=top), look.colour)
        last = rows.iloc[-1]
        above = {"residual": 6, "Adam": 7, "layer norm": -5, "batch norm": 4, "plain": -4}[name]
        label(axis, NAMES[name], float(last["gain"]), float(last["loss"]), look.colour, xytext=(7, above))
    near = float(result.windows["loss"].min()) + TOLERANCE
    for level in (result.entropy, near):
        axis.axhline(level, color=INK, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    label(
        axis,
        "within the tolerance",
        result.losses["gain"].min(),
        near,
        INK,
        xytext=(0, -8),
        phone={"text": "tolerance"},
    )
    label(axis, "the input is ignored", 0.7, result.entropy, INK, xytext=(0, 7), phone={"text": "input ignored"})
    axis.set(ylabel="loss after the last step (nats)", ylim=(result.windows["loss"].min() - 0.03, top))
    _gains(axis, result)
    axis.set_xlim(right=3.4 * result.losses["gain"].max())
    axis.spines["bottom"].set_bounds(axis.get_xlim()[0], 1.17 * result.losses["gain"].max())
    return figure


def _gains(axis: Axes, result: Result) -> None:
    low, high = 0.85 * result.losses["gain"].min(), 1.17 * result.losses["gain"].max()
    ticks = [tick for tick in TICKS if low < tick < high]
    axis.set(xscale="log", xlabel="gain at initialisation", xlim=(low, high))
    axis.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axis.minorticks_off()


def at_initialisation(result: Result) -> Figure:
    """Before the first step, against the gain: signal at the last layer and gradient at the first, measured and predicted."""
    figure, axes = canvas(height=3.3, columns=2)
    for axis, kind in zip(axes, ("signal", "gradient"), strict=True):
        for name, rows in result.at_initialisation.groupby("remedy"):
            look = LOOKS[str(name)]
            axis.plot(rows["gain"], rows[f"{kind}_predicted"], color=look.colour, linestyle=look.dash, linewidth=1.2)
            axis.plot(rows["gain"], rows[kind], look.marker, color=look.colour, markersize=3.6, linestyle="none")
            band(axis, rows["gain"], rows[f"{kind}_low"], rows[f"{kind}_high"], look.colour)
        _gains(axis, result)
        axis.set(yscale="log")
    axes[0].set(ylabel="signal at the last layer (RMS)", ylim=(1e-6, 30))
    axes[1].set(ylabel="gradient at the first layer over\nthat at the last", ylim=(1e-6, 1e6))
    for axis, kind, name, gain, across, above in (
        (axes[0], "signal", "plain", 0.68, 8, -4),
        (axes[0], "signal", "residual", 0.06, 10, -8),
        (axes[0], "signal", "layer norm", 0.03, -2, 8),
        (axes[1], "gradient", "plain", 0.46, 8, -4),
        (axes[1], "gradient", "residual", 6.8, 8, -10),
        (axes[1], "gradient", "batch norm", 0.03, -2, 8),
    ):
        _beside(axis, result.at_initialisation, name, kind, gain, across, above)
    return figure


def _beside(axis: Axes, table: pd.DataFrame, name: str, kind: str, gain: float, across: float, above: float) -> None:
    rows = table[table["remedy"] == name]
    nearest = rows.iloc[int(np.abs(np.log(rows["gain"] / gain)).argmin())]
    text = "batch and layer norm" if "norm" in name else NAMES[name]
    place = float(nearest["gain"]), float(nearest[kind])
    label(axis, text, *place, LOOKS[name].colour, xytext=(across, above))


def learning_rates(result: Result) -> Figure:
    """Lowest loss at any gain against the learning rate, one curve a remedy: the rate that was chosen marked."""
    figure, axis = canvas(height=3.2)
    chosen = result.windows.set_index("remedy")["lr"]
    lowest = result.tuning.groupby(["remedy", "lr"])["loss"].min()
    for name in ORDER:
        rows, look = lowest[name], LOOKS[name]
        axis.plot(rows.index, rows, color=look.colour, marker=look.marker, linestyle=look.dash, markersize=4)
        axis.plot(chosen[name], rows[chosen[name]], "o", color=look.colour, markersize=11, fillstyle="none")
        first = {"batch norm": -2, "layer norm": 0, "residual": 0}.get(name, 8)
        label(axis, NAMES[name], rows.index[0], rows.iloc[0], look.colour, ha="right", xytext=(-7, first))
    lrs = sorted(result.tuning["lr"].unique())
    axis.set(xlabel="learning rate", ylabel="lowest loss at any gain (nats)", xscale="log")
    axis.set(
        xlim=(lrs[0] / 3.5, 1.3 * lrs[-1]), ylim=(lowest.min() - 0.02, min(lowest.min() + 0.45, lowest.max() + 0.05))
    )
    axis.set_xticks(lrs, labels=[f"{lr:g}" for lr in lrs])
    axis.minorticks_off()
    return figure


def compensated(result: Result) -> Figure:
    """Loss of the normalised networks against the gain: at one learning rate, and with hidden ones times gain squared."""
    figure, axes = canvas(height=3.1, columns=2, sharey=True)
    for axis, name in zip(axes, ("batch norm", "layer norm"), strict=True):
        for table, colour, marker, dash in (
            (result.losses, MEASURED, "o", "-"),
            (result.compensated, PREDICTED, "s", SERIES[1].dash),
        ):
            rows = table[table["remedy"] == name]
            axis.plot(rows["gain"], rows["loss"], color=colour, marker=marker, linestyle=dash, markersize=4)
            band(axis, rows["gain"], rows["loss_low"], rows["loss_high"], colour)
        axis.set(title=NAMES[name])
        _gains(axis, result)
    rows = result.losses[result.losses["remedy"] == "layer norm"]
    label(
        axes[1],
        "one learning rate",
        float(rows["gain"].iloc[len(rows) // 3]),
        float(rows["loss"].iloc[len(rows) // 3]),
        MEASURED,
        xytext=(8, 4),
    )
    flat = result.compensated[result.compensated["remedy"] == "layer norm"]
    label(
        axes[1],
        "hidden learning rates × gain²",
        float(flat["gain"].iloc[0]),
        float(flat["loss"].iloc[0]),
        PREDICTED,
        xytext=(0, -13),
    )
    axes[0].set_ylim(bottom=float(flat["loss"].min()) - 0.07)  # room for these words
    axes[0].set(ylabel="loss after the last step (nats)")
    return figure


def tolerances(result: Result) -> Figure:
    """Width of the window against the tolerance, one curve a remedy; hollow where some windows run off the grid."""
    figure, axis = canvas(height=3.6)
    for name in ORDER:
        rows, look = result.tolerances[result.tolerances["remedy"] == name], LOOKS[name]
        axis.plot(rows["tolerance"], 10 ** rows["decades"], color=look.colour, linestyle=look.dash)
        band(axis, rows["tolerance"], 10 ** rows["decades_low"], 10 ** rows["decades_high"], look.colour)
        for _, row in rows.iterrows():
            fill = "none" if row["open"] > 0 else "full"
            axis.plot(row["tolerance"], 10 ** row["decades"], look.marker, color=look.colour, fillstyle=fill)
        last = rows.iloc[-1]
        label(
            axis,
            NAMES[name],
            float(last["tolerance"]),
            10 ** float(last["decades"]),
            look.colour,
            xytext=(6, {"residual": -11, "Adam": -1, "layer norm": 4}.get(name, 0)),
        )
    axis.axvline(TOLERANCE, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    axis.set(xscale="log", xlabel="tolerance: loss above the best (nats)", ylabel="window: largest over smallest gain")
    axis.set(yscale="log")
    log_ticks(axis.yaxis, (1, 2, 5))
    ticks = [tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.4) if tick in TOLERANCES]
    axis.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    return figure
