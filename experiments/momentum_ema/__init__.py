"""Is momentum an exponentially weighted average?

Method  The notes' update is fed a single gradient of 1, which shows the weight it gives to every age.  Then it is fed
        the gradients of a small names network, at rest and in training, and its averages are held against the gradient
        over all examples.  Last, the notes' two lines and torch.optim.SGD train one network on the same batches.
Cost    About 8 s on one core.
Notes   003_0e3f15bdf12e2faf.txt, "The momentum formula is the exact formula", "Gradient Descent with Momentum".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from experiments.momentum_ema.ema import UNIT, against_pytorch, unrolled_error
from experiments.momentum_ema.ema_weights import ages, beginnings
from experiments.momentum_ema.optimiser_paths import Setting, ends, paths, walk
from experiments.momentum_ema.smoothing import distances, overdone, watch
from lab.claims import Claim, Verdict, side, within
from lab.estimate import Estimate
from lab.progress import track
from nets import initialisation, mlp, names

EARLY = 60  # ages and first steps that are kept in the tables
NOTES, SAME, SCALED, DAMPENED, ZEROED = (
    "the notes’ two lines",
    "SGD",
    "SGD, rate (1 − β)α",
    "SGD, dampening = β",
    "SGD, dampening = β, buffer set to 0",
)


@dataclass(frozen=True)
class Params:
    """The averages, and the network whose gradients they average."""

    data: Path = Path("data/names.txt")  # one name a line
    names: int = 1000  # names to learn, the first of the training split: few, so that the whole gradient is cheap
    width: int = 30  # hidden units
    batch: int = 32  # examples
    seeds: int = 16  # independent networks: draws and batches
    steps: int = 400  # for which the averages are watched
    every: int = 40  # steps from one look at the whole gradient to the next
    rates: tuple[float, ...] = (0.0, 0.01, 0.1)  # learning rates of the watched networks; the first stands still
    betas: tuple[float, ...] = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998)  # ascending; 0 averages nothing
    beta: float = 0.9  # "the most common value", for everything but the sweep
    alpha: float = 0.1  # learning rate of the notes' two lines
    walk: int = 100  # steps trained by them and by PyTorch


SMOKE = Params(names=50, width=5, batch=4, seeds=3, steps=40, every=10, betas=(0.0, 0.5, 0.9), walk=10)


@dataclass(frozen=True)
class Result:
    """What was found.  A squared distance is that from the gradient over all examples, in all weights together."""

    unrolled: float  # largest difference of update and weighted sum, in rounding units of the sum's size
    multiple: float  # PyTorch's buffer over the notes' average, on the same gradients
    multiple_error: float  # largest departure from 1 / (1 - beta) times, in rounding units of the average's size
    dampened_error: float  # of the dampened buffer from the average plus beta^t times the first gradient, in the same
    converted: float  # largest distance of PyTorch at rate (1 - beta) alpha from the notes' path, in rounding units
    zeroed: float  # the same with dampening and a buffer of zeros
    values: Estimate  # that a plain mean needs for the squared distance which the average has at beta, standing still
    smoother: Estimate  # squared distance at one beta over that at the beta below, standing still: largest of the sweep
    weights: pd.DataFrame  # per beta and age: the weight that the update gives, and the formula's
    windows: pd.DataFrame  # per beta: share of the last 1 / (1 - beta), mean age, equal number of values; and formulas
    starts: pd.DataFrame  # per step, at beta: sum of the weights, share of the first, equal number of values, per start
    distances: pd.DataFrame  # per rate and beta: squared distance, as a share of a single batch's, and the formula's
    overdone: pd.DataFrame  # per rate: closest beta, its squared distance and zero's; the highest beta's over its
    path: pd.DataFrame  # per optimiser and step: distance from the notes' path, in alpha times the first gradient
    optimisers: pd.DataFrame  # per optimiser: first step, distance from the notes' end, loss at the end (nats)


def _average(result: Result) -> Verdict:
    total = result.starts["sum_notes"].to_numpy()
    if abs(total[0] - 1) <= 0.01:
        return Verdict.HOLDS
    return Verdict.CAVEAT if abs(total[-1] - 1) <= 0.01 else Verdict.FAILS


def _settled(result: Result) -> int:
    """Return the first step from which on the weights of the notes' average sum to 1 within 1 %."""
    return int(result.starts.query("sum_notes >= 0.99")["step"].min())


def _window(result: Result) -> Verdict:
    window = 1 / (1 - Params.beta)
    carried = bool((result.windows["carried"] > 0.5).all())
    near = within(result.values.low, result.values.high, lower=window / 2**0.5, upper=window * 2**0.5)
    if near is Verdict.UNDECIDED:
        return near
    readings = carried + (near is Verdict.HOLDS)
    return (Verdict.FAILS, Verdict.CAVEAT, Verdict.HOLDS)[readings]


def _overdone(result: Result) -> Verdict:
    moving = result.overdone.query("rate > 0")
    each = {side(low, high, above=1) for low, high in zip(moving["ratio_low"], moving["ratio_high"], strict=True)}
    return each.pop() if len(each) == 1 else Verdict.CAVEAT if Verdict.HOLDS in each else Verdict.UNDECIDED


def _multiple(result: Result) -> Verdict:
    if result.multiple_error > Params.steps:
        return Verdict.FAILS
    return Verdict.HOLDS if abs(result.multiple - 1) < 1e-9 else Verdict.CAVEAT


def _path(result: Result) -> Verdict:
    if result.optimisers.set_index("optimiser")["apart_high"][SAME] < 1e-9:
        return Verdict.HOLDS
    return Verdict.CAVEAT if result.converted <= Params.walk else Verdict.FAILS


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="exact",
        text="The momentum formula is the exact formula of an exponentially weighted moving average.",
        source="N3, “Food for thoughts”",
        line="Holds if the update and the weighted sum that it stands for differ by less than one rounding unit for "
        "each step summed: rounding can do that and no more, while a wrong power of β differs by 10 %.",
        verdict=lambda r: Verdict.HOLDS if r.unrolled <= Params.steps else Verdict.FAILS,
        number=lambda r: f"{r.unrolled:.1f} rounding units",
    ),
    Claim(
        name="average",
        text="Momentum is an average of previous values.",
        source="N3, “Momentum is an approx average”",
        line="The weights of an average add up to 1.  Holds if they do so within 1 % from the first step on; "
        "with a caveat if they do so only later.",
        verdict=_average,
        number=lambda r: f"sum {r.starts['sum_notes'].iloc[0]:.2f} at step 1, above 0.99 from step {_settled(r)} on",
    ),
    Claim(
        name="window",
        text="It averages over about $1/(1-\\beta)$ of them.",
        source="N3, “over 1 / (1 - beta) previous values”",
        line="Two readings.  The last $1/(1-\\beta)$ values carry more than half of the weight, at every β tried; and a "
        "plain mean that is as smooth, at β = [0.9]{.given}, is one of nearer to 10 values than to 5 or 20.  "
        "Holds if both are so, with a caveat if one is.",
        verdict=_window,
        number=lambda r: f"carry {100 * r.windows['carried'].min():.0f} % or more; as smooth as {r.values} values",
    ),
    Claim(
        name="smoother",
        text="Averaging over more values is smoother.",
        source="N3, “we average over a larger number of points and get smoother representations”",
        line="Holds if, standing still, every β of the sweep comes closer to the whole gradient than the β below it: "
        "the ratio of the squared distances lies below 1.",
        verdict=lambda r: side(-r.smoother.high, -r.smoother.low, above=-1),
        number=lambda r: f"ratio at most {r.smoother}",
    ),
    Claim(
        name="not-always",
        text="Smoother is not always desired.",
        source="N3, “(not always desired)”",
        line="Holds if in training, at every learning rate tried, the highest β is farther from the whole gradient "
        "than a lower one; with a caveat if at some rates only.",
        verdict=_overdone,
        number=lambda r: "; ".join(
            f"{row['ratio']:.2f} times the best β’s at rate {row['rate']:g}"
            for row in r.overdone.to_dict("records")
            if row["rate"] > 0
        ),
    ),
    Claim(
        name="pytorch",
        text="What PyTorch calls momentum is that average.",
        source="N3, “The momentum formula”",
        line="Holds if the buffer of `SGD(momentum=β)` equals the average within one rounding unit a step; "
        "with a caveat if a fixed multiple of it does.",
        verdict=_multiple,
        number=lambda r: f"{r.multiple:.6g} times, to {r.multiple_error:.1f} rounding units",
    ),
    Claim(
        name="same-steps",
        text="`new_weight = old_weight - alpha*momentum` is the step that PyTorch takes.",
        source="N3, “Gradient Descent with Momentum”",
        line="Holds if `SGD(lr=α, momentum=β)` walks the notes’ path within one rounding unit a step; "
        "with a caveat if it does so at another rate.",
        verdict=_path,
        number=lambda r: f"{r.converted:.1f} rounding units apart at the rate (1 − β)α",
    ),
)


def run(params: Params) -> Result:
    """Weigh the ages, watch averages of gradients at rest and in training, and walk with PyTorch beside the notes."""
    x, y = names.contexts(names.split(names.load(params.data)).train[: params.names])
    data = names.counts(x, y)
    seeds = range(params.seeds)
    start = initialisation.well_scaled(mlp.init(seeds, params.width, dtype=torch.float64))
    order = mlp.batches(seeds, len(x), params.batch, max(params.steps, params.walk))  # [step, seed, batch]
    shown, walked = order[: params.steps], order[: params.walk]
    watched = [
        watch(start, (x[shown], y[shown]), data, rate, params.betas, params.every)
        for rate in track(params.rates, "learning rates")
    ]
    relative = np.stack([(each.squared / each.squared[0]).numpy() for each in watched])  # [rate, beta, seed]
    sizes = np.stack([(each.size / each.squared[0]).numpy() for each in watched])  # [rate, seed]
    ratios = relative[0, 1:] / relative[0, :-1]  # of each beta to the one below, [beta, seed]
    gradients = watched[-1].gradients.flatten(1)  # [step, value]
    weights, windows = ages(params.betas, EARLY)
    settings = _settings(params)
    walks = walk(start, (x[walked], y[walked]), params.alpha, params.beta, list(settings.values()))
    units = dict(zip(settings, (walks.units / UNIT).tolist(), strict=True))
    return Result(
        unrolled=max(unrolled_error(gradients, beta) for beta in params.betas),
        **against_pytorch(gradients, params.beta),
        converted=units[SCALED],
        zeroed=units[ZEROED],
        values=Estimate.of(1 / relative[0, params.betas.index(params.beta)]),
        smoother=Estimate.of(ratios[ratios.mean(1).argmax()]),
        weights=weights,
        windows=windows,
        starts=beginnings(params.beta, EARLY),
        distances=distances(relative, params.rates, params.betas, range(params.every, params.steps + 1, params.every)),
        overdone=overdone(relative, sizes, params.rates, params.betas),
        path=paths(walks, list(settings), params.alpha),
        optimisers=ends(walks, [NOTES, *settings], params.alpha, data),
    )


def _settings(params: Params) -> dict[str, Setting]:
    alpha, beta = params.alpha, params.beta
    return {
        SAME: Setting(alpha, beta),
        SCALED: Setting((1 - beta) * alpha, beta),
        DAMPENED: Setting(alpha, beta, dampening=beta),
        ZEROED: Setting(alpha, beta, dampening=beta, zeroed=True),
    }
