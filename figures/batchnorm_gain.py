"""Figures of the chapter on batch norm and the gain."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.batchnorm_gain import DEFAULT, FIVE_THIRDS, NORMED, PLAIN, Result, ratio_ceiling
from figures.style import ACCENT, CONTROL, MUTED, PREDICTED, SERIES, Look, band, canvas, label, log_ticks
from lab.live import Axis, Curve, Frame, Live, Slider

LOOKS = {NORMED: SERIES[0], PLAIN: Look(CONTROL, "X", "-")}
COMPENSATED = Look(ACCENT, "^", SERIES[2].dash)
WORDS = {NORMED: "with batch norm", PLAIN: "without"}


def costs(result: Result) -> Figure:
    """What each gain costs at one learning rate: without batch norm, with it, and with it and compensated rates."""
    figure, axis = canvas(height=2.9)
    for kind, column, look in (
        (PLAIN, "cost", LOOKS[PLAIN]),
        (NORMED, "cost", LOOKS[NORMED]),
        (NORMED, "compensated", COMPENSATED),
    ):
        _curve(axis, _of(result.costs, kind), "gain", column, look)
    _gain_axis(axis, result)
    axis.set(ylabel="loss less that from gain 5/3 (nats)")
    gain, next_gain = sorted(result.costs["gain"].unique())[:2]
    for kind, shift in ((PLAIN, -12), (NORMED, 13)):
        height = _of(result.costs, kind).set_index("gain")["cost"].loc[[gain, next_gain]].mean()
        short = {"text": WORDS[kind].removeprefix("with ")}
        label(axis, WORDS[kind], gain, height, LOOKS[kind].colour, xytext=(4, shift), phone=short)
    label(
        axis, "with batch norm,\nhidden rates × gain²", gain, 0, COMPENSATED.colour,
        va="top", xytext=(4, -5), phone={"text": "batch norm,\nrates × gain²"},
    )  # fmt: skip
    low, high = axis.get_ylim()
    axis.set_ylim(low - 0.22 * (high - low), high)  # room for the lowest name
    return figure


def rates(result: Result) -> Figure:
    """Loss against learning rate from three gains, without batch norm and with it."""
    figure, axes = canvas(height=3.0, columns=2, sharey=True)
    gains = (min(result.params.gains), FIVE_THIRDS, max(result.params.gains))
    ceiling = float(result.losses["loss"].max())
    for axis, kind in zip(axes, (PLAIN, NORMED), strict=True):
        for gain, look in zip(gains, (SERIES[1], SERIES[0], SERIES[2]), strict=True):
            table = _of(result.losses, kind)
            rows = table[table["gain"] == gain]
            _curve(axis, rows, "lr", "loss", look)
            place = rows.iloc[0]
            label(axis, name(gain), place["lr"], place["loss"], look.colour, ha="right", xytext=(-5, 0))
        axis.set(xscale="log", xlabel="learning rate", title=WORDS[kind] if kind == NORMED else "without batch norm")
        log_ticks(axis.xaxis)
        low, high = min(result.params.lrs), max(result.params.lrs)
        axis.set_xlim(low / (high / low) ** 0.25, high * (high / low) ** 0.03)  # room for the names
        axis.set_ylim(None, ceiling + 0.03)
    axes[0].set(ylabel="loss after training (nats)")
    return figure


def ratios(result: Result) -> Figure:
    """Update ratio with batch norm against the gain, at the first step and over the last, and what theory says."""
    figure, axis = canvas(height=3.2)
    rows = _of(result.ratios, NORMED)
    gains = rows["gain"].to_numpy()
    base = rows[rows["gain"] == FIVE_THIRDS]["first_ratio"].item()
    axis.plot(gains, base * (gains / FIVE_THIRDS) ** -2, color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    ceiling = ratio_ceiling(result.params.steps)
    axis.axhline(ceiling, color=PREDICTED, linestyle=SERIES[2].dash, linewidth=1.2, zorder=1)
    _curve(axis, rows, "gain", "first_ratio", SERIES[0], line="none")
    _curve(axis, rows, "gain", "last_ratio", COMPENSATED, line="none")
    _gain_axis(axis, result)
    axis.set(yscale="log", ylabel="RMS of update over RMS of weights")
    first, last = rows.iloc[0], rows.iloc[-1]
    label(axis, "first step", gains[1], rows["first_ratio"].iloc[1], SERIES[0].colour, xytext=(9, 2))
    label(axis, "last steps", last["gain"], last["last_ratio"], COMPENSATED.colour, ha="right", xytext=(-9, 5))
    label(axis, "1 / √(2 · steps)", last["gain"], ceiling, PREDICTED, ha="right", xytext=(0, 9))
    label(axis, "1 / gain²", gains[-2], rows["first_ratio"].iloc[-2], PREDICTED, ha="right", xytext=(-9, -6))
    axis.set_ylim(last["first_ratio"] / 3, 3 * first["first_ratio"])
    return figure


def explosion(result: Result) -> Figure:
    """RMS of the gradient against layer, with batch norm at every gain: marks measured, lines predicted."""
    figure, axis = canvas(height=3.4)
    depth = result.params.deep
    gains = sorted(result.deep_layers["gain"].unique())
    for (name, table), look in zip(result.deep_layers.groupby("activation", sort=False), SERIES, strict=False):
        for gain, marker in zip(gains, ("o", "x", "+"), strict=False):
            rows = table[table["gain"] == gain]
            some = rows[(depth - rows["layer"]) % 7 == 0]
            axis.plot(some["layer"], some["gradient"], marker, color=look.colour, fillstyle="none", linestyle="")
        rows = table[table["gain"] == gains[0]]
        axis.plot(rows["layer"], rows["gradient_predicted"], color=look.colour, linestyle=look.dash, linewidth=1.1)
        first = rows.iloc[0]
        words = "no activation" if name == "linear" else str(name)
        label(axis, words, first["layer"], first["gradient"], look.colour, ha="right", xytext=(-7, 0))
    axis.set(yscale="log", xlabel="layer (the gradient passes from right to left)")
    axis.set(ylabel="gradient (RMS) over the last layer's")
    axis.set_xticks([tick for tick in axis.get_xticks() if 0 <= tick <= depth])
    axis.set_xlim(-0.2 * depth, 1.02 * depth)  # room for names
    return figure


def live(result: Result) -> Live:
    """Loss against the learning rate, one gain at a time, with batch norm and without."""
    gains = sorted(result.losses["gain"].unique())
    frames = []
    for gain in gains:
        sentence, curves = f"Gain {name(gain)}:", []
        for kind, meaning in ((NORMED, "measured"), (PLAIN, "control")):
            table = _of(result.losses, kind)
            rows = table[table["gain"] == gain]
            best = rows.loc[rows["loss"].idxmin()]
            sentence += f" {WORDS[kind]} the best learning rate is {best['lr']:g}, and the loss {best['loss']:.3f}"
            sentence += ";" if kind == NORMED else "."
            curves.append(Curve.of(WORDS[kind], rows, "lr", "loss", meaning=meaning))
        frames.append(Frame(sentence, curves))
    return Live(
        title="Move the gain",
        x=Axis("learning rate", log=True),
        y=Axis("loss after training (nats)"),
        controls=[Slider("gain", [name(gain) for gain in gains], start=gains.index(FIVE_THIRDS))],
        frames=frames,
    )


def _of(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    return table[table["kind"] == kind].reset_index(drop=True)


def _curve(axis: Axes, rows: pd.DataFrame, across: str, kind: str, look: Look, line: Any = None) -> None:
    axis.plot(rows[across], rows[kind], color=look.colour, marker=look.marker, linestyle=line or look.dash)
    band(axis, rows[across], rows[f"{kind}_low"], rows[f"{kind}_high"], look.colour)


def _gain_axis(axis: Axes, result: Result) -> None:
    """Make the x axis one of gains, with 5/3 and PyTorch's default marked."""
    axis.set(xscale="log", xlabel="gain of the hidden layers at initialisation")
    log_ticks(axis.xaxis, (1, 3))
    gains = result.params.gains
    axis.set_xlim(min(gains) / 1.15, max(gains) * 1.15)
    for gain, name, side in ((DEFAULT, "PyTorch's default", "right"), (FIVE_THIRDS, "5/3", "left")):
        axis.axvline(gain, color=MUTED, linewidth=0.9, zorder=0)
        label(axis, name, gain, 1, xycoords=("data", "axes fraction"), xytext=(0, 2), ha=side, va="bottom")


def name(gain: float) -> str:
    """Return how a gain is written: the two that are fractions as such."""
    return {FIVE_THIRDS: "5/3", DEFAULT: "1/√3"}.get(gain, f"{gain:g}")
