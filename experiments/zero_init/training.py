"""Train the names network from one initialisation, and evaluate its loss and its hidden units at a few steps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from experiments.zero_init import symmetry
from lab.estimate import Estimate
from nets import mlp, names
from nets.mlp import LearningRates, Weights
from nets.names import Counts

Array = NDArray[np.float64]

PROBE_EVERY = 10  # one context in so many is enough to compare units by


class Examples(NamedTuple):
    """What every network is trained and evaluated on."""

    x: torch.Tensor  # [step, seed, batch, context]
    y: torch.Tensor  # [step, seed, batch]
    counts: Counts  # of the whole training set
    probe: torch.Tensor  # [context, position], the contexts by which units are compared


class Run(NamedTuple):
    """One initialisation, all seeds."""

    steps: NDArray[np.int64]  # [evaluation]
    loss: Array  # [evaluation, seed], over the whole training set, in nats
    distinct_units: Array  # [evaluation, seed]
    rank: Array  # [evaluation, seed], of the activations
    distance: Array  # [evaluation, seed], of the farthest unit from the average, relative to the units' length
    largest_change: Array  # [evaluation, seed], of any weight but the last bias


@cache  # one for all the tasks that a process computes
def examples(path: Path, seeds: int, batch: int, steps: int) -> Examples:
    """Read the names, choose each seed's examples, and some contexts as a probe."""
    x, y, counts = names.training_set(path)
    order = mlp.batches(range(seeds), len(x), batch, steps)
    return Examples(x[order], y[order], counts, counts.contexts[::PROBE_EVERY])


def train(init: Weights, lr: LearningRates, examples: Examples, eval_steps: Sequence[int]) -> Run:
    """Train, and evaluate before the first step, after the last, and at the steps `eval_steps`."""
    last = len(examples.x)
    at = sorted({0, last, *(step for step in eval_steps if step < last)})
    found = []
    for _, weights in mlp.checkpoints(init, examples.x, examples.y, lr, at):
        hidden = mlp.hidden(weights, examples.probe)
        changes = [(now - before).abs().amax((1, 2)) for now, before in zip(weights[:4], init[:4], strict=True)]
        measures = (
            mlp.losses(weights, *examples.counts),
            symmetry.distinct_units(hidden),
            symmetry.numerical_rank(hidden),
            symmetry.relative_distance(hidden),
            torch.stack(changes).amax(0),
        )
        found.append([measure.double().numpy() for measure in measures])
    return Run(np.array(at), *np.array(found).swapaxes(0, 1))


def first_gradients(name: str, init: Weights, lr: LearningRates, examples: Examples) -> pd.DataFrame:
    """Tabulate the norm of the gradient at the first three steps: a row for each parameter, mean over seeds."""
    norms = [
        [float(gradient.double().flatten(1).norm(dim=1).mean()) for gradient in mlp.gradient(weights, x, y)]
        for (_, weights), x, y in zip(
            mlp.checkpoints(init, examples.x[:2], examples.y[:2], lr), examples.x[:3], examples.y[:3], strict=True
        )
    ]
    columns = dict(zip(("first", "second", "third"), norms, strict=True))
    return pd.DataFrame({"init": name, "parameter": list(Weights._fields), **columns})


def curves(name: str, run: Run) -> pd.DataFrame:
    """Tabulate one initialisation: a row for each evaluation, means over seeds, the loss with its interval."""
    return pd.DataFrame(
        {
            "init": name,
            "step": run.steps,
            **Estimate.whole_columns("loss", run.loss),
            "distinct_units": run.distinct_units.mean(1),
            "rank": run.rank.mean(1),
            "distance": run.distance.mean(1),
        }
    )


def excess_loss(run: Run, entropy: float, predicted: Array) -> pd.DataFrame:
    """Tabulate how far the loss lies above the entropy, measured and `predicted` [step]: a row for each evaluation."""
    return pd.DataFrame(
        {
            "step": run.steps,
            **Estimate.whole_columns("excess", run.loss - entropy),
            "predicted": predicted[run.steps] - entropy,
        }
    )
