"""Figures of the chapter on multiples of the identity, and what is like them."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from experiments.identity_depth import DRAWN, Result
from figures.style import ACCENT, CONTROL, INK, MUTED, SERIES, band, canvas, label

SPREADS = (1.5, 1.1, 1.0, 0.9, 0.5)  # of the seven, those that can be told apart


def passage(result: Result) -> Figure:
    """Spread of signal and gradient against layer, one curve a spread of the weights: dots measured, lines predicted."""
    figure, axes = canvas(height=3.9, columns=2, sharey=True)
    for axis, name in zip(axes, ("signal", "gradient"), strict=True):
        for spread, look in zip(SPREADS, SERIES, strict=False):
            rows = result.layers[result.layers["spread"] == spread]
            root = rows[[name, f"{name}_low", f"{name}_high", f"{name}_predicted"]] ** 0.5  # mean squares to spreads
            axis.plot(rows["layer"], root[f"{name}_predicted"], color=look.colour, linestyle=look.dash, linewidth=1.1)
            axis.plot(rows["layer"], root[name], look.marker, color=look.colour, markersize=3.2, markevery=8)
            band(axis, rows["layer"], root[f"{name}_low"], root[f"{name}_high"], look.colour)
            end, side = (-1, {}) if name == "signal" else (0, {"ha": "right", "xytext": (-5, 0)})
            near = {1.1: 1.3, 0.9: -1.3}.get(spread, 0.0)  # decades: the middle curves end close together
            label(axis, f"{spread:g}", rows["layer"].iloc[end], root[name].iloc[end] * 10**near, look.colour, **side)
        axis.set(yscale="log", title=name, yticks=[1e-30, 1e-20, 1e-10, 1, 1e10, 1e20])
    axes[0].set(xlabel="layer", ylabel="spread, as a multiple of\nwhere it began", xlim=(0, 117))
    axes[1].set(xlabel="layer (travels from right to left)", xlim=(-17, 101))
    return figure


def widths(result: Result) -> Figure:
    """Exponent against width for spreads near 1: measured, by the exact law, and what the spread alone would say."""
    figure, axis = canvas(height=3.9)
    last = float(result.widths["width"].max())
    axis.plot([3.5, 1.1 * last], [0, 0], color=INK, linewidth=1.0, zorder=1)
    for (spread, rows), look in zip(result.widths.groupby("spread"), SERIES, strict=False):
        value = float(str(spread))
        errors = [rows["exponent"] - rows["exponent_low"], rows["exponent_high"] - rows["exponent"]]
        axis.plot(rows["width"], rows["predicted"], color=look.colour, linestyle=look.dash, linewidth=1.1)
        axis.errorbar(rows["width"], rows["exponent"], yerr=errors, fmt=look.marker, color=look.colour)
        axis.plot([last * 1.25, last * 1.6], [np.log(value)] * 2, color=look.colour, linewidth=2.2)
        lift = {1.01: 7, 0.99: -7}.get(value, 0)
        label(axis, f"spread {value:g}", last * 1.6, np.log(value), look.colour, xytext=(5, lift))
    axis.set(xscale="log", xlabel="units in a layer", ylabel="exponent: growth of ln(spread) a layer", xlim=(3.5, 900))
    ticks = sorted(result.widths["width"].unique())
    axis.set(xticks=ticks, xticklabels=[f"{width:g}" for width in ticks])
    axis.minorticks_off()
    label(axis, "grows", 9, 0, INK, xytext=(0, 7))
    label(axis, "shrinks", 9, 0, INK, xytext=(0, -7))
    label(axis, "infinite width", last * 1.2, 0.117, CONTROL, xytext=(0, 0))
    axis.set(ylim=(-0.175, 0.13))
    return figure


def fates(result: Result) -> Figure:
    """The signal in float32 against layer until nothing changes any more, one curve a factor."""
    figure, axis = canvas(height=4.2)
    axis.axhspan(-149, -126, color=MUTED, alpha=0.25, linewidth=0)
    axis.axhline(128, color=INK, linewidth=0.9, linestyle=SERIES[2].dash)
    axis.axhline(-149, color=INK, linewidth=0.9, linestyle=SERIES[2].dash)
    right = {"ha": "right", "xytext": (0, 7)}
    label(axis, "largest number", 1090, 128, INK, **right)
    label(axis, "smallest number", 1090, -149, INK, ha="right", xytext=(0, -8))
    label(axis, "fewer and fewer digits", 360, -137.5, INK, xytext=(0, 0))
    places = {1.5: (150, 98), 1.1: (620, 98), 0.9: (560, -62), 0.5: (95, -70)}
    rest = {row.factor: row.rest for row in result.limits.itertuples() if row.numbers == "float32"}
    for factor, look in zip(DRAWN, SERIES, strict=False):
        rows = result.fates[result.fates["factor"] == factor]
        axis.plot(rows["layer"], rows["doublings"], color=look.colour, linestyle=look.dash)
        end = rows.iloc[-1]
        lost = factor > 1 or rest[factor] == 0
        axis.plot(end["layer"], end["doublings"], "x" if lost else "o", color=look.colour, markersize=7)
        side = "right" if places[factor][0] == 150 or factor == 1.1 else "left"
        label(axis, f"{factor:g}", *places[factor], look.colour, ha=side, xytext=(0, 0))
    stuck = result.fates[result.fates["factor"] == 0.9].iloc[-1]
    label(axis, "at rest", stuck["layer"], stuck["doublings"], ACCENT, ha="left", xytext=(8, 7))
    axis.set(xlabel="layer", ylabel="signal in float32, doublings (log2)", xlim=(0, 1100), ylim=(-172, 150))
    axis.set(yticks=[-126, -64, 0, 64, 128])
    return figure
