"""An ensemble trained under observation: what its hidden units and its loss do, at a few steps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lab.estimate import Estimate
from nets import mlp, names, symmetry
from nets.mlp import Rates, Weights
from nets.names import Counts

Array = NDArray[np.float64]


class Shown(NamedTuple):
    """What every start is trained on and measured by."""

    x: torch.Tensor  # [step, seed, batch, context]
    y: torch.Tensor  # [step, seed, batch]
    data: Counts  # of the whole training set
    probe: torch.Tensor  # [context, position], the contexts by which units are compared


class Run(NamedTuple):
    """One start, all seeds.  A "look" is a step at which everything is measured."""

    steps: NDArray[np.int64]  # [look]
    loss: Array  # [look, seed], over the whole training set, in nats
    distinct: Array  # [look, seed], units
    rank: Array  # [look, seed], of the activations
    apart: Array  # [look, seed], distance of the farthest unit from the average, in units' length
    moved: Array  # [look, seed], largest change of any weight but the last bias


@cache  # one for all the pieces that a process computes
def show(path: Path, seeds: int, batch: int, steps: int) -> Shown:
    """Read the names, choose each seed's examples, and every tenth context as a probe."""
    x, y, data = names.training_set(path)
    order = mlp.batches(range(seeds), len(x), batch, steps)
    return Shown(x[order], y[order], data, data.contexts[::10])


def train(start: Weights, rates: Rates, shown: Shown, looks: Sequence[int]) -> Run:
    """Train, and look before the first step, after the last, and at the steps `looks`."""
    last = len(shown.x)
    at = sorted({0, last, *(step for step in looks if step < last)})
    found = []
    for _, weights in mlp.descent(start, shown.x, shown.y, rates, at):
        hidden = mlp.units(weights, shown.probe)
        changes = [(now - then).abs().amax((1, 2)) for now, then in zip(weights[:4], start[:4], strict=True)]
        measures = (
            mlp.losses(weights, *shown.data),
            symmetry.distinct(hidden),
            symmetry.rank(hidden),
            symmetry.apart(hidden),
            torch.stack(changes).amax(0),
        )
        found.append([measure.double().numpy() for measure in measures])
    loss, distinct, rank, apart, moved = np.array(found).swapaxes(0, 1)
    return Run(np.array(at), loss, distinct, rank, apart, moved)


def crossing(steps: NDArray[np.int64], values: Array, threshold: float) -> Array:
    """Return the step at which values [look, seed], growing exponentially between looks, reach `threshold`: [seed].

    A seed that never does gets the last step: too early, and so a cautious answer.  One that starts there gets step 0.
    """
    logs = np.log(np.maximum(values, 1e-300) / threshold)
    found = np.full(values.shape[1], float(steps[-1]))
    for seed, column in enumerate(logs.T):
        above = int(np.argmax(column >= 0))
        if above:
            share = column[above - 1] / (column[above - 1] - column[above])
            found[seed] = steps[above - 1] + share * (steps[above] - steps[above - 1])
        elif column[0] >= 0:
            found[seed] = steps[0]
    return found


def first_gradients(name: str, start: Weights, rates: Rates, shown: Shown) -> pd.DataFrame:
    """Tabulate the norm of the gradient at the first three steps: a row a kind of weight, mean over seeds."""
    norms = [
        [float(kind.double().flatten(1).norm(dim=1).mean()) for kind in mlp.gradient(weights, x, y)]
        for (_, weights), x, y in zip(
            mlp.descent(start, shown.x[:2], shown.y[:2], rates), shown.x[:3], shown.y[:3], strict=True
        )
    ]
    columns = dict(zip(("first", "second", "third"), norms, strict=True))
    return pd.DataFrame({"start": name, "kind": list(Weights._fields), **columns})


def curves(name: str, found: Run) -> pd.DataFrame:
    """Tabulate one start: a row a look, means over seeds, the loss with its interval."""
    loss = [Estimate.of(row) for row in found.loss]
    return pd.DataFrame(
        {
            "start": name,
            "step": found.steps,
            "loss": [estimate.mean for estimate in loss],
            "loss_low": [estimate.low for estimate in loss],
            "loss_high": [estimate.high for estimate in loss],
            "distinct": found.distinct.mean(1),
            "rank": found.rank.mean(1),
            "apart": found.apart.mean(1),
        }
    )


def excess(found: Run, baseline: float, predicted: Array) -> pd.DataFrame:
    """Tabulate how far the loss lies above `baseline`, measured and `predicted` [step]: a row a look."""
    above = [Estimate.of(row - baseline) for row in found.loss]
    return pd.DataFrame(
        {
            "step": found.steps,
            "excess": [estimate.mean for estimate in above],
            "excess_low": [estimate.low for estimate in above],
            "excess_high": [estimate.high for estimate in above],
            "predicted": predicted[found.steps] - baseline,
        }
    )
