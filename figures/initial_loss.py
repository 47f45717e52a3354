"""Figures of the chapter on the first loss."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from experiments.initial_loss import CHARACTERS, SMALL, UNIFORM, Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, PREDICTED, SERIES, band, canvas, label, log_ticks
from lab.live import Axis, Curve, Live, along

DOTTED = (0, (1, 2))
SHOWN = 0.05  # standard deviation of the logits from which on the first figure shows them: the curve is flat below
HEIGHTS = (1.04, 0.08, 0.35, 0.36)  # where the names of the distributions stand
# Two of the initialisations as marks on the sweep: their names in the result, in the figure, and where the name stands.
MARKS = {
    "standard normal": ("standard normal weights", {"ha": "right", "xytext": (-9, 5)}),
    "small, no bias": (f"last layer × {SMALL:g},\nno bias", {"ha": "left", "va": "bottom", "xytext": (-12, 8)}),
}


def loss(result: Result) -> Figure:
    """First loss against the standard deviation of the logits: dots measured, line predicted, two initialisations."""
    figure, axis = canvas(height=2.9)
    rows = result.by_std[result.by_std["std"] > SHOWN]
    axis.plot(rows["std"], UNIFORM + rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash, zorder=2)
    axis.plot(rows["std"], rows["loss"], "o", color=MEASURED, zorder=3)
    band(axis, rows["std"], rows["loss_low"], rows["loss_high"], MEASURED)
    axis.axhline(UNIFORM, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    for init, (name, placement) in MARKS.items():
        found = result.inits[result.inits["init"] == init].iloc[0]
        # Over networks, as on the axis; the table's is over characters.
        std = found["std"] / np.sqrt(1 - 1 / CHARACTERS)
        axis.plot(std, found["loss"], "D", color=ACCENT, markersize=8, fillstyle="none", zorder=4)
        label(axis, name, std, found["loss"], ACCENT, **placement)
    label(
        axis,
        f"ln {CHARACTERS}: a uniform guess",
        rows["std"].max(),
        UNIFORM,
        INK,
        ha="right",
        va="bottom",
        xytext=(0, 2),
        phone={"xytext": (0, -12)},
    )
    near = rows.iloc[-2]
    label(axis, "predicted", near["std"], 1.15 * near["loss"], PREDICTED, ha="right", xytext=(-6, 4))
    label(axis, "measured", near["std"], 0.8 * near["loss"], MEASURED, xytext=(5, -5))
    axis.set(xlabel="standard deviation of the logits", ylabel="first loss (nats)", xscale="log", yscale="log")
    log_ticks(axis.xaxis)
    high = 1.5 * rows["loss_high"].max()
    ticks = [tick for tick in (3, 10, 30, 100, 300) if tick < high]
    axis.set(ylim=(2.2, high), yticks=ticks, yticklabels=[f"{tick}" for tick in ticks])
    axis.tick_params(axis="y", which="minor", labelleft=False)
    return figure


def parts(result: Result) -> Figure:
    """Logsumexp above ln 27 against the logits' standard deviation: dots measured, both laws and the exact curve."""
    figure, axis = canvas(height=3.4)
    rows = result.by_std
    fine = np.geomspace(rows["std"].min(), rows["std"].max(), 200)
    square = rows["quadratic"].iloc[0] / rows["std"].iloc[0] ** 2
    axis.plot(fine, square * fine**2, color=CONTROL, linewidth=1.2, linestyle=SERIES[3].dash, zorder=1)
    straight = result.expected_maximum * fine - UNIFORM
    axis.plot(
        fine[straight > 0], straight[straight > 0], color=ACCENT, linewidth=1.2, linestyle=SERIES[2].dash, zorder=1
    )
    axis.plot(rows["std"], rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash, zorder=2)
    errors = [rows["logsumexp"] - rows["logsumexp_low"], rows["logsumexp_high"] - rows["logsumexp"]]
    axis.errorbar(rows["std"], rows["logsumexp"], yerr=errors, fmt="o", color=MEASURED, zorder=3)
    axis.set(xlabel="standard deviation of the logits, $s$", ylabel=f"logsumexp − ln {CHARACTERS} (nats)")
    axis.set(xscale="log", yscale="log", ylim=(2e-5, 500))
    log_ticks(axis.xaxis)
    label(axis, "square law", 18, square * 18**2, CONTROL, ha="right", xytext=(-7, 0))
    label(axis, f"{result.expected_maximum:.2f} $s$ − ln {CHARACTERS}", 1.75, 0.12, ACCENT, xytext=(6, 0))
    label(axis, "exact curve and\nmeasured points", 0.11, 0.0011, MEASURED, xytext=(6, 0))
    return figure


def probability(result: Result) -> Figure:
    """Distribution of the correct character's probability, a curve a standard deviation: measured, and normal logits."""
    figure, axis = canvas(height=3.4)
    decade = np.log(10)
    heights = dict(zip(sorted(result.probabilities["std"].unique()), HEIGHTS, strict=False))
    for (std, rows), look in zip(result.probabilities.groupby("std"), SERIES, strict=False):
        x = rows["log_p"] / decade
        axis.plot(x, rows["level"], color=look.colour, linewidth=1.9)
        axis.plot(rows["predicted"] / decade, rows["level"], color=INK, linewidth=0.9, linestyle=DOTTED, zorder=4)
        axis.plot(x.iloc[5::18], rows["level"].iloc[5::18], look.marker, color=look.colour, linestyle="")
        height = heights.get(std, 0.5)
        name, beside = f"$s$ = {float(str(std)):g}", {"ha": "right", "xytext": (-8, 3)}
        if height > 1:  # so narrow that its name stands above it
            name, beside = f"{name}, all near 1/{CHARACTERS}", {"ha": "right", "xytext": (14, 0)}
        label(axis, name, np.interp(min(height, 0.5), rows["level"], x), height, look.colour, **beside)
    axis.axvline(-np.log10(CHARACTERS), color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    axis.axhline(0.5, color=INK, linewidth=0.6, zorder=1)  # half of the examples
    ticks = [-15, -10, -5, 0]
    axis.set(xlabel="probability of the correct character", ylabel="share of examples that get less", xlim=(-16, 0.4))
    axis.set(xticks=ticks, xticklabels=[f"$10^{{{tick}}}$" if tick else "1" for tick in ticks], ylim=(0, 1))
    return figure


def live(result: Result) -> Live:
    """The first loss along the sweep of the logits' standard deviation."""
    rows = result.by_std[result.by_std["std"] > SHOWN]
    return along(
        "Move the size of the logits",
        Axis("standard deviation of the logits", log=True),
        Axis("first loss (nats)", log=True, low=2.2),
        rows,
        "std",
        lambda row: (
            f"Logits with a standard deviation of {row['std']:.3g}: the first loss is {row['loss']:.2f} nats, where a blind "
            f"guess costs {UNIFORM:.2f}. A wrong character gets more than half of the probability in "
            f"{100 * row['confidently_wrong']:.0f} % of the examples."
        ),
        [
            Curve("predicted", rows["std"].tolist(), (UNIFORM + rows["predicted"]).tolist(), meaning="predicted"),
            Curve.of("measured", rows, "std", "loss", line=False),
        ],
        label="standard deviation",
    )
