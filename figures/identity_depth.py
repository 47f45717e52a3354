"""Figures of the chapter on multiples of the identity, and what is like them."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from experiments.identity_depth import PLOTTED, SLIGHTLY, Result
from figures.style import ACCENT, CONTROL, INK, MUTED, SERIES, band, canvas, label
from lab.live import Axis, Curve, Frame, Live, Slider

GAINS = (1.5, 1.1, 1.0, 0.9, 0.5)  # of all, those that can be told apart


def signal_propagation(result: Result) -> Figure:
    """RMS of signal and gradient against layer, one curve a gain: dots measured, lines predicted."""
    figure, axes = canvas(height=3.4, columns=2, sharey=True)
    depth = result.params.depth
    for axis, name in zip(axes, ("signal", "gradient"), strict=True):
        for gain, look in zip(GAINS, SERIES, strict=False):
            rows = result.layers[result.layers["gain"] == gain]
            if rows.empty:  # a setting of the reader's own need not have it
                continue
            root = rows[[name, f"{name}_low", f"{name}_high", f"{name}_predicted"]] ** 0.5  # mean squares to RMS
            axis.plot(rows["layer"], root[f"{name}_predicted"], color=look.colour, linestyle=look.dash, linewidth=1.1)
            axis.plot(
                rows["layer"], root[name], look.marker, color=look.colour, markersize=3.2, markevery=max(1, depth // 12)
            )
            band(axis, rows["layer"], root[f"{name}_low"], root[f"{name}_high"], look.colour)
            end, side = (-1, {}) if name == "signal" else (0, {"ha": "right", "xytext": (-5, 0)})
            near = {1.1: 1.3, 0.9: -1.3}.get(gain, 0.0)  # decades: the middle curves end close together
            label(axis, f"{gain:g}", rows["layer"].iloc[end], root[name].iloc[end] * 10**near, look.colour, **side)
        axis.set(yscale="log", title=name)
    axes[0].set(xlabel="layer", ylabel="RMS, as a multiple of\nwhere it began", xlim=(0, 1.17 * depth))
    axes[1].set(xlabel="layer (passes from right to left)", xlim=(-0.17 * depth, 1.01 * depth))
    return figure


def widths(result: Result) -> Figure:
    """Exponent against width for gains near 1: measured, by the exact law, and what the gain alone would say."""
    figure, axis = canvas(height=3.5)
    first, last = float(result.widths["width"].min()), float(result.widths["width"].max())
    axis.plot([0.875 * first, 1.1 * last], [0, 0], color=INK, linewidth=1.0, zorder=1)
    for (gain, rows), look in zip(result.widths.groupby("gain"), SERIES, strict=False):
        value = float(str(gain))
        errors = [rows["exponent"] - rows["exponent_low"], rows["exponent_high"] - rows["exponent"]]
        axis.plot(rows["width"], rows["predicted"], color=look.colour, linestyle=look.dash, linewidth=1.1)
        axis.errorbar(rows["width"], rows["exponent"], yerr=errors, fmt=look.marker, color=look.colour)
        axis.plot([last * 1.25, last * 1.6], [np.log(value)] * 2, color=look.colour, linewidth=2.2)
        lift = {1.01: 7, 0.99: -7}.get(value, 0)
        label(axis, f"gain {value:g}", last * 1.6, np.log(value), look.colour, xytext=(5, lift))
    axis.set(xscale="log", xlabel="units in a layer", ylabel="exponent: growth of ln(RMS) a layer")
    ticks = sorted(result.widths["width"].unique())
    axis.set(xticks=ticks, xticklabels=[f"{width:g}" for width in ticks])
    axis.set_xlim(0.875 * first, 3.5 * last)
    axis.minorticks_off()
    label(axis, "grows", 2.2 * first, 0, INK, xytext=(0, 7))
    label(axis, "shrinks", 2.2 * first, 0, INK, xytext=(0, -7))
    label(axis, "infinite width", last * 1.2, 0.117, CONTROL, xytext=(0, 0))
    axis.set(ylim=(-0.175, 0.13))
    return figure


def float32_signals(result: Result) -> Figure:
    """The signal in float32 against layer until nothing changes any more, one curve a factor."""
    figure, axis = canvas(height=3.0)
    axis.axhspan(-149, -126, color=MUTED, alpha=0.25, linewidth=0)
    axis.axhline(128, color=INK, linewidth=0.9, linestyle=SERIES[2].dash)
    axis.axhline(-149, color=INK, linewidth=0.9, linestyle=SERIES[2].dash)
    right = {"ha": "right", "xytext": (0, 7)}
    label(axis, "largest number", 1090, 128, INK, **right)
    label(axis, "smallest number", 1090, -149, INK, ha="right", xytext=(0, -8))
    label(axis, "fewer and fewer digits", 185, -137.5, INK, xytext=(0, 0))
    places = {1.5: (150, 98), 1.1: (620, 98), 0.9: (560, -62), 0.5: (95, -70)}
    fixed_point = {row.factor: row.fixed_point for row in result.float_limits.itertuples() if row.dtype == "float32"}
    for factor, look in zip(PLOTTED, SERIES, strict=False):
        rows = result.float32_signals[result.float32_signals["factor"] == factor]
        if rows.empty:  # as above
            continue
        axis.plot(rows["layer"], rows["log2"], color=look.colour, linestyle=look.dash)
        end = rows.iloc[-1]
        lost = factor > 1 or fixed_point.get(factor, 0) == 0
        axis.plot(end["layer"], end["log2"], "x" if lost else "o", color=look.colour, markersize=7)
        side = "right" if places[factor][0] == 150 or factor == 1.1 else "left"
        label(axis, f"{factor:g}", *places[factor], look.colour, ha=side, xytext=(0, 0))
        if factor == 0.9:
            label(axis, "stays", end["layer"], end["log2"], ACCENT, ha="left", xytext=(8, 7))
    axis.set(xlabel="layer", ylabel="signal in float32 (log2)", xlim=(0, 1100), ylim=(-190, 150))
    axis.set(yticks=[-126, -64, 0, 64, 128])
    return figure


def live(result: Result) -> Live:
    """The signal against layer for one factor at a time, and the layer at which float32 has no number for it."""
    numbers = np.finfo(np.float32)
    largest, smallest = float(np.log2(numbers.max)), float(np.log2(numbers.smallest_subnormal))
    near = (0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.95, 0.97, 0.98, 1.02, 1.03, 1.05, 1.15, 1.2, 1.3, 1.7, 2, 2.5)
    tried = result.float_limits[result.float_limits["dtype"] == "float32"].set_index("factor")
    factors = sorted({*near, SLIGHTLY, *tried.index})
    stays = tried["fixed_point"].to_dict()  # at so many times the smallest number
    last = float(np.nanmax(tried[["overflow", "subnormal"]]))
    layers = sorted({float(f"{layer:.2g}") for layer in np.geomspace(1, last, 100).round()})
    frames = []
    for factor in factors:
        doublings = float(np.log2(np.float64(np.float32(factor))))  # a layer, of the factor as float32 holds it
        curves = [Curve("predicted", layers, [layer * doublings for layer in layers], meaning="predicted")]
        found = result.float32_signals[result.float32_signals["factor"] == factor]
        if len(found := found[found["layer"].isin(layers)]):
            curves.append(Curve.of("measured", found, "layer", "log2", interval=False, line=False))
        sentence = f"Factor {factor:g}: after {{x}} layers the signal is 2 to the power of {{0}}. "
        frames.append(Frame(f"{sentence}{_end(doublings, largest, stays.get(factor))}.", curves))
    return Live(
        title="Move the factor",
        x=Axis("layer", log=True),
        y=Axis("signal (log2)", low=1.15 * smallest, high=1.2 * largest),
        controls=[Slider("factor", [f"{factor:g}" for factor in factors], start=factors.index(SLIGHTLY))],
        frames=frames,
        fixed=[
            Curve("largest number", [1, last], [largest] * 2, meaning="muted"),
            Curve("smallest number", [1, last], [smallest] * 2, meaning="muted"),
        ],
        position="layer",
        position_start=int(np.searchsorted(layers, last / 8)),
    )


def _end(doublings: float, largest: float, stays: float | None) -> str:
    """Say from which layer on float32 has no number for a signal that grows by so many doublings a layer."""
    if doublings > 0:
        return f"float32 overflows at layer {np.ceil(largest / doublings):,.0f}"
    normal = float(np.log2(np.finfo(np.float32).smallest_normal))
    end = f"float32 has fewer digits from layer {np.floor(normal / doublings) + 1:,.0f} on"
    if stays is None:
        return end
    return f"{end} and stays at {stays:g} times its smallest number" if stays else f"{end} and ends at 0"
