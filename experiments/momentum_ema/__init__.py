"""Is momentum an exponentially weighted average?

Method  The notes' update is fed a single gradient of 1, which shows the weight it gives to every age.  Then it is fed
        the gradients of a small names network, standing still and in training, and its averages are compared with the
        gradient over all examples, the full gradient.  Last, the notes' two lines and torch.optim.SGD train one network
        on the same batches.
Cost    About 8 s on one core.
Notes   003_0e3f15bdf12e2faf.txt, "The momentum formula is the exact formula", "Gradient Descent with Momentum".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from experiments.momentum_ema.ema import ROUNDING_UNIT, compare_with_pytorch, unrolled_error
from experiments.momentum_ema.ema_weights import first_steps, weights_by_age
from experiments.momentum_ema.optimiser_paths import Setting, end_table, path_table, train_side_by_side
from experiments.momentum_ema.smoothing import closest_table, distance_table, monitor
from lab.claims import Above, All, Any, Below, Caveat, Claim, Equals, Interval, Lines, Within, rows
from lab.estimate import Estimate
from lab.progress import track
from nets import initialisation, mlp, names

WINDOWS_KEPT = 6  # times 1 / (1 - beta): youngest ages and first steps that are kept in the tables
NOTES, SAME_LR, SCALED_LR, DAMPENED, ZERO_BUFFER = (
    "the notes’ two lines",
    "SGD",
    "SGD, lr = (1 − β)α",
    "SGD, dampening = β",
    "SGD, dampening = β, buffer set to 0",
)


@dataclass(frozen=True)
class Params:
    """The averages, and the network whose gradients they average."""

    data: Path = Path("data/names.txt")  # one name a line
    names: int = 1000  # names to learn, the first of the training split: few, so that the full gradient is cheap
    width: int = 30  # hidden units
    batch: int = 32  # examples
    seeds: int = 16  # independent networks: initialisations and batches
    steps: int = 400  # for which the averages are monitored
    eval_every: int = 40  # steps from one comparison with the full gradient to the next
    lrs: tuple[float, ...] = (0.01, 0.1)  # learning rates of the monitored networks; one more stands still
    betas: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998)  # besides 0, which averages nothing
    beta: float = 0.9  # "the most common value", for everything but the sweep
    alpha: float = 0.1  # learning rate of the notes' two lines
    path_steps: int = 100  # trained by them and by PyTorch


SMOKE = Params(names=50, width=5, batch=4, seeds=3, steps=40, eval_every=10, betas=(0.5, 0.9), path_steps=10)


@dataclass(frozen=True)
class Result:
    """What was found.  A squared distance is that from the full gradient, in all weights together."""

    params: Params
    unrolled_error: float  # largest difference of update and weighted sum, in rounding units of the sum's size
    buffer_ratio: float  # PyTorch's buffer over the notes' average, on the same gradients
    buffer_error: float  # its largest departure from 1 / (1 - beta) times, in rounding units of the average's size
    dampened_error: float  # of the dampened buffer from the average plus beta^t times the first gradient, in the same
    scaled_lr_error: float  # largest distance of PyTorch at lr (1 - beta) alpha from the notes' path, in rounding units
    zero_buffer_error: float  # the same with dampening and a buffer of zeros
    effective_size: Estimate  # values of a plain mean with the squared distance that the average has at beta, lr 0
    smoothing_ratio: Estimate  # squared distance at one beta over that at the beta below, lr 0: largest of the sweep
    ema_weights: pd.DataFrame  # per beta and age: the weight that the update gives, and the formula's
    windows: pd.DataFrame  # per beta: weight of the last 1 / (1 - beta), mean age, effective sample size; and formulas
    first_steps: pd.DataFrame  # per step, at beta: sum of the weights, weight of the first gradient, effective size
    distances: pd.DataFrame  # per lr and beta: squared distance, as a share of a single batch's, and the formula's
    closest: pd.DataFrame  # per lr: closest beta, its squared distance and zero's; the highest beta's over its
    paths: pd.DataFrame  # per optimiser and step: distance from the notes' path, in alpha times the first gradient
    optimisers: pd.DataFrame  # per optimiser: first step, distance from the notes' end, loss at the end (nats)


def first_full_sum(result: Result) -> int:
    """Return the first step from which on the weights of the notes' average sum to 1 within 1 %."""
    return int(result.first_steps.query("sum_notes >= 0.99")["step"].min())


def effective_octaves(result: Result) -> Interval:
    """Return the binary logarithm of the effective size over 1 / (1 - beta)."""
    size, window = result.effective_size, 1 / (1 - result.params.beta)
    low, high = (math.log2(max(end, 1e-9) / window) for end in (size.low, size.high))  # a wide interval may reach 0
    return low, high


def buffer_error(result: Result) -> float:
    """Return how far PyTorch's buffer is from a multiple of the average: rounding units a step."""
    return result.buffer_error / result.params.steps


def _moving(result: Result) -> pd.DataFrame:
    """Return the rows of `closest` at which the network trains."""
    return result.closest.query("lr > 0")


def _window_line(params: Params) -> str:
    window = round(1 / (1 - params.beta))
    return (
        "Two readings.  The last $1/(1-\\beta)$ values carry more than half of the weight, at every β tried; and a "
        f"plain mean that is as smooth, at β = {params.beta:g}, is one of nearer to {window} values than to half or "
        "twice as many.  Holds if both are so, with a caveat if one is."
    )


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="exact",
        text="The momentum formula is the exact formula of an exponentially weighted moving average.",
        source=Lines("N3", 51, 51),
        rule=Below(
            "the largest difference of the update and the weighted sum that it stands for, for each step summed,",
            lambda r: r.unrolled_error / r.params.steps,
            1,
            "rounding unit",
            "rounding can do that and no more, while a wrong power of β differs by a share of $1-\\beta$",
        ),
        number=lambda r: f"{r.unrolled_error:.1f} rounding units",
    ),
    Claim(
        name="average",
        text="Momentum is an average of previous values.",
        source=Lines("N3", 89, 89),
        rule=Caveat(
            Equals(
                "the sum of the weights at the first step",
                lambda r: r.first_steps["sum_notes"].iloc[0],
                1,
                0.01,
                reason="the weights of an average add up to 1",
            ),
            Equals("their sum at the last step shown", lambda r: r.first_steps["sum_notes"].iloc[-1], 1, 0.01),
        ),
        number=lambda r: (
            f"sum {r.first_steps['sum_notes'].iloc[0]:.2f} at step 1, above 0.99 from step {first_full_sum(r)} on"
        ),
    ),
    Claim(
        name="window",
        text="It averages over about $1/(1-\\beta)$ of them.",
        source=Lines("N3", 89, 89),
        line=_window_line,
        rule=Caveat(
            All(
                Above(
                    "the weight of the last $1/(1-\\beta)$ values, at every β tried,",
                    lambda r: r.windows["window_weight"],
                    0.5,
                ),
                Within(
                    "the binary logarithm of the number of values in a plain mean that is as smooth, over $1/(1-\\beta)$,",
                    effective_octaves,
                    -0.5,
                    0.5,
                    reason="nearer to $1/(1-\\beta)$ than to half or twice as many",
                ),
            ),
            Any(
                Above("that weight", lambda r: r.windows["window_weight"], 0.5),
                Within("that logarithm", effective_octaves, -0.5, 0.5),
            ),
        ),
        number=lambda r: (
            f"carry {100 * r.windows['window_weight'].min():.0f} % or more; as smooth as {r.effective_size} values"
        ),
    ),
    Claim(
        name="smoother",
        text="Averaging over more values is smoother.",
        source=Lines("N3", 90, 90),
        rule=Below(
            "the ratio of the squared distances from the full gradient at a β of the sweep and at the β below it, standing "
            "still and where it is largest,",
            lambda r: r.smoothing_ratio,
            1,
        ),
        number=lambda r: f"ratio at most {r.smoothing_ratio}",
    ),
    Claim(
        name="not-always",
        text="Smoother is not always desired.",
        source=Lines("N3", 90, 90),
        rule=Caveat(
            Above(
                "the ratio of the squared distances from the full gradient at the highest β and at the closest one, at every "
                "learning rate tried,",
                lambda r: rows(_moving(r), "ratio"),
                1,
            ),
            Above("the largest of these ratios", lambda r: tuple(_moving(r)[["ratio_low", "ratio_high"]].max()), 1),
        ),
        number=lambda r: "; ".join(
            f"{row['ratio']:.2f} times the best β’s at a learning rate of {row['lr']:g}"
            for row in _moving(r).to_dict("records")
        ),
    ),
    Claim(
        name="pytorch",
        text="What PyTorch calls momentum is that average.",
        source=Lines("N3", 84, 84),
        rule=Caveat(
            All(
                Below(
                    "the distance of the buffer of `SGD(momentum=β)` from a fixed multiple of the average, for each step,",
                    buffer_error,
                    1,
                    "rounding unit",
                ),
                Equals("that multiple", lambda r: r.buffer_ratio, 1, 1e-9),
            ),
            Below("that distance for any multiple", buffer_error, 1, "rounding unit"),
        ),
        number=lambda r: f"{r.buffer_ratio:.6g} times, to {r.buffer_error:.1f} rounding units",
    ),
    Claim(
        name="same-steps",
        text="`new_weight = old_weight - alpha*momentum` is the step that PyTorch takes.",
        source=Lines("N3", 85, 85),
        rule=Caveat(
            Below(
                "the distance of `SGD(lr=α, momentum=β)` from the notes’ path in the end, as a share of the path,",
                lambda r: rows(r.optimisers.query("optimiser == @SAME_LR"), "distance"),
                1e-9,
            ),
            Below(
                "that of SGD with the learning rate $(1-\\beta)\\alpha$, for each step,",
                lambda r: r.scaled_lr_error / r.params.path_steps,
                1,
                "rounding unit",
            ),
        ),
        number=lambda r: f"{r.scaled_lr_error:.1f} rounding units apart at a learning rate of (1 − β)α",
    ),
)


def run(params: Params) -> Result:
    """Weigh the ages, average gradients standing still and in training, and train with PyTorch beside the notes."""
    x, y = names.contexts(names.split(names.load(params.data)).train[: params.names])
    data = names.counts(x, y)
    seeds = range(params.seeds)
    lrs, betas = (0.0, *params.lrs), sorted({0.0, *params.betas, params.beta})
    init = initialisation.well_scaled(mlp.init(seeds, params.width, dtype=torch.float64))
    order = mlp.batches(seeds, len(x), params.batch, max(params.steps, params.path_steps))  # [step, seed, batch]
    monitored_order, path_order = order[: params.steps], order[: params.path_steps]
    monitored = [
        monitor(init, (x[monitored_order], y[monitored_order]), data, lr, betas, params.eval_every)
        for lr in track(lrs, "learning rates")
    ]
    # In units of a single batch's squared distance, which is that at beta 0.
    relative = np.stack([(each.squared_distance / each.squared_distance[0]).numpy() for each in monitored])
    norms = np.stack([(each.squared_norm / each.squared_distance[0]).numpy() for each in monitored])  # [lr, seed]
    ratios = relative[0, 1:] / relative[0, :-1]  # of each beta to the one below, [beta, seed]
    gradients = monitored[-1].gradients.flatten(1)  # [step, value]
    kept = round(WINDOWS_KEPT / (1 - params.beta))
    ema_weights, windows = weights_by_age(betas, kept)
    settings = _settings(params)
    paths = train_side_by_side(init, (x[path_order], y[path_order]), params.alpha, params.beta, list(settings.values()))
    errors = dict(zip(settings, (paths.relative_distance / ROUNDING_UNIT).tolist(), strict=True))
    return Result(
        params=params,
        unrolled_error=max(unrolled_error(gradients, beta) for beta in betas),
        **compare_with_pytorch(gradients, params.beta),
        scaled_lr_error=errors[SCALED_LR],
        zero_buffer_error=errors[ZERO_BUFFER],
        effective_size=Estimate.of(1 / relative[0, betas.index(params.beta)]),
        smoothing_ratio=Estimate.of(ratios[ratios.mean(1).argmax()]),
        ema_weights=ema_weights,
        windows=windows,
        first_steps=first_steps(params.beta, kept),
        distances=distance_table(relative, lrs, betas, range(params.eval_every, params.steps + 1, params.eval_every)),
        closest=closest_table(relative, norms, lrs, betas),
        paths=path_table(paths, list(settings), params.alpha),
        optimisers=end_table(paths, [NOTES, *settings], params.alpha, data),
    )


def _settings(params: Params) -> dict[str, Setting]:
    alpha, beta = params.alpha, params.beta
    return {
        SAME_LR: Setting(alpha, beta),
        SCALED_LR: Setting((1 - beta) * alpha, beta),
        DAMPENED: Setting(alpha, beta, dampening=beta),
        ZERO_BUFFER: Setting(alpha, beta, dampening=beta, zero_buffer=True),
    }
