"""Figures of the chapter on the family of norms."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments.normalization_family import BATCH, GROUPED, INSTANCE, LAYER, RMS, Result
from experiments.normalization_family.networks import NETWORK
from figures.style import ACCENT, CONTROL, MEASURED, PREDICTED, SERIES, Look, canvas, label, log_ticks
from lab.live import Axis, Curve, Frame, Live, Slider

LOOKS = {BATCH: SERIES[0], LAYER: SERIES[1], GROUPED: SERIES[2]}
SHOWN = 0.3  # nats above the best learning rate; beyond, training is about to diverge
EXAMPLES, CHANNELS, POSITIONS = 4, 4, 3  # of the drawing of who shares statistics


def losses(result: Result) -> Figure:
    """Test loss of the names network against the batch size, for batch, layer and group norm."""
    figure, axis = canvas(height=3.0)
    table = result.losses[result.losses["network"] == NETWORK]
    for norm, look in LOOKS.items():
        rows = table[table["norm"] == norm]
        _dots(axis, rows, "size", "test", look, look.dash)
    first = table[table["norm"] == BATCH].iloc[0]
    label(axis, "batch norm", first["size"], first["test"], SERIES[0].colour, xytext=(9, 0))
    middle = result.params.sizes[len(result.params.sizes) // 2]
    label(axis, "layer norm", middle, _at(table, LAYER, middle), SERIES[1].colour, ha="center", xytext=(30, 11))
    label(axis, "group norm", middle, _at(table, GROUPED, middle), SERIES[2].colour, ha="center", xytext=(0, -12))
    low, high = axis.get_ylim()
    axis.set(xlabel="examples in a batch", ylabel="test loss (nats)", ylim=(low - 0.12 * (high - low), high))
    _sizes(axis, list(result.params.sizes))
    return figure


def sharing(result: Result) -> Figure:
    """Which values share mean and deviation with the first one: four norms on examples, channels and positions."""
    figure, axes = canvas(height=3.4, rows=2, columns=2)
    titles = {BATCH: "batch norm", LAYER: "layer norm, RMS norm", GROUPED: "group norm", INSTANCE: "instance norm"}
    for axis, (norm, title) in zip(axes.flat, titles.items(), strict=True):
        for example in range(EXAMPLES):
            for channel in range(CHANNELS):
                for position in range(POSITIONS):
                    shares = {
                        BATCH: channel == 0,
                        LAYER: example == 0,
                        GROUPED: example == 0 and channel < CHANNELS // 2,
                        INSTANCE: example == 0 and channel == 0,
                    }[norm]
                    itself = example == channel == position == 0
                    colour = MEASURED if itself else "#74b4d8" if shares else "#c4cad1"
                    left = channel * (POSITIONS + 0.6) + position
                    axis.add_patch(Rectangle((left, example), 0.88, 0.82, color=colour, linewidth=0))
        middles = [channel * (POSITIONS + 0.6) + POSITIONS / 2 for channel in range(CHANNELS)]
        axis.set(xlim=(-0.2, CHANNELS * (POSITIONS + 0.6)), ylim=(EXAMPLES, -0.2), title=title)
        axis.set_xticks(middles, labels=[f"{channel + 1}" for channel in range(CHANNELS)])
        axis.set_yticks([example + 0.4 for example in range(EXAMPLES)], labels=[f"{k + 1}" for k in range(EXAMPLES)])
        axis.grid(visible=False)
        axis.tick_params(length=0)
        for spine in axis.spines.values():
            spine.set_visible(False)
    for axis in axes[1]:
        axis.set_xlabel("channel")
    for axis in axes[:, 0]:
        axis.set_ylabel("example")
    return figure


def excess(result: Result) -> Figure:
    """What batch norm costs against layer norm, over the number of examples that share statistics."""
    figure, axis = canvas(height=3.0)
    table = result.losses[(result.losses["network"] == NETWORK) & (result.losses["norm"] == BATCH)]
    rows = table.rename(columns=lambda name: name.replace("over_layer", "excess"))
    rows = rows[rows["size"] <= result.params.parts[-1]]
    _dots(axis, rows, "size", "excess", SERIES[0])
    _dots(axis, result.parts, "size", "excess", Look(ACCENT, "D", "-"), fillstyle="none", markersize=8)
    anchor = rows.iloc[len(rows) // 2]
    sizes = np.geomspace(rows["size"].min(), rows["size"].max(), 50)
    line = anchor["excess"] * anchor["size"] / sizes
    axis.plot(sizes, line, color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    axis.set(xlabel="examples that share statistics", ylabel="test loss above layer norm (nats)")
    _sizes(axis, [int(size) for size in rows["size"]])
    first, part = rows.iloc[0], result.parts.iloc[0]
    label(axis, "dots: batches of this size", first["size"], first["excess"], SERIES[0].colour, xytext=(12, 5))
    label(axis, "diamonds: parts of large batches", part["size"], part["excess"], ACCENT, xytext=(12, -8))
    label(axis, "falls as 3/(2m)", sizes[8], line[8], PREDICTED, xytext=(0, -16), ha="center")
    return figure


def gradients(result: Result) -> Figure:
    """Share of the squared gradient that a norm takes out after training, over the number of values that share statistics."""
    figure, axis = canvas(height=3.0)
    table = result.gradients
    values = np.geomspace(2, table["values"].max(), 60)
    axis.plot(values, 2 / values, color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    batch = table[(table["norm"] == BATCH) & (table["network"] == NETWORK)]
    others = _others(table)
    for rows, look in ((batch, SERIES[0]), (others, Look(CONTROL, "X", "-"))):
        lost = rows.assign(lost=1 - rows["final"], lost_low=1 - rows["final_high"], lost_high=1 - rows["final_low"])
        _dots(axis, lost, "values", "lost", look)
    axis.set(xscale="log", yscale="log", xlabel="values that share statistics, $m$")
    axis.set_ylabel("share of the squared\ngradient taken out")
    log_ticks(axis.xaxis)
    log_ticks(axis.yaxis)
    label(axis, "2/m", 3, 2 / 3, PREDICTED, xytext=(8, 6))
    last = batch.iloc[-1]
    label(axis, "batch norm", last["values"], 1 - last["final"], SERIES[0].colour, ha="right", xytext=(-8, -3))
    for _, row in others.iterrows():
        lost = 1 - row["final"]
        beside = {"xytext": (5, 8)} if lost > 2 / row["values"] else {"xytext": (-5, -8), "ha": "right"}  # off the line
        label(axis, str(row["norm"]), row["values"], lost, CONTROL, **beside)
    return figure


def live(result: Result) -> Live:
    """Validation loss against the learning rate, for one batch size after the other."""
    table = result.tuning[result.tuning["network"] == NETWORK]
    sizes = [size for size in result.params.sizes if size > 1]
    best = result.losses[result.losses["network"] == NETWORK].set_index(["size", "norm"])["test"]
    frames = []
    for size in sizes:
        curves = []
        for norm, meaning in ((BATCH, "measured"), (LAYER, "control"), (GROUPED, "accent")):
            rows = table[(table["size"] == size) & (table["norm"] == norm)]
            rows = rows[rows["validation"] < rows["validation"].min() + SHOWN].assign(per_example=rows["lr"] / size)
            curves.append(Curve.of(f"{norm} norm", rows, "per_example", "validation", meaning=meaning))
        sentence = (
            f"Batches of {size}, each norm at its best learning rate: the test loss is {best[size, BATCH]:.3f} nats with batch "
            f"norm, {best[size, LAYER]:.3f} with layer norm and {best[size, GROUPED]:.3f} with group norm."
        )
        frames.append(Frame(sentence, curves))
    return Live(
        title="Move the batch size",
        x=Axis("learning rate divided by the batch size", log=True),
        y=Axis("validation loss (nats)"),
        controls=[Slider("examples in a batch", [f"{size}" for size in sizes], start=0)],
        frames=frames,
    )


def _others(table: pd.DataFrame) -> pd.DataFrame:
    """Return the norms that subtract a mean within an example, each at the largest batch."""
    found = table[~table["norm"].isin([BATCH, RMS])]
    return found.loc[found.groupby(["network", "norm"])["size"].idxmax()]


def _at(table: pd.DataFrame, norm: str, size: int) -> float:
    return float(table[(table["norm"] == norm) & (table["size"] == size)]["test"].iloc[0])


def _sizes(axis: Axes, sizes: list[int]) -> None:
    axis.set_xscale("log")
    axis.set_xticks(sizes, labels=[f"{size}" for size in sizes])
    axis.minorticks_off()


def _dots(
    axis: Axes, rows: pd.DataFrame, across: str, kind: str, look: Look, line: object = "none", **more: object
) -> None:
    errors = [rows[kind] - rows[f"{kind}_low"], rows[f"{kind}_high"] - rows[kind]]
    style = {"marker": look.marker, "color": look.colour, "linestyle": line, "linewidth": 1.4} | more
    axis.errorbar(rows[across], rows[kind], yerr=errors, zorder=3, **style)  # type: ignore[arg-type]
