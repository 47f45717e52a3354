"""Figures of the chapter on what forgives an inexact start."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.forgiving import REMEDIES, TOLERANCE, Result
from figures.style import CONTROL, INK, MEASURED, MUTED, PREDICTED, SERIES, Look, band, canvas, label

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


def losses(result: Result) -> Figure:
    """Loss against starting gain, one curve a remedy, and under it the window of each."""
    figure, (axis, below) = canvas(height=5.6, rows=2, sharex=True, height_ratios=(3.2, 1.4))
    top = 3.12
    for name in ORDER:
        rows, look = result.losses[result.losses["remedy"] == name], LOOKS[name]
        shown = rows[rows["loss"] < top]
        axis.plot(
            shown["gain"], shown["loss"], color=look.colour, marker=look.marker, linestyle=look.dash, markersize=4
        )
        band(axis, rows["gain"], rows["loss_low"].clip(upper=top), rows["loss_high"].clip(upper=top), look.colour)
    axis.axhline(result.entropy, color=INK, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    label(axis, "the input is ignored", 1, result.entropy, INK, xytext=(4, 7))
    axis.set(ylabel="loss after the last step (nats)", ylim=(result.windows["loss"].min() - 0.03, top))
    _windows(below, result)
    _gains(below)
    for panel in (axis, below):
        panel.axvline(1, color=MUTED, linewidth=1.0, zorder=1)
    label(axis, "1 / √fan-in", 1, top, INK, xytext=(4, -6))
    return figure


def _windows(axis: Axes, result: Result) -> None:
    table = result.windows.set_index("remedy")
    for row, name in enumerate(ORDER):
        look, found = LOOKS[name], {column: table[column][name] for column in table}
        ends = [float(found["start"]), float(found["end"])]
        axis.plot(ends, [row, row], color=look.colour, linewidth=5, solid_capstyle="butt", alpha=0.55)
        axis.plot(found["best_gain"], row, look.marker, color=look.colour, markersize=6)
        runs_off = (bool(found["open_low"] > 0), bool(found["open_high"] > 0))
        for end, off, arrow in zip(ends, runs_off, ("<", ">"), strict=True):
            if off:
                axis.plot(end, row, arrow, color=look.colour, markersize=8, clip_on=False)
        factor = f"{'at least ' if any(runs_off) else ''}×{10 ** float(found['decades']):.2g}"
        left = runs_off[1]
        label(
            axis,
            factor,
            ends[0] if left else ends[1],
            row,
            look.colour,
            xytext=(-8, 0) if left else (8, 0),
            ha="right" if left else "left",
        )
    axis.set(yticks=range(len(ORDER)), yticklabels=[NAMES[name] for name in ORDER], ylim=(len(ORDER) - 0.4, -0.6))
    for tick, name in zip(axis.get_yticklabels(), ORDER, strict=True):
        tick.set_color(LOOKS[name].colour)
    axis.grid(visible=False, axis="y")


def _gains(axis: Axes) -> None:
    axis.set(xscale="log", xlabel="gain of the starting weights", xlim=(0.027, 37))
    axis.set_xticks(TICKS, labels=[f"{tick:g}" for tick in TICKS])
    axis.minorticks_off()


def starts(result: Result) -> Figure:
    """Before the first step, against the gain: signal at the top and gradient at the bottom, measured and predicted."""
    figure, axes = canvas(height=3.6, columns=2)
    for axis, kind in zip(axes, ("signal", "gradient"), strict=True):
        for name, rows in result.starts.groupby("remedy"):
            look = LOOKS[str(name)]
            axis.plot(rows["gain"], rows[f"{kind}_predicted"], color=look.colour, linestyle=look.dash, linewidth=1.2)
            axis.plot(rows["gain"], rows[kind], look.marker, color=look.colour, markersize=3.6, linestyle="none")
            band(axis, rows["gain"], rows[f"{kind}_low"], rows[f"{kind}_high"], look.colour)
        _gains(axis)
        axis.set(yscale="log")
    axes[0].set(ylabel="spread of the signal at the top", ylim=(1e-6, 30))
    axes[1].set(ylabel="gradient at the bottom over\nthat at the top", ylim=(1e-6, 1e6))
    for axis, kind, name, gain, across, above in (
        (axes[0], "signal", "plain", 0.68, 8, -4),
        (axes[0], "signal", "residual", 0.06, 10, -8),
        (axes[0], "signal", "layer norm", 0.03, -2, 8),
        (axes[1], "gradient", "plain", 0.46, 8, -4),
        (axes[1], "gradient", "residual", 6.8, 8, -10),
        (axes[1], "gradient", "batch norm", 0.03, -2, 8),
    ):
        _beside(axis, result.starts, name, kind, gain, across, above)
    return figure


def _beside(axis: Axes, table: pd.DataFrame, name: str, kind: str, gain: float, across: float, above: float) -> None:
    rows = table[table["remedy"] == name]
    nearest = rows.iloc[int(np.abs(np.log(rows["gain"] / gain)).argmin())]
    text = "batch and layer norm" if "norm" in name else NAMES[name]
    place = float(nearest["gain"]), float(nearest[kind])
    label(axis, text, *place, LOOKS[name].colour, xytext=(across, above))


def rates(result: Result) -> Figure:
    """Loss of the tuning networks against the gain at every rate, a panel a remedy: the chosen rate strong."""
    figure, axes = canvas(height=5.0, rows=2, columns=3, sharex=True, sharey=True)
    chosen = result.windows.set_index("remedy")["rate"]
    top = 3.3
    every = sorted(result.tuning["rate"].unique())
    looks = dict(zip(every, (*SERIES, Look(INK, "o", (0, (1, 1)))), strict=False))
    for axis, name in zip(axes.flat, ORDER, strict=False):
        for rate, rows in result.tuning[result.tuning["remedy"] == name].groupby("rate"):
            strong, look = rate == chosen[name], looks[rate]
            axis.plot(
                rows["gain"], rows["loss"].clip(upper=top + 0.1), color=look.colour, marker=look.marker, linestyle=look.dash,
                markersize=4 if strong else 2.5, linewidth=2.4 if strong else 1.0, label=f"{rate:g}",
            )  # fmt: skip
        axis.set(title=f"{NAMES[name]}: {chosen[name]:g}", ylim=(result.windows["loss"].min() - 0.03, top))
        _gains(axis)
        axis.set(xlabel="")
        axis.set_xticks((0.1, 1, 10), labels=["0.1", "1", "10"])
    last = axes.flat[-1]
    last.axis("off")
    last.legend(
        [Line2D([], [], color=looks[rate].colour, marker=looks[rate].marker, linestyle=looks[rate].dash) for rate in every],
        [f"{rate:g}" for rate in every], title="learning rate", loc="center", handlelength=3.2,
    )  # fmt: skip
    for axis in axes[:, 0]:
        axis.set(ylabel="loss (nats)")
    for axis in (axes[1, 0], axes[1, 1], axes[0, 2]):
        axis.set(xlabel="gain")
        axis.tick_params(labelbottom=True)
    return figure


def compensated(result: Result) -> Figure:
    """Loss of the normalised networks against the gain: at one rate, and with hidden rates times the gain squared."""
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
        _gains(axis)
    rows = result.losses[result.losses["remedy"] == "layer norm"]
    label(
        axes[1], "one rate for all", float(rows["gain"].iloc[6]), float(rows["loss"].iloc[6]), MEASURED, xytext=(8, 4)
    )
    flat = result.compensated[result.compensated["remedy"] == "layer norm"]
    label(
        axes[1],
        "hidden rates × gain²",
        float(flat["gain"].iloc[0]),
        float(flat["loss"].iloc[0]),
        PREDICTED,
        xytext=(-6, -11),
    )
    axes[0].set_ylim(bottom=float(flat["loss"].min()) - 0.04)  # room for these words
    axes[0].set(ylabel="loss after the last step (nats)")
    return figure


def tolerances(result: Result) -> Figure:
    """Width of the window against the tolerance, one curve a remedy; hollow where some windows run off the grid."""
    figure, axis = canvas(height=3.6)
    for name in ORDER:
        rows, look = result.tolerances[result.tolerances["remedy"] == name], LOOKS[name]
        axis.plot(rows["tolerance"], rows["decades"], color=look.colour, linestyle=look.dash)
        band(axis, rows["tolerance"], rows["decades_low"], rows["decades_high"], look.colour)
        for _, row in rows.iterrows():
            fill = "none" if row["open"] > 0 else "full"
            axis.plot(row["tolerance"], row["decades"], look.marker, color=look.colour, fillstyle=fill)
        last = rows.iloc[-1]
        label(
            axis,
            NAMES[name],
            float(last["tolerance"]),
            float(last["decades"]),
            look.colour,
            xytext=(6, {"residual": -11, "Adam": -1, "layer norm": 4}.get(name, 0)),
        )
    axis.axvline(TOLERANCE, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    axis.set(xscale="log", xlabel="tolerance: loss above the best (nats)", ylabel="width of the window (decades)")
    ticks = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
    axis.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    return figure
