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
from nets.mlp import LearningRates, Weights
from nets.names import Counts

Array = NDArray[np.float64]


class TrainingData(NamedTuple):
    """What every start is trained on and measured by."""

    x: torch.Tensor  # [step, seed, batch, context]
    y: torch.Tensor  # [step, seed, batch]
    data: Counts  # of the whole training set
    probe: torch.Tensor  # [context, position], the contexts by which units are compared


class Run(NamedTuple):
    """One start, all seeds."""

    steps: NDArray[np.int64]  # [evaluation]
    loss: Array  # [evaluation, seed], over the whole training set, in nats
    distinct: Array  # [evaluation, seed], units
    rank: Array  # [evaluation, seed], of the activations
    apart: Array  # [evaluation, seed], distance of the farthest unit from the average, in units' length
    moved: Array  # [evaluation, seed], largest change of any weight but the last bias


@cache  # one for all the tasks that a process computes
def training_data(path: Path, seeds: int, batch: int, steps: int) -> TrainingData:
    """Read the names, choose each seed's examples, and every tenth context as a probe."""
    x, y, data = names.training_set(path)
    order = mlp.batches(range(seeds), len(x), batch, steps)
    return TrainingData(x[order], y[order], data, data.contexts[::10])


def train(start: Weights, lr: LearningRates, shown: TrainingData, eval_steps: Sequence[int]) -> Run:
    """Train, and evaluate before the first step, after the last, and at the steps `eval_steps`."""
    last = len(shown.x)
    at = sorted({0, last, *(step for step in eval_steps if step < last)})
    found = []
    for _, weights in mlp.checkpoints(start, shown.x, shown.y, lr, at):
        hidden = mlp.hidden(weights, shown.probe)
        changes = [(now - then).abs().amax((1, 2)) for now, then in zip(weights[:4], start[:4], strict=True)]
        measures = (
            mlp.losses(weights, *shown.data),
            symmetry.distinct_units(hidden),
            symmetry.numerical_rank(hidden),
            symmetry.relative_distance(hidden),
            torch.stack(changes).amax(0),
        )
        found.append([measure.double().numpy() for measure in measures])
    loss, distinct, rank, apart, moved = np.array(found).swapaxes(0, 1)
    return Run(np.array(at), loss, distinct, rank, apart, moved)


def first_gradients(name: str, start: Weights, lr: LearningRates, shown: TrainingData) -> pd.DataFrame:
    """Tabulate the norm of the gradient at the first three steps: a row a kind of weight, mean over seeds."""
    norms = [
        [float(kind.double().flatten(1).norm(dim=1).mean()) for kind in mlp.gradient(weights, x, y)]
        for (_, weights), x, y in zip(
            mlp.checkpoints(start, shown.x[:2], shown.y[:2], lr), shown.x[:3], shown.y[:3], strict=True
        )
    ]
    columns = dict(zip(("first", "second", "third"), norms, strict=True))
    return pd.DataFrame({"start": name, "kind": list(Weights._fields), **columns})


def curves(name: str, found: Run) -> pd.DataFrame:
    """Tabulate one start: a row an evaluation, means over seeds, the loss with its interval."""
    return pd.DataFrame(
        {
            "start": name,
            "step": found.steps,
            **Estimate.whole_columns("loss", found.loss),
            "distinct": found.distinct.mean(1),
            "rank": found.rank.mean(1),
            "apart": found.apart.mean(1),
        }
    )


def excess_loss(found: Run, baseline: float, predicted: Array) -> pd.DataFrame:
    """Tabulate how far the loss lies above `baseline`, measured and `predicted` [step]: a row an evaluation."""
    return pd.DataFrame(
        {
            "step": found.steps,
            **Estimate.whole_columns("excess", found.loss - baseline),
            "predicted": predicted[found.steps] - baseline,
        }
    )
