"""Is a batch of 16 the same as 16 copies of the model?

Method  A batch is shared among replicas of the names network, an example each, whose gradients are averaged and
        compared with the batch's: as an ensemble of networks, and by torch.func's per-example gradients, in two
        precisions.  The same is done with normalisation in the network, and with replicas that take steps of their own.
        Then single weights are perturbed, up and down, by sizes over many decades, and the change of the loss is
        compared with autograd.  As a control for where rounding comes in, float64's losses are rounded once, too.
Cost    About 20 s on one core.
Notes   003_0e3f15bdf12e2faf.txt, "Backpropagating Losses in a weird layman understanding".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from experiments.batch_average import data_parallel, finite_differences
from experiments.batch_average.data_parallel import Distances
from lab.claims import All, Below, Caveat, Claim, Equals, Lines, rows
from lab.estimate import Estimate
from lab.tasks import spread
from nets import initialisation, mlp, names
from nets.mlp import Weights

Array = NDArray[np.float64]

DIMENSION = 10  # of a character's embedding


@dataclass(frozen=True)
class Params:
    """The network, its batch, and the perturbations."""

    data: Path = Path("data/names.txt")  # one name a line
    width: int = 200  # hidden units
    batch: int = 16  # examples, and replicas
    seeds: int = 16  # independent networks: initialisations and batches
    steps: int = 200  # trained side by side
    lrs: tuple[float, ...] = (0.1, 0.01, 0.001)  # learning rates at which replicas take steps of their own
    small_lrs: tuple[float, ...] = (1e-3, 1e-4)  # learning rates between which the law of the second step is measured
    eval_steps: tuple[int, ...] = (3, 5, 8, 13, 20, 32, 50, 80, 126)  # with a distance, besides 1, 2 and the last
    perturbed: int = 64  # weights perturbed in each network, chosen from all
    smallest_h: Annotated[float, "> 0"] = 1e-11  # perturbation of a weight
    largest_h: Annotated[float, "> 0"] = 10.0  # perturbation of a weight
    h_count: int = 25  # perturbations between the two, in equal ratios


SMOKE = Params(width=8, seeds=2, steps=3, lrs=(0.1, 0.01), eval_steps=(2,), perturbed=8, smallest_h=1e-7, h_count=5)
MINUTE = Params(seeds=8)  # about that long on one core: what the notebook runs


@dataclass(frozen=True)
class Result:
    """What was found.  A distance is over all weights together, relative to the gradient or the path from the initialisation."""

    params: Params
    distance64: float  # largest distance of the replicas' average from the batch's gradient, float64, in rounding units
    distance32: float  # ... in float32
    synchronised: float  # largest distance after all steps, replicas that average gradients at each, in rounding units
    independent: Estimate  # relative distance after all steps, replicas that take steps of their own, highest lr
    lr_exponent: Estimate  # of that distance after two steps against the learning rate, at small ones; theory says 2
    batch_loss: Estimate  # after all steps, the batch's network, nats over the training set
    average_loss_increase: Estimate  # loss of the average of independent replicas, less the batch's network's
    replica_loss_increase: Estimate  # loss of one such replica, less the batch's network's
    best_error64: Estimate  # of central differences at the best h, float64, as a share of the gradients' length
    best_error32: Estimate  # ... in float32
    best_h64: float  # that h, float64
    best_h32: float  # ... in float32
    right64: float  # share of perturbations after which the loss goes where the derivative says, best h, float64
    right32: float  # ... in float32
    perturbed_weights: int  # in all networks together
    gradients: pd.DataFrame  # per precision and route: mean and largest distance, in rounding units
    norms: pd.DataFrame  # per normalisation and number of replicas: distance with low and high
    distances: pd.DataFrame  # per lr and step, and for synchronised replicas: relative distance with low and high
    finite_differences: (
        pd.DataFrame
    )  # per precision, rounding once among them, and h: error, share of wrong directions, predicted


def synchronised(r: Result) -> float:
    """Return how far replicas that average gradients end from the batch's network: rounding units a step and replica."""
    return r.synchronised / (r.params.batch * r.params.steps)


def _at_middle_lr(r: Result) -> str:
    """Say how far the average of independent replicas ends at the middle learning rate, in the same measure."""
    lr = sorted(r.params.lrs)[len(r.params.lrs) // 2]
    end = r.distances[r.distances["lr"] == lr].iloc[-1]
    return f"but {end['distance']:.1g} times at {lr:g}"


def batch_norm_distance(r: Result) -> float:
    """Return how far replicas with batch norm, an example on each, are from the batch: a share of the gradient's length."""
    found = r.norms.set_index(["norm", "replicas"])["distance"]
    return float(found["batch", r.params.batch])


PLAIN: Below[Result] = Below(
    "without normalisation, the distance between the two for each gradient that is added up, in float32 and in float64,",
    lambda r: [r.distance32 / r.params.batch, r.distance64 / r.params.batch],
    1,
    "rounding unit",
    "leaving one copy out would put them millions of units apart",
)

CLAIMS: tuple[Claim[Result], ...] = (
    Claim(
        name="gradient",
        text=lambda p: (
            f"The gradient of the averaged loss is the average of the gradients of {p.batch} copies of the model, one "
            "image on each."
        ),
        source=Lines("N3", 8, 9),
        line="Holds if the two are less than a rounding unit apart for each gradient that is added up, in float32 and in "
        "float64, and if with layer norm or batch norm they are closer than $10^{-6}$ of the gradient. With a caveat if the "
        "first is so and the second is not.",
        rule=Caveat(
            All(
                PLAIN,
                Below(
                    "their distance with layer norm or batch norm, as a share of the gradient,",
                    lambda r: rows(r.norms[r.norms["norm"] != "none"], "distance"),
                    1e-6,
                ),
            ),
            PLAIN,
        ),
        number=lambda r: (
            f"{r.distance64:.1f} rounding units apart without normalisation; with batch norm apart by "
            f"{100 * batch_norm_distance(r):.0f} % of the gradient"
        ),
    ),
    Claim(
        name="training",
        text=lambda p: f"So a batch of {p.batch} trains one model as {p.batch} models would train.",
        source=Lines("N3", 8, 9),
        line=lambda p: (
            f"Holds if the average of {p.batch} copies that take their own steps, at the highest learning rate, ends where the "
            "batch's network does, within a millionth of how far that has moved. With a caveat if only copies that average their gradients at every step do, within a "
            "rounding unit for each step and copy."
        ),
        rule=Caveat(
            All(
                Below(
                    "the distance of the average of the replicas that take steps of their own from the batch's network in "
                    "the end, as a share of the way,",
                    lambda r: r.independent,
                    1e-6,
                ),
                Below(
                    "the distance of replicas that average their gradients at every step, for each step and replica,",
                    synchronised,
                    1,
                    "rounding unit",
                ),
            ),
            Below("the distance of replicas that average their gradients", synchronised, 1, "rounding unit"),
        ),
        number=lambda r: (
            f"at a learning rate of {max(r.params.lrs):g}, the average of copies on their own ends {r.independent.mean:.1f} "
            f"times as far from the batch's network as that has moved, {_at_middle_lr(r)}; copies that average gradients, "
            f"{r.synchronised:.0f} rounding units"
        ),
    ),
    Claim(
        name="derivative",
        text="The derivative of a weight says how the loss changes when the weight is changed slightly.",
        source=Lines("N3", 20, 21),
        rule=Below(
            "the relative difference between central differences and autograd, of all changed weights together, in float64 "
            "and at the best size of change,",
            lambda r: r.best_error64,
            1e-8,
            reason="theory promises about $10^{-10}$, and a term left out of a derivative would show long before",
        ),
        number=lambda r: (
            f"the two differ by {r.best_error64} of the gradient at a perturbation of 10^{np.log10(r.best_h64):.1f}^"
        ),
    ),
    Claim(
        name="direction",
        text="Changing a weight slightly upwards raises the loss exactly when its derivative is positive, and downwards lowers it.",
        source=Lines("N3", 22, 23),
        line="Holds if at the best size all perturbations move the loss as the derivative says, in float64 and in float32; "
        "with a caveat if only in float64. How slightly is not said, so the best size counts.",
        rule=Caveat(
            Equals(
                "the share of changes that move the loss as the derivative says, at the best size of change, in float64 and in "
                "float32, in which networks are trained,",
                lambda r: [r.right64, r.right32],
                1,
                reason="how slightly is not said, so the best size counts",
            ),
            Equals("that share in float64", lambda r: r.right64, 1),
        ),
        number=lambda r: (
            f"true of {100 * r.right64:.4g} % of the perturbations in float64, and of {100 * r.right32:.3g} % in float32"
        ),
    ),
)


def run(params: Params) -> Result:
    """Share batches among replicas, let them train synchronised and independently, and perturb weights one by one."""
    init, x, y = _setting(params)
    routes = data_parallel.gradient_table(init, x[0], y[0])
    lrs = sorted(params.lrs, reverse=True)
    ways = [(lr, False) for lr in lrs] + [(lrs[0], True)]
    trained = spread(partial(_train, params), ways, "trainings")
    *independent, synchronised = (distances for distances, _ in trained)
    batch, average, replica = trained[0][1]
    measured = finite_differences.stack(spread(partial(_perturb, params), range(params.seeds), "networks perturbed"))
    best64, best32 = (finite_differences.best(measured[name], _h(params)) for name in ("float64", "float32"))
    largest = routes.groupby("precision")["largest"].max()
    after_two_steps = np.log(
        [
            data_parallel.train_replicas(init, x[:2], y[:2], lr, (2,), synchronise=False)[0].absolute[0]
            for lr in params.small_lrs
        ]
    )  # [lr, seed]
    return Result(
        params=params,
        distance64=float(largest["float64"]),
        distance32=float(largest["float32"]),
        synchronised=float(synchronised.relative[-1].max()) / torch.finfo(torch.float64).eps,
        independent=Estimate.of(independent[0].relative[-1].tolist()),
        lr_exponent=Estimate.of(np.polyfit(np.log(params.small_lrs), after_two_steps, 1)[0]),
        batch_loss=Estimate.of(batch),
        average_loss_increase=Estimate.of(average - batch),
        replica_loss_increase=Estimate.of(replica - batch),
        best_error64=best64.error,
        best_error32=best32.error,
        best_h64=best64.h,
        best_h32=best32.h,
        right64=best64.right,
        right32=best32.right,
        perturbed_weights=params.seeds * params.perturbed,
        gradients=routes,
        norms=data_parallel.norm_table(range(params.seeds), params.width, DIMENSION, x[0], y[0]),
        distances=data_parallel.distance_table(lrs, independent, synchronised),
        finite_differences=finite_differences.error_table(measured, _h(params)),
    )


@cache  # one for all the tasks that a process computes
def _setting(params: Params) -> tuple[Weights, torch.Tensor, torch.Tensor]:
    """Return the initialisation and batches: contexts [step, seed, batch, context], characters [step, seed, batch]."""
    x, y, _ = names.training_set(params.data)
    order = mlp.batches(range(params.seeds), len(x), params.batch, params.steps)
    normal = mlp.init(range(params.seeds), params.width, DIMENSION, dtype=torch.float64)
    return initialisation.well_scaled(normal), x[order], y[order]


def _train(params: Params, way: tuple[float, bool]) -> tuple[Distances, Array]:
    """Train at a learning rate, synchronised or not.

    Returns distances, and losses of batch, average and first replica in the end, [3, seed].
    """
    lr, synchronise = way
    eval_steps = sorted({1, 2, *params.eval_steps, params.steps})
    distances, trained = data_parallel.train_replicas(*_setting(params), lr, eval_steps, synchronise=synchronise)
    data = names.training_set(params.data)[2]
    return distances, np.array([mlp.losses(weights, *data).numpy() for weights in trained])


def _perturb(params: Params, seed: int) -> dict[str, finite_differences.Measured]:
    """Perturb weights of one network on its first batch."""
    init, x, y = _setting(params)
    network = Weights(*(tensor[seed] for tensor in init))
    return finite_differences.measure(network, x[0, seed], y[0, seed], seed, params.perturbed, _h(params))


def _h(params: Params) -> torch.Tensor:
    return finite_differences.h_values(params.smallest_h, params.largest_h, params.h_count)
