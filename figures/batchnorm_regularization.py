"""Figures of the chapter on batch norm as a regulariser."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.batchnorm_regularization import LAYER, NONE, STILL, Result
from figures.style import ACCENT, CONTROL, INK, PREDICTED, SERIES, Look, band, canvas, label
from lab.live import Axis, Curve, Frame, Live, Slider

PLAIN, LAYERED = Look(CONTROL, "X", "-"), Look("#8a6d00", "v", (0, (3, 1, 1, 1, 1, 1)))  # the two controls
FINAL = Look(ACCENT, "D", "-")


def jitter(result: Result) -> Figure:
    """Jitter of a normalised value against the size of its group: measured at initialisation and after training, and the law."""
    figure, axis = canvas(height=3.0)
    rows = _ghosts(result)
    axis.plot(rows["size"], rows["jitter_law"], color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    _dots(axis, rows, "size", "jitter_initial", SERIES[0])
    _dots(axis, rows, "size", "jitter_final", FINAL, fillstyle="none", markersize=9)
    axis.set(xscale="log", yscale="log", xlabel="examples in a group", ylabel="jitter (standard deviation over mates)")
    axis.set(xlim=(1.3 * rows["size"].max(), rows["size"].min() / 1.3), xticks=list(rows["size"]))
    axis.set(yticks=[0.05, 0.1, 0.2, 0.5])
    axis.set_xticklabels([f"{size}" for size in rows["size"]])
    axis.set_yticklabels(["0.05", "0.1", "0.2", "0.5"])
    axis.minorticks_off()
    before, middle = ((float(row["size"]), float(row["jitter_law"])) for _, row in rows.iloc[1:3].iterrows())
    label(
        axis,
        "law for normal values",
        *before,
        PREDICTED,
        ha="right",
        va="bottom",
        xytext=(-6, 8),
        phone={"text": "law"},
    )
    label(axis, "dots: before training", *middle, SERIES[0].colour, xytext=(12, -16))
    label(axis, "diamonds: after training", *middle, FINAL.colour, xytext=(12, -30))
    return figure


def losses(result: Result) -> Figure:
    """Gap and test loss against the measured jitter, from none to that of the smallest groups."""
    figure, (left, right) = canvas(height=2.8, columns=2)
    rows = pd.concat([result.variants[result.variants["variant"] == STILL], _ghosts(result)])
    for axis, kind in ((left, "gap"), (right, "test")):
        _dots(axis, rows, "jitter_final", kind, SERIES[0], "-")
        axis.set(xlabel="jitter", xlim=(-0.04, 1.12 * rows["jitter_final"].max()))
    best, smallest = rows[rows["size"] == result.best].iloc[0], rows.iloc[-1]
    for _, row in rows.iterrows():
        if row["size"] == 0:
            label(left, "no jitter", row["jitter_final"], row["gap"], SERIES[0].colour, xytext=(-6, -14))
        else:
            label(left, f"{row['size']}", row["jitter_final"], row["gap"], SERIES[0].colour, xytext=(5, 7))
    for row, side, shift in ((best, "center", (0, -13)), (smallest, "right", (4, 13))):
        words = f"groups of {row['size']}"
        label(right, words, row["jitter_final"], row["test"], SERIES[0].colour, ha=side, xytext=shift)
    left.set(ylabel="validation − training loss (nats)", ylim=(0, None))
    low, high = right.get_ylim()
    right.set(ylabel="test loss (nats)", ylim=(low - 0.1 * (high - low), high))
    return figure


def live(result: Result) -> Live:
    """Training and validation loss against step, from no jitter to the smallest groups."""
    rows = pd.concat([result.variants[result.variants["variant"] == STILL], _ghosts(result)])
    sizes = [f"{row['size']}" if row["size"] else STILL for _, row in rows.iterrows()]
    frames = []
    for size, (_, row) in zip(sizes, rows.iterrows(), strict=True):
        found = result.curves[result.curves["variant"] == row["variant"]]
        who = f"Groups of {size}" if row["size"] else "No jitter"
        sentence = f"{who}: the training loss ends at {row['train']:.3f} nats, the validation loss at "
        sentence += f"{row['validation']:.3f}. The gap is {row['gap']:.3f}, and the test loss is {row['test']:.3f}."
        curves = [
            Curve.of("validation", found, "step", "validation", meaning="accent"),
            Curve.of("training", found, "step", "train"),
        ]
        frames.append(Frame(sentence, curves))
    return Live(
        title="Move the ghost batch size",
        x=Axis("step"),
        y=Axis("loss (nats)"),
        controls=[Slider("examples in a group", sizes, start=sizes.index(str(result.best)))],
        frames=frames,
    )


def controls(result: Result) -> Figure:
    """Test loss against that of whole-batch norm, a row a variant, by paired differences."""
    params = result.params
    rows = {
        NONE: "no normalisation",
        LAYER: "layer norm",
        STILL: "batch norm without jitter",
        str(params.imitated): f"groups of {params.imitated}",
        f"imaginary {params.imitated}": f"imaginary mates, {params.imitated}",
    }
    if str(result.best) not in rows:
        rows[str(result.best)] = f"groups of {result.best} (the best)"
    figure, axis = canvas(height=2.6)
    axis.axvline(0, color=INK, linewidth=0.8)
    found = result.variants.set_index("variant")
    for place, name in enumerate(rows):
        row = found.loc[name]
        look = SERIES[2] if name.startswith("imaginary") else SERIES[0] if name.isdecimal() else Look(CONTROL, "X", "-")
        axis.plot([row["over_batch_norm_low"], row["over_batch_norm_high"]], [place, place], color=look.colour)
        axis.plot(row["over_batch_norm"], place, look.marker, color=look.colour)
    axis.set_yticks(range(len(rows)), labels=list(rows.values()))
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set(xlabel=f"test loss less that of ordinary batch norm, groups of {params.groups[0]} (nats)")
    return figure


def curves(result: Result) -> Figure:
    """Validation loss against step, one curve for each of five variants."""
    figure, axis = canvas(height=3.3)
    whole, smallest = str(result.params.groups[0]), str(result.params.groups[-1])
    looks = {NONE: PLAIN, LAYER: LAYERED, whole: SERIES[1], str(result.best): SERIES[0], smallest: SERIES[3]}
    for name, look in looks.items():
        rows = result.curves[result.curves["variant"] == name]
        axis.plot(rows["step"], rows["validation"], marker=look.marker, color=look.colour, linestyle=look.dash)
        band(axis, rows["step"], rows["validation_low"], rows["validation_high"], look.colour)
        text = f"groups of {name}" if name.isdecimal() else {NONE: "no normalisation", LAYER: "layer norm"}[name]
        end = rows.iloc[-1]
        label(axis, text, end["step"], end["validation"], look.colour, xytext=(9, 0))
    axis.set(xlabel="step", ylabel="validation loss (nats)")
    first, last = axis.get_xlim()
    axis.set_xticks([tick for tick in axis.get_xticks() if 0 < tick <= last])
    axis.set_xlim(first, last + 0.3 * (last - first))  # room for the names
    return figure


def _ghosts(result: Result) -> pd.DataFrame:
    return result.variants[result.variants["size"] > 0]


def _dots(
    axis: Axes, rows: pd.DataFrame, across: str, kind: str, look: Look, line: object = "none", **more: Any
) -> None:
    errors = [rows[kind] - rows[f"{kind}_low"], rows[f"{kind}_high"] - rows[kind]]
    style: dict[str, Any] = {"marker": look.marker, "color": look.colour, "linestyle": line, "linewidth": 1.2} | more
    axis.errorbar(rows[across], rows[kind], yerr=errors, zorder=3, **style)
