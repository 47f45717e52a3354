"""Is a batch of 16 the same as 16 copies of the model?

Method  A batch of 16 examples is dealt to 16 copies of the names network, whose gradients are averaged and held
        against the batch's: as an ensemble of 16 networks, and by torch.func's per-example gradients, in two
        precisions.  The same is done with normalisation in the network, and with copies that take steps of their own.
        Then single weights are nudged, up and down, by sizes over twelve decades, and the change of the loss is held
        against autograd.
Cost    About 20 s on one core.
Notes   003_0e3f15bdf12e2faf.txt, "Backpropagating Losses in a weird layman understanding".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from experiments.batch_average import data_parallel, dealing, nudging
from experiments.batch_average.data_parallel import Walk
from lab.claims import Claim, Verdict
from lab.estimate import Estimate
from lab.tasks import spread
from nets import initialisation, mlp, names
from nets.mlp import Weights

Array = NDArray[np.float64]

DIMENSION = 10  # of a letter's embedding


@dataclass(frozen=True)
class Params:
    """The network, its batch, and the nudges."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 200  # hidden units
    batch: int = 16  # examples, and copies
    seeds: int = 16  # independent networks: draws and batches
    steps: int = 200  # trained side by side
    rates: tuple[float, ...] = (0.1, 0.01, 0.001)  # learning rates at which copies take steps of their own
    faint: tuple[float, ...] = (1e-3, 1e-4)  # learning rates between which the law of the second step is measured
    looks: tuple[int, ...] = (1, 2, 3, 5, 8, 13, 20, 32, 50, 80, 126, 200)  # steps
    nudged: int = 64  # weights nudged in each network, drawn from all
    smallest: float = 1e-11  # nudge
    largest: float = 10.0  # nudge
    sizes: int = 25  # of nudges between the two, in equal ratios


SMOKE = Params(width=8, seeds=2, steps=3, rates=(0.1, 0.01), looks=(1, 2, 3), nudged=8, smallest=1e-7, sizes=5)


@dataclass(frozen=True)
class Result:
    """What was found.  A distance is over all weights together, as a share of the gradient's length or of the way gone."""

    apart64: float  # largest distance of the copies' average from the batch's gradient, float64, in rounding units
    apart32: float  # ... in float32
    together: float  # largest distance after all steps, copies that average gradients at each, in rounding units
    alone: Estimate  # distance after all steps, copies that take steps of their own, highest rate, over the way gone
    exponent: Estimate  # of the distance after two steps alone against the rate, at faint ones; theory says 2
    loss_batch: Estimate  # loss after all steps, the batch's network, nats over the training set
    loss_harm: Estimate  # loss of the average of copies that went alone, less the batch's network's
    loss_copy: Estimate  # loss of one such copy, less the batch's network's
    best64: Estimate  # error of central differences at the best nudge, float64, as a share of the gradients' length
    best32: Estimate  # ... in float32
    size64: float  # that nudge, float64
    size32: float  # ... in float32
    agree64: float  # share of nudges after which the loss goes where the derivative says, at the best size, float64
    agree32: float  # ... in float32
    weights: int  # nudged in all networks together
    routes: pd.DataFrame  # per precision and route: mean and largest distance, in rounding units
    splits: pd.DataFrame  # per normalisation and number of copies: distance (mean, low, high)
    walks: pd.DataFrame  # per rate and step, and for copies that meet: distance over the way gone (mean, low, high)
    nudges: pd.DataFrame  # per precision and size: error and share of wrong directions, measured and predicted


def _gradient(r: Result) -> Verdict:
    return Verdict.HOLDS if max(r.apart64, r.apart32) <= Params.batch else Verdict.FAILS


def _training(r: Result) -> Verdict:
    if r.together > Params.batch * Params.steps:
        return Verdict.FAILS
    return Verdict.HOLDS if r.alone.high < 1e-6 else Verdict.CAVEAT


def _direction(r: Result) -> Verdict:
    if r.agree64 < 1:
        return Verdict.FAILS
    return Verdict.HOLDS if r.agree32 == 1 else Verdict.CAVEAT


CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="gradient",
        text="The gradient of the averaged loss is the average of the gradients of 16 copies of the model, one image on each.",
        source="N3, “conceptually we can have 16 such models”",
        line="Holds if the two are at most 16 rounding units apart in float32 and in float64, one for each gradient "
        "that is added up: leaving one copy out would put them millions of units apart.",
        verdict=_gradient,
        number=lambda r: f"{r.apart64:.1f} units apart in float64, {r.apart32:.1f} in float32",
    ),
    Claim(
        name="training",
        text="So a batch of 16 trains one model as 16 models would train.",
        source="N3, “conceptually we can have 16 such models”",
        line="Holds if 16 copies, each taking its own steps and averaged at the end, arrive where the batch's network does, "
        "within a millionth of the way; with a caveat if only copies that average their gradients at every step do, "
        "within a rounding unit for each step and copy.",
        verdict=_training,
        number=lambda r: (
            f"apart by {100 * r.alone.mean:.0f} % of the way; {r.together:.0f} rounding units if they meet"
        ),
    ),
    Claim(
        name="derivative",
        text="The derivative of a weight says how the loss changes when the weight is changed slightly.",
        source="N3, “if we change x3 slightly to x3', how does our loss change ?”",
        line="Holds if at some size of nudge, in float64, the central differences of all nudged weights together come "
        "within $10^{-8}$ of autograd: theory promises about $10^{-10}$, and a term left out of a derivative "
        "would show long before.",
        verdict=lambda r: Verdict.HOLDS if r.best64.high <= 1e-8 else Verdict.FAILS,
        number=lambda r: f"within {r.best64} at a nudge of 10^{np.log10(r.size64):.1f}^",
    ),
    Claim(
        name="direction",
        text="Changing a weight slightly upwards raises the loss exactly when its derivative is positive, and downwards lowers it.",
        source="N3, “it means we are going up the cliff”",
        line="How slightly is not said, so the best size counts.  Holds if at one size every nudge of every weight moves the "
        "loss as the derivative says, in float64 and in float32, in which networks are trained; with a caveat if in float64 only.",
        verdict=_direction,
        number=lambda r: f"{100 * r.agree64:.4g} % in float64, {100 * r.agree32:.4g} % in float32",
    ),
)


def run(params: Params) -> Result:
    """Deal batches to copies, let them train together and alone, and nudge weights one by one."""
    start, shown, following = _begun(params)
    routes = dealing.routes(start, shown[0], following[0])
    ways = [(rate, False) for rate in params.rates] + [(params.rates[0], True)]
    walked = spread(partial(_walk, params), ways, "walks")
    *alone, together = (walk for walk, _ in walked)
    batch, average, single = walked[0][1]
    found = spread(partial(_nudge, params), range(params.seeds), "networks nudged")
    nudges = nudging.table(found, _sizes(params))
    best = nudging.best(nudges)
    largest = routes.set_index("precision")["largest"].groupby("precision").max()
    second = np.log(
        [
            data_parallel.walk(start, shown[:2], following[:2], rate, (2,), meet=False)[0].absolute[0]
            for rate in params.faint
        ]
    )  # [rate, seed]
    return Result(
        apart64=float(largest["float64"]),
        apart32=float(largest["float32"]),
        together=float(together.apart[-1].max()) / torch.finfo(torch.float64).eps,
        alone=Estimate.of(alone[0].apart[-1].tolist()),
        exponent=Estimate.of(np.polyfit(np.log(params.faint), second, 1)[0]),
        loss_batch=Estimate.of(batch),
        loss_harm=Estimate.of(average - batch),
        loss_copy=Estimate.of(single - batch),
        best64=best["float64"].error,
        best32=best["float32"].error,
        size64=best["float64"].size,
        size32=best["float32"].size,
        agree64=best["float64"].agree,
        agree32=best["float32"].agree,
        weights=params.seeds * params.nudged,
        routes=routes,
        splits=dealing.splits(range(params.seeds), params.width, DIMENSION, shown[0], following[0]),
        walks=dealing.walks(params.rates, alone, together),
        nudges=nudges.table,
    )


@cache  # one for all the tasks that a process computes
def _begun(params: Params) -> tuple[Weights, torch.Tensor, torch.Tensor]:
    """Return the start and its batches: contexts [step, seed, batch, context], letters [step, seed, batch]."""
    x, y, _ = names.training_set(params.data)
    order = mlp.batches(range(params.seeds), len(x), params.batch, params.steps)
    start = initialisation.well_scaled(mlp.init(range(params.seeds), params.width, DIMENSION, dtype=torch.float64))
    return start, x[order], y[order]


def _walk(params: Params, way: tuple[float, bool]) -> tuple[Walk, Array]:
    """Walk at a rate, meeting or not; return that, and losses of batch, average and first copy in the end, [3, seed]."""
    rate, meet = way
    walk, ends = data_parallel.walk(*_begun(params), rate, params.looks, meet=meet)
    data = names.training_set(params.data)[2]
    return walk, np.array([mlp.losses(weights, *data).numpy() for weights in ends])


def _nudge(params: Params, seed: int) -> dict[str, torch.Tensor]:
    """Nudge weights of one network on its first batch: measures [measure, size] by precision."""
    start, shown, following = _begun(params)
    alone = Weights(*(kind[seed] for kind in start))
    return nudging.measure(alone, shown[0, seed], following[0, seed], seed, params.nudged, _sizes(params))


def _sizes(params: Params) -> torch.Tensor:
    return nudging.sizes(params.smallest, params.largest, params.sizes)
