"""Is momentum an exponentially weighted average?

Method  The notes' update is fed a single gradient of 1, which shows the weight it gives to every age.  Then it is fed
        the gradients of a small names network, standing still and in training, and its averages are compared with the
        gradient over all examples, the full gradient; and the same for a wider network and a longer run.  Last, the
        notes' two lines and torch.optim.SGD train one network on the same batches.
Cost    About a minute on one core.
Notes   003_0e3f15bdf12e2faf.txt, "The momentum formula is the exact formula", "Gradient Descent with Momentum".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

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
    wide: int = 100  # hidden units of the second network that is monitored
    long: int = 1000  # steps for which that one is
    eval_every: int = 40  # steps from one comparison with the full gradient to the next
    lrs: tuple[float, ...] = (0.01, 0.1)  # learning rates of the monitored networks; one more stands still
    betas: Annotated[tuple[float, ...], ">= 0, < 1"] = (  # besides 0, which averages nothing
        0.5,
        0.8,
        0.9,
        0.95,
        0.98,
        0.99,
        0.995,
        0.998,
        0.999,
    )
    beta: Annotated[float, ">= 0, < 1"] = 0.9  # "the most common value", for everything but the sweep
    alpha: Annotated[float, "> 0"] = 0.1  # learning rate of the notes' two lines
    path_steps: int = 100  # trained by them and by PyTorch


SMOKE = Params(
    names=50, width=5, batch=4, seeds=3, steps=40, wide=6, long=50, eval_every=10, betas=(0.5, 0.9), path_steps=10
)
MINUTE = Params(seeds=8)  # about that long on one core: what the notebook runs


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
    roughness_ratio: Estimate  # the same in training, of the squared changes from step to step; largest over lrs, too
    ema_weights: pd.DataFrame  # per beta and age: the weight that the update gives, and the formula's
    windows: pd.DataFrame  # per beta: weight of the last 1 / (1 - beta), mean age, effective sample size; and formulas
    first_steps: pd.DataFrame  # per step, at beta: sum of the weights, weight of the first gradient, effective size
    distances: pd.DataFrame  # per lr and beta: squared distance, as a share of a single batch's, and the formula's
    closest: pd.DataFrame  # per network and lr: closest beta, its squared distance and zero's; the highest's over its
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


def first_step_ratio(result: Result) -> float:
    """Return how many times the notes' first step PyTorch's is at the same learning rate."""
    first = result.optimisers.set_index("optimiser")["first_step"]
    return float(first[SAME_LR] / first[NOTES])


def buffer_error(result: Result) -> float:
    """Return how far PyTorch's buffer is from a multiple of the average: rounding units a step."""
    return result.buffer_error / result.params.steps


def _percent_off(ratio: Estimate) -> Estimate:
    return Estimate(100 * (1 - ratio.mean), 100 * ratio.half_width, ratio.n)


def _moving(result: Result) -> pd.DataFrame:
    """Return the rows of `closest` at which the network trains."""
    return result.closest.query("lr > 0")


def _window_line(params: Params) -> str:
    window = round(1 / (1 - params.beta))
    return (
        "Two readings.  First, the last $1/(1-\\beta)$ values carry more than half of the weight, at every β tried.  "
        f"Second, the plain mean that is as smooth, at β = {params.beta:g}, is of a number of values nearer to {window} than "
        "to half or twice as many.  Holds if both are so, with a caveat if one is."
    )


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="exact",
        text="The momentum formula is the exact formula of an exponentially weighted moving average.",
        source=Lines("N3", 51, 51),
        rule=Below(
            "the largest difference between the update and the weighted sum that it stands for, per step,",
            lambda r: r.unrolled_error / r.params.steps,
            1,
            "rounding unit",
            "rounding can do that and no more, while a wrong power of β differs by a share of $1-\\beta$",
        ),
        number=lambda r: (
            f"update and weighted sum differ by at most {r.unrolled_error:.1f} rounding units after {r.params.steps} steps, "
            "where one a step is allowed"
        ),
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
            f"its weights add up to {r.first_steps['sum_notes'].iloc[0]:.2f} at step 1, to 0.99 at step {first_full_sum(r)}"
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
            f"the last 1/(1 − β) carry {100 * r.windows['window_weight'].min():.0f} % of the weight or more; at β = "
            f"{r.params.beta:g} it is as smooth as a plain mean of {r.effective_size} gradients"
        ),
    ),
    Claim(
        name="smoother",
        text="Averaging over more values is smoother.",
        source=Lines("N3", 90, 90),
        rule=All(
            Below(
                "the squared distance from the full gradient at a β of the sweep over that at the β below it, with the "
                "network standing still and where this ratio is largest,",
                lambda r: r.smoothing_ratio,
                1,
            ),
            Below(
                "the same ratio of the squared changes from one step to the next, in training,",
                lambda r: r.roughness_ratio,
                1,
            ),
        ),
        number=lambda r: (
            f"each higher β tried lowers the noise, by {_percent_off(r.smoothing_ratio)} % or more, and the changes from step "
            "to step"
        ),
    ),
    Claim(
        name="not-always",
        text="Smoother is not always desired.",
        source=Lines("N3", 90, 90),
        rule=Caveat(
            Above(
                "the squared distance from the full gradient at the highest β, over that at the closest of the lower ones, for "
                "both networks and learning rates,",
                lambda r: rows(_moving(r), "ratio"),
                1,
            ),
            Above("the largest of these ratios", lambda r: tuple(_moving(r)[["ratio_low", "ratio_high"]].max()), 1),
        ),
        number=lambda r: (
            f"at the highest β the squared distance is {_moving(r)['ratio'].min():.3f} to {_moving(r)['ratio'].max():.3f} times "
            "that at the best lower one"
        ),
    ),
    Claim(
        name="pytorch",
        text="What PyTorch calls momentum is that average.",
        source=None,
        rule=All(
            Below(
                "the distance between the buffer of `SGD(momentum=β)` and a fixed multiple of the average, per step,",
                buffer_error,
                1,
                "rounding unit",
            ),
            Equals("that multiple", lambda r: r.buffer_ratio, 1, 1e-9),
        ),
        number=lambda r: f"it is {r.buffer_ratio:.6g} times the average, at every step",
    ),
    Claim(
        name="same-steps",
        text="At the same learning rate PyTorch takes the notes’ step, `new_weight = old_weight - alpha*momentum`.",
        source=None,
        rule=Below(
            "the distance of `SGD(lr=α, momentum=β)` from the notes’ path in the end, as a share of the path,",
            lambda r: rows(r.optimisers.query("optimiser == @SAME_LR"), "distance"),
            1e-9,
        ),
        number=lambda r: (
            f"the first step is {first_step_ratio(r):.0f} times as long; the steps are the same only at a learning rate of (1 − β)α"
        ),
    ),
)


def run(params: Params) -> Result:
    """Weigh the ages, average gradients standing still and in training, and train with PyTorch beside the notes."""
    x, y = names.contexts(names.split(names.load(params.data)).train[: params.names])
    data = names.counts(x, y)
    seeds = range(params.seeds)
    lrs, betas = (0.0, *params.lrs), sorted({0.0, *params.betas, params.beta})
    init = initialisation.well_scaled(mlp.init(seeds, params.width, dtype=torch.float64))
    wide = initialisation.well_scaled(mlp.init(seeds, params.wide, dtype=torch.float64))
    order = mlp.batches(
        seeds, len(x), params.batch, max(params.steps, params.long, params.path_steps)
    )  # [step, seed, batch]
    path_order = order[: params.path_steps]
    plans = [(init, params.steps, lr) for lr in lrs] + [(wide, params.long, lr) for lr in params.lrs]
    monitored = [
        monitor(weights, (x[order[:steps]], y[order[:steps]]), data, lr, betas, params.eval_every)
        for weights, steps, lr in track(plans, "networks and learning rates")
    ]
    # In units of a single batch's squared distance, which is that at beta 0.
    relative = np.stack([(each.squared_distance / each.squared_distance[0]).numpy() for each in monitored])
    norms = np.stack([(each.squared_norm / each.squared_distance[0]).numpy() for each in monitored])  # [plan, seed]
    own = len(lrs)  # plans of the first network; the others are the wide one's
    ratios = relative[0, 1:] / relative[0, :-1]  # of each beta to the one below, [beta, seed]
    rough = np.concatenate([(each.roughness[1:] / each.roughness[:-1]).numpy() for each in monitored[1:]])
    gradients = monitored[own - 1].gradients.flatten(1)  # [step, value]
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
        roughness_ratio=Estimate.of(rough[rough.mean(1).argmax()]),
        ema_weights=ema_weights,
        windows=windows,
        first_steps=first_steps(params.beta, kept),
        distances=distance_table(
            relative[:own], lrs, betas, range(params.eval_every, params.steps + 1, params.eval_every)
        ),
        closest=pd.concat(
            [
                closest_table(relative[:own], norms[:own], lrs, betas, params.width, params.steps),
                closest_table(relative[own:], norms[own:], params.lrs, betas, params.wide, params.long),
            ],
            ignore_index=True,
        ),
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
