"""How long a network stays at its initialisation: steps until something small has grown large."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from experiments.zero_init import symmetry
from experiments.zero_init.training import Examples
from lab.estimate import Estimate
from nets import mlp, threshold_crossing
from nets.mlp import LearningRates, Weights
from nets.names import Counts

EVAL_EVERY = 10  # steps
PROBE_EVERY = 5  # of the contexts by which units are compared, one in so many is enough for a root mean square

Measure = Callable[[Weights, "torch.Tensor"], "torch.Tensor"]  # of an ensemble, on some contexts: [seed]


def time(
    init: Weights, examples: Examples, lr: LearningRates, measure: Measure, threshold: float
) -> NDArray[np.float64]:
    """Train until `measure` has reached `threshold` in every seed: steps [seed].

    Between two evaluations the measure is taken to grow exponentially (`threshold_crossing.first_crossing`).  A seed
    that never gets there has the last step: too early, and so a cautious answer.
    """
    probe, last = examples.probe[::PROBE_EVERY], len(examples.x)
    steps, found = [], []
    for step, weights in mlp.checkpoints(init, examples.x, examples.y, lr, {*range(0, last, EVAL_EVERY), last}):
        steps.append(step)
        found.append(measure(weights, probe).double().numpy())
        if (np.max(found, axis=0) >= threshold).all():
            break
    return threshold_crossing.first_crossing(np.array(steps), np.array(found), threshold)


def context_dependence(weights: Weights, contexts: torch.Tensor) -> torch.Tensor:
    """Return how much the logits depend on the context: RMS of their difference from the mean over contexts, [seed]."""
    logits = mlp.logits(weights, contexts)
    return (logits - logits.mean(1, keepdim=True)).square().mean((1, 2)).sqrt()


def unit_distance(weights: Weights, contexts: torch.Tensor) -> torch.Tensor:
    """Return how far the farthest hidden unit is from the average, as `symmetry.relative_distance`: [seed]."""
    return symmetry.relative_distance(mlp.hidden(weights, contexts))


def small_layers_growth(embedding: torch.Tensor, counts: Counts, lr: float) -> torch.Tensor:
    """Return the factor by which two small layers grow in a step, by theory: [seed].

    While both layers are small the network is linear, and x -> W1 W2 descends along G = cov(x, y), x the embedded context
    and y the next character, one-hot: W1 grows by lr G W2^T, W2 by lr W1^T G.  Along G's largest singular value s both
    grow by 1 + lr s.  The last bias has to have settled, so that the covariance, and not the second moment, is what remains.
    """
    total = counts.next_counts.sum()
    embedded = embedding.double()[:, counts.contexts].flatten(2)  # [seed, context, position * dimension]
    mean = torch.einsum("scd,cl->sd", embedded, counts.next_counts) / total
    second_moment = torch.einsum("scd,cl->sdl", embedded, counts.next_counts) / total
    covariance = second_moment - mean[:, :, None] * (counts.next_counts.sum(0) / total)
    largest: torch.Tensor = torch.linalg.matrix_norm(covariance, ord=2)
    return 1 + lr * largest


def slopes(x: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit a straight line to each seed's steps [scale, seed] against `x` [scale], and return its slope: [seed]."""
    return np.asarray(np.polyfit(x, steps, 1)[0])


def table(steps: Mapping[str, NDArray[np.float64]], scales: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """Tabulate steps [scale, seed], by what is small: a row for each scale, mean and interval over seeds."""
    return pd.DataFrame(
        [
            {"small": small, "scale": scale, **Estimate.columns("step", row)}
            for small, found in steps.items()
            for scale, row in zip(scales[small], found, strict=True)
        ]
    )
