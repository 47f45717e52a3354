"""Figures of the chapter on momentum as an average."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from experiments.momentum_ema import DAMPENED, SAME_LR, SCALED_LR, ZERO_BUFFER, Result
from figures.style import ACCENT, CONTROL, INK, MEASURED, PREDICTED, SERIES, band, canvas, label, log_ticks
from lab.live import Axis, Curve, Frame, Live, Slider

_BY_LR = (MEASURED, ACCENT, "#8a6d00")  # standing still, slow, fast


def ema_weights(result: Result) -> Figure:
    """Weight of each gradient against its age, at beta: bars from the update, and the plain mean that is as smooth."""
    beta = result.params.beta
    found = result.windows.set_index("beta").loc[beta].astype(float).to_dict()
    oldest = int(min(4 * found["window"], result.ema_weights["age"].max()))
    rows = result.ema_weights.query("beta == @beta and age <= @oldest")
    young = rows["age"] < found["window"]
    size, top = found["effective_size"], 1 - beta
    figure, axis = canvas(height=2.7)
    for which, colour in ((young, ACCENT), (~young, CONTROL)):
        axis.bar(rows["age"][which], rows["weight"][which], width=0.85, color=colour, alpha=0.75, linewidth=0)
    edges = [-0.5, -0.5, size - 0.5, size - 0.5]
    axis.plot(edges, [0, 1 / size, 1 / size, 0], color=PREDICTED, linestyle=SERIES[1].dash)
    share = 100 * found["window_weight"]
    label(axis, f"the last {found['window']:.0f} gradients: {share:.0f} % of the weight", 3, 0.84 * top, ACCENT)
    label(axis, f"a plain mean of {size:.0f}: as smooth", size, 0.9 / size, PREDICTED)
    label(axis, f"all older ones: {100 - share:.0f} %", 1.2 * size, 0.2 * top, CONTROL)
    axis.set(xlabel="age of the gradient (steps)", ylabel="weight in the average", xlim=(-1, oldest + 1))
    return figure


def live(result: Result) -> Live:
    """Weight of each past gradient against its age, one beta at a time: the formula's, and the update's where it was tried."""
    tried = result.ema_weights.query("beta > 0")
    longest = 1 / (1 - tried["beta"].max())
    betas = sorted({round(1 - 1 / window, 3) for window in np.geomspace(2, longest, 25)} | set(tried["beta"]))
    ages = sorted(set(tried["age"].tolist()))
    frames = []
    for beta in betas:
        window, size = round(1 / (1 - beta)), (1 + beta) / (1 - beta)
        sentence = f"β = {beta:g}: the gradient of {{x}} steps ago weighs {{0}}. The last {window} carry "
        sentence += (
            f"{100 * (1 - beta**window):.0f} % of the weight; the average is as smooth as a plain mean of {size:.3g}."
        )
        mean = [age for age in ages if age < size]
        curves = [
            Curve("predicted", ages, [(1 - beta) * beta**age for age in ages], meaning="predicted"),
            Curve("plain mean", mean, [1 / size] * len(mean), meaning="control"),
        ]
        if len(rows := tried[(tried["beta"] == beta) & (tried["age"] % 3 == 0)]):
            curves.append(Curve.of("measured", rows, "age", "weight", interval=False, line=False))
        frames.append(Frame(sentence, curves))
    usual = result.params.beta
    return Live(
        title="Move β",
        x=Axis("age of the gradient (steps)"),
        y=Axis("weight in the average", log=True, low=1e-4, high=1),
        controls=[Slider("β", [f"{beta:g}" for beta in betas], start=betas.index(usual))],
        frames=frames,
        position="age",
        position_start=round(1 / (1 - usual)) - 1,
    )


def first_steps(result: Result) -> Figure:
    """Sum of the weights against step, for averages that start at zero and at the first gradient."""
    figure, axis = canvas(height=2.7)
    rows, beta = result.first_steps, result.params.beta
    step, window = rows["step"], 1 / (1 - beta)
    axis.plot(step, 1 - beta**step, color=PREDICTED, linestyle=SERIES[1].dash, linewidth=1.1)
    axis.plot(step, rows["sum_notes"], "o", color=MEASURED, markersize=3.5)
    axis.plot(step, rows["sum_dampened"], color=CONTROL, linestyle=SERIES[2].dash)
    label(axis, "started at 0, as in the notes", window, 1 - np.exp(-1), MEASURED, xytext=(10, -4))
    label(axis, "started at the first gradient", 0.5 * step.iloc[-1], 1.06, CONTROL, xytext=(0, 0))
    axis.set(xlabel="step", ylabel="sum of the weights", ylim=(0, 1.15))
    return figure


def distances(result: Result) -> Figure:
    """Squared distance of the average from the full gradient against 1 / (1 - beta), one curve a learning rate."""
    figure, axis = canvas(height=3.3)
    longest = 1 / (1 - result.distances["beta"].max())
    axis.set(xscale="log", yscale="log", xlim=(0.85, 6 * longest))
    for lr, look, colour in zip(sorted(set(result.distances["lr"])), SERIES, _BY_LR, strict=False):
        rows = result.distances[result.distances["lr"] == lr]
        window = 1 / (1 - rows["beta"])
        if lr == 0:
            axis.plot(window, rows["predicted"], color=PREDICTED, linestyle=SERIES[1].dash, linewidth=1.1, zorder=4)
            label(
                axis, "dashed: theory", longest, 0.75 * rows["predicted"].iloc[-1], PREDICTED, ha="right", xytext=(0, 0)
            )
            axis.set_ylim(bottom=0.6 * rows["predicted"].iloc[-1])
        axis.plot(window, rows["distance"], look.marker + "-", color=colour, linewidth=0.9)
        band(axis, window, rows["distance_low"], rows["distance_high"], colour)
        name = "standing still" if lr == 0 else f"learning rate {lr:g}"
        label(axis, name, longest, rows["distance"].iloc[-1], colour, xytext=(7, 0))
    log_ticks(axis.xaxis)
    log_ticks(axis.yaxis)
    axis.set(xlabel="1/(1 − β) (steps)", ylabel="squared distance from the\ntrue gradient (one batch = 1)")
    return figure


def paths(result: Result) -> Figure:
    """Distance of PyTorch's path from the notes' against step: four settings, of which two stay on it."""
    figure, axis = canvas(height=2.9)
    last = result.params.path_steps
    drawn = (
        (SAME_LR, CONTROL, "-", "lr = α"),
        (DAMPENED, MEASURED, SERIES[1].dash, "lr = α,\ndampening = β"),
        (SCALED_LR, ACCENT, "-", "lr = (1 − β)α"),
        (ZERO_BUFFER, INK, SERIES[2].dash, "dampening = β,\nbuffer set to 0"),
    )
    for name, colour, dash, words in drawn:
        rows = result.paths[result.paths["optimiser"] == name]
        axis.plot(rows["step"], rows["distance"], color=colour, linestyle=dash)
        if name in (SAME_LR, DAMPENED):  # the others differ by rounding alone, which is no matter of chance
            band(axis, rows["step"], rows["distance_low"], rows["distance_high"], colour)
            lifted = {"xytext": (5, 18)} if name == DAMPENED else {}
            label(axis, words, last, rows["distance"].iloc[-1], colour, xytext=(6, 5), phone=lifted)
    both = " and ".join(words.replace("\n", " ") for name, _, _, words in drawn if name in (SCALED_LR, ZERO_BUFFER))
    top = axis.get_ylim()[1]
    short = {"text": "on the notes’ path: the other two"}
    label(axis, f"on the notes’ path: {both}", 0.02 * last, -0.07 * top, ACCENT, xytext=(0, 0), phone=short)
    axis.set(xlabel="step", xlim=(0, 1.25 * last), ylim=(-0.14 * top, top))
    axis.set_xticks([tick for tick in axis.get_xticks() if 0 <= tick <= last])
    axis.set_yticks([tick for tick in axis.get_yticks() if 0 <= tick <= top])
    axis.set_ylabel("distance from the notes’ path\n(first plain step = 1)")
    return figure
