"""Figures of the chapter on the loss that moves."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from experiments.moving_landscape import END, GRADIENT, RANDOM, Result
from experiments.moving_landscape.networks import DECAY, DROPOUT, NORM, PLAIN
from figures.style import CONTROL, INK, MEASURED, PREDICTED, SERIES, canvas, label, log_ticks
from lab.live import Axis, Curve, Frame, Live, Slider

DIRECTIONS = {GRADIENT: "along the gradient", RANDOM: "along a random direction", END: "towards the end of the run"}
# What is exchanged for that of the next iteration: words, variant, column.
CAUSES = (
    ("another batch", PLAIN, "batch"),
    ("another dropout mask", DROPOUT, "dropout"),
    ("new running averages", NORM, "running"),
    ("new weights", PLAIN, "weights"),
    ("new weights, with weight decay", DECAY, "weights"),
    ("new scale and shift", NORM, "scale_shift"),
    ("ReLU units that switch", PLAIN, "switched"),
)


def frames(result: Result) -> Figure:
    """The loss along one direction: from one iteration to the next, and over the whole run."""
    figure, (left, right) = canvas(height=3, columns=2)
    lines = result.lines[result.lines["direction"] == END]
    step = result.middle
    for at, dash in ((step, "-"), (step + 1, (0, (4, 2)))):
        rows = lines[lines["step"] == at]
        left.plot(rows["distance"], rows["all_data"], color=MEASURED, linestyle=dash, linewidth=2.4)
        left.plot(rows["distance"], rows["batch"], color=CONTROL, linestyle=dash, linewidth=1.4)
        centre, side = rows.iloc[len(rows) // 2], "center" if at == step else "left"
        words = f"batch of step {at:,}"
        label(left, words, float(centre["distance"]), float(centre["batch"]), CONTROL, xytext=(0, 9), ha=side)
        if at == step:
            label(left, "all data", float(centre["distance"]), float(centre["all_data"]), MEASURED, xytext=(0, 10))
    left.set_title(f"steps {step:,} and {step + 1:,} (dashed)")
    first, last = result.params.eval_steps[0], int(lines["step"].max())
    for at, look, place, lift in zip(
        (first, step, last), SERIES, (0.1, 0.6, 0.6), ((6, 6), (0, 9), (0, -9)), strict=False
    ):
        rows = lines[lines["step"] == at]
        right.plot(rows["distance"], rows["all_data"], color=look.colour, linestyle=look.dash)
        point = rows.iloc[int(place * len(rows))]
        label(right, f"step {at:,}", float(point["distance"]), float(point["all_data"]), look.colour, xytext=lift)
    low, high = right.get_ylim()
    right.set_ylim(low - 0.1 * (high - low), high)  # room for the lowest name
    right.set_title("all data, over the run")
    left.set(xlabel="distance along the line", ylabel="loss (nats)")
    right.set(xlabel="distance along the line")
    return figure


def causes(result: Result) -> Figure:
    """What each thing alone changes of the shape, a row each; a dot for each step and line."""
    figure, axis = canvas(height=3.2)
    axis.axvline(1, color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    for row, (_, variant, column) in enumerate(CAUSES):
        found = of(result, variant)
        axis.plot(
            [100 * found[f"{column}_low"], 100 * found[f"{column}_high"]], [[row] * len(found)] * 2,
            color=MEASURED, alpha=0.5, linewidth=1.2,
        )  # fmt: skip
        axis.plot(100 * found[column], [row] * len(found), "o", color=MEASURED, markersize=4.5)
    axis.set_yticks(range(len(CAUSES)), labels=[words for words, *_ in CAUSES])
    axis.set_ylim(len(CAUSES) - 0.5, -0.5)
    axis.grid(False, axis="y")
    axis.set(xlabel="change of the curvature (%)", xscale="log")
    log_ticks(axis.xaxis)
    return figure


def lags(result: Result) -> Figure:
    """Change of the loss over all data against the number of steps, beside what another batch changes at once."""
    figure, axis = canvas(height=3.2)
    step = result.middle
    rows = result.lags
    batch = 100 * of(result, PLAIN).set_index(["direction", "step"])["batch"]
    for direction, look in zip(DIRECTIONS, SERIES, strict=False):
        found = rows[rows["direction"] == direction]
        change = 100 * found["change"].to_numpy()
        ends = [change - 100 * found["change_low"], 100 * found["change_high"] - change]
        axis.errorbar(
            found["lag"], change, ends, color=look.colour, marker=look.marker, linestyle=look.dash,
            label=DIRECTIONS[direction],
        )  # fmt: skip
        axis.axhline(batch[direction, step], color=look.colour, linewidth=0.9)
    highest = max(batch[direction, step] for direction in DIRECTIONS)
    label(axis, "another batch, at once", float(rows["lag"].min()), highest, INK, xytext=(0, 8))
    axis.set(xlabel="steps later", ylabel="change of the curvature (%)", xscale="log", yscale="log")
    log_ticks(axis.xaxis)
    log_ticks(axis.yaxis, (1, 3))
    axis.set_ylim(top=2 * highest)  # room for the highest name
    axis.legend(loc="lower right")
    return figure


def sizes(result: Result) -> Figure:
    """What another batch changes against the size of the batch: curvature (left) and place of the minimum (right)."""
    figure, axes = canvas(height=2.9, columns=2)
    rows = result.sizes
    for axis, column, factor, words in (
        (axes[0], "batch", 100, "change of the curvature (%)"),
        (axes[1], "place", 1, "sd of the minimum’s place"),
    ):
        axis.plot(rows["size"], factor * rows[f"{column}_law"], color=PREDICTED, linestyle=(0, (5, 1.5)))
        ends = [factor * (rows[column] - rows[f"{column}_low"]), factor * (rows[f"{column}_high"] - rows[column])]
        axis.errorbar(rows["size"], factor * rows[column], ends, fmt="o", color=MEASURED)
        axis.set(xlabel="examples in a batch", ylabel=words, xscale="log", yscale="log")
        log_ticks(axis.xaxis)
        log_ticks(axis.yaxis, (1, 2, 5))
        axis.set_xticks(rows["size"], labels=[f"{size:g}" for size in rows["size"]])
    label(axes[0], "law", rows["size"].iloc[1], 100 * rows["batch_law"].iloc[1], PREDICTED, xytext=(6, 8))
    return figure


def live(result: Result) -> Live:
    """The loss along a line through the weights: scrub through the steps."""
    directions = (END, RANDOM)
    # The first steps' steep sides would leave no room for the rest.
    lines = result.lines[
        (result.lines["distance"] >= -result.params.far / 2) & (result.lines["step"] >= result.params.eval_steps[0])
    ]
    steps = list(dict.fromkeys(lines["step"]))
    found: list[Frame] = []
    for direction in directions:
        before = None
        for step in steps:
            rows = lines[(lines["direction"] == direction) & (lines["step"] == step)]
            place, batch = rows["place"].iloc[0], rows["place_batch"].iloc[0]
            words = f"Step {step:,}: the parabola through the loss over all data has its minimum at {place:+.2f}, "
            words += f"that through this batch’s loss at {batch:+.2f}."
            if before and before[0] == step - 1:
                words += f" One step earlier they were at {before[1]:+.2f} and {before[2]:+.2f}."
            before = step, place, batch
            curves = [
                Curve.of("this batch", rows, "distance", "batch", interval=False, meaning="control"),
                Curve.of("all data", rows, "distance", "all_data", interval=False),
            ]
            found.append(Frame(words.replace("-", "−"), curves, mark=0.0))
    return Live(
        title="Scrub through the steps",
        x=Axis("distance from the weights along the line"),
        y=Axis("loss (nats)"),
        controls=[
            Slider("line", [DIRECTIONS[direction] for direction in directions]),
            Slider("step", [f"{step:,}" for step in steps], start=len(steps) // 2),
        ],
        frames=found,
    )


def of(result: Result, variant: str) -> pd.DataFrame:
    """Return a variant's rows of the table of shapes at the common learning rate."""
    at_common_rate = result.shapes[result.shapes["lr"] == result.params.lr]
    return at_common_rate[at_common_rate["variant"] == variant]
