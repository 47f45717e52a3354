"""Figures of the chapter on what a batch-norm layer adds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.batchnorm_parameters import BOTH, LECTURE, NEITHER, NO_SCALE, NO_SHIFT, ONE_PERCENT, PYTORCH, Result
from experiments.batchnorm_parameters.dead import FROZEN, WITH, WITHOUT
from experiments.batchnorm_parameters.exact import EPSILON
from figures.style import ACCENT, CONTROL, MUTED, PREDICTED, SERIES, Look, band, canvas, label, log_ticks
from lab.live import Axis, Curve, Frame, Live, Slider

PLAIN = Look(CONTROL, "X", "-")
DEAD_LOOKS = {WITHOUT: PLAIN, WITH: SERIES[0], FROZEN: SERIES[2]}


def died(result: Result) -> Figure:
    """Share of ReLU units that died in training against the learning rate: without batch norm, with it, shift frozen."""
    figure, axis = canvas(height=3.0)
    for arm, look in DEAD_LOOKS.items():
        rows = result.trained[(result.trained["arm"] == arm) & result.trained["died"].notna()]
        _dots(axis, rows, "lr", "died", look, "-")
        last = rows.iloc[-1]
        words = arm.replace(", ", ",\n").replace("without ", "without\n")
        label(axis, words, last["lr"], last["died"], look.colour, xytext=(9, 5 * (arm == FROZEN)))
    axis.set(xscale="log", xlabel="learning rate", ylabel="share of units that died", ylim=(-0.05, 1.0))
    axis.set_xlim(result.params.dead_lrs[0] / 1.2, result.params.dead_lrs[-1] * 2.2)  # room for the names
    log_ticks(axis.xaxis, (1, 3))
    return figure


def excess(result: Result) -> Figure:
    """What running averages add to the training loss, against the step, for three momenta."""
    figure, axis = canvas(height=3.0)
    axis.axhline(ONE_PERCENT, color=MUTED, linewidth=1, zorder=1)
    momenta = [LECTURE, PYTORCH, result.params.momenta[-1]]
    for momentum, look in zip(momenta, (SERIES[0], SERIES[2], SERIES[1]), strict=True):
        rows = _curve(result, momentum)
        axis.plot(rows["step"], rows["excess"], color=look.colour, linestyle=look.dash, marker=look.marker)
        band(axis, rows["step"], rows["excess_low"], rows["excess_high"], look.colour)
        if momentum == LECTURE:
            top = rows.iloc[int(rows["excess"].to_numpy().argmax())]
            label(axis, f"momentum {momentum:g}", top["step"], top["excess"], look.colour, ha="right", xytext=(-9, 3))
        else:
            last = rows.iloc[-1]
            above = 4 if momentum > PYTORCH else -4
            label(axis, f"momentum {momentum:g}", last["step"], last["excess"], look.colour, xytext=(8, above))
    axis.set(xscale="log", xlabel="step", ylabel="added to the training loss (nats)")
    label(axis, "1 %", 1.0, ONE_PERCENT, CONTROL, va="bottom", xytext=(0, 2))
    log_ticks(axis.xaxis)
    return figure


def errors(result: Result) -> Figure:
    """Error of the running mean against its momentum: where nothing is learnt, on its law, and while the network learns."""
    figure, axis = canvas(height=3.0)
    rows = result.running
    axis.plot(rows["momentum"], rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash, zorder=1)
    _dots(axis, rows, "momentum", "still_error", SERIES[0])
    _dots(axis, rows, "momentum", "error", Look(ACCENT, "D", "-"), "-")
    low, first = rows.iloc[1], rows.iloc[0]
    label(axis, "weights frozen,\nand the law", low["momentum"], low["still_error"], SERIES[0].colour, xytext=(8, -12))
    label(axis, "while learning", first["momentum"], first["error"], ACCENT, xytext=(9, 6))
    axis.set(xscale="log", yscale="log", xlabel="momentum of the running average")
    axis.set(ylabel="error of the mean\n(standard deviations of the unit)")
    log_ticks(axis.xaxis, (1, 3))
    log_ticks(axis.yaxis, (1, 3))
    return figure


def narrow(result: Result) -> Figure:
    """Standard deviation that comes out of the layer, against the one that goes in, and the law with epsilon."""
    figure, axis = canvas(height=2.8)
    rows = result.narrow
    std = np.geomspace(rows["std"].min(), rows["std"].max(), 200)
    axis.axvline(EPSILON**0.5, color=MUTED, linewidth=1, zorder=1)
    axis.plot(std, std / np.sqrt(std**2 + EPSILON), color=PREDICTED, linestyle=SERIES[1].dash, zorder=2)
    axis.plot(rows["std"], rows["output"], "o", color=SERIES[0].colour, zorder=3)
    label(axis, "root of epsilon", EPSILON**0.5, 0.95, CONTROL, ha="right", xytext=(-5, 0))
    axis.set(
        xscale="log",
        ylim=(0, 1.1),
        xlabel="standard deviation of the feature",
        ylabel="standard deviation\nafter batch norm",
    )
    return figure


def affine(result: Result) -> Figure:
    """Test loss against the learning rate, with scale and shift trained or frozen."""
    figure, axis = canvas(height=3.0)
    looks = {BOTH: SERIES[0], NO_SHIFT: SERIES[2], NO_SCALE: SERIES[3], NEITHER: PLAIN}
    for arm, look in looks.items():
        rows = result.affine[(result.affine["arm"] == arm) & result.affine["test"].notna()]
        _dots(axis, rows, "lr", "test", look, look.dash)
    last = result.affine[result.affine["lr"] == result.params.lrs[-1]].set_index("arm")["test"]
    for arms, height in (((NO_SCALE, NEITHER), 6), ((BOTH, NO_SHIFT), -4)):
        where = float(np.mean([last[arm] for arm in arms]))
        words = f"{arms[0]},\n{arms[1]}"
        label(axis, words, result.params.lrs[-1], where, looks[arms[0]].colour, xytext=(10, height))
    axis.set(xscale="log", xlabel="learning rate", ylabel="test loss (nats)")
    lrs = result.params.lrs
    axis.set_xticks(lrs, labels=[f"{lr:g}" for lr in lrs])
    axis.minorticks_off()
    axis.set_xlim(lrs[0] / 1.15, lrs[-1] * 1.9)
    return figure


def reach(result: Result) -> Figure:
    """Share of dead units against how many scales the shift lies below zero, at initialisation and after training."""
    figure, axis = canvas(height=2.8)
    rows = result.reach
    for column, look in (("initial", SERIES[0]), ("trained", SERIES[2])):
        axis.plot(rows["below"], rows[column], color=look.colour, linestyle=look.dash)
        band(axis, rows["below"], rows[f"{column}_low"], rows[f"{column}_high"], look.colour)
    for column, words, look, aside in (
        ("trained", "after training", SERIES[2], {"ha": "right", "xytext": (-10, 4)}),
        ("initial", "at initialisation", SERIES[0], {"xytext": (12, -6)}),
    ):
        half = rows.iloc[int((rows[column] >= 0.5).to_numpy().argmax())]
        label(axis, words, half["below"], half[column], look.colour, **aside)
    axis.set(xlabel="how far the shift lies below zero, in scales", ylabel="share of units that are dead")
    return figure


def live(result: Result) -> Live:
    """What running averages add to the loss, against the step, for every momentum."""
    frames = []
    for momentum in result.params.momenta:
        rows, row = _curve(result, momentum), result.running[result.running["momentum"] == momentum].iloc[0]
        trusted = row["trusted"]
        sentence = f"Momentum {momentum:g}: in the end running averages add {_nats(row['excess'])} nats to the loss. "
        sentence += (
            f"They add less than 1 % from step {trusted:,.0f} on."
            if np.isfinite(trusted)
            else "They never settle below 1 % here."
        )
        frames.append(Frame(sentence, [Curve.of("running averages", rows, "step", "excess")]))
    steps = sorted(result.curves["step"].unique())
    line = Curve("1 %", [steps[0], steps[-1]], [ONE_PERCENT] * 2, meaning="muted")
    momenta = result.params.momenta
    return Live(
        title="Move the momentum",
        x=Axis("step", log=True),
        y=Axis("added to the training loss (nats)"),
        controls=[Slider("momentum", [f"{momentum:g}" for momentum in momenta], start=momenta.index(PYTORCH))],
        frames=frames,
        fixed=[line],
    )


def _nats(value: float) -> str:
    return f"{value:.4f}".replace("-", "\N{MINUS SIGN}")


def _curve(result: Result, momentum: float) -> pd.DataFrame:
    return result.curves[result.curves["momentum"] == momentum]


def _dots(axis: Axes, rows: pd.DataFrame, x: str, quantity: str, look: Look, line: object = "none") -> None:
    errors = [rows[quantity] - rows[f"{quantity}_low"], rows[f"{quantity}_high"] - rows[quantity]]
    style: dict[str, Any] = {"marker": look.marker, "color": look.colour, "linestyle": line, "linewidth": 1.2}
    axis.errorbar(rows[x], rows[quantity], yerr=errors, zorder=3, **style)
