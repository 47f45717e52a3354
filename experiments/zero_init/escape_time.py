"""How long a network stays where it started: steps until something small has grown large."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from experiments.zero_init.monitored_training import TrainingData
from lab.estimate import Estimate
from nets import mlp, symmetry, threshold_crossing
from nets.mlp import LearningRates, Weights
from nets.names import Counts

EVERY = 10  # steps between looks

Measure = Callable[[Weights, "torch.Tensor"], "torch.Tensor"]  # of an ensemble, by some contexts: [seed]


def time(
    start: Weights, shown: TrainingData, rates: LearningRates, measure: Measure, threshold: float
) -> NDArray[np.float64]:
    """Train until `measure` has reached `threshold` in every seed: steps [seed].

    Between two looks the measure is taken to grow exponentially (`watched.crossing`).  A seed that never gets there has
    the last step: too early, and so a cautious answer.
    """
    few, last = shown.probe[::5], len(shown.x)  # contexts enough for a spread
    looks, found = [], []
    for step, weights in mlp.checkpoints(start, shown.x, shown.y, rates, {*range(0, last, EVERY), last}):
        looks.append(step)
        found.append(measure(weights, few).double().numpy())
        if (np.max(found, axis=0) >= threshold).all():
            break
    return threshold_crossing.first_crossing(np.array(looks), np.array(found), threshold)


def heard(weights: Weights, contexts: torch.Tensor) -> torch.Tensor:
    """Return how much the logits say about the context: root mean square of their departure from the mean, [seed]."""
    logits = mlp.logits(weights, contexts)
    return (logits - logits.mean(1, keepdim=True)).square().mean((1, 2)).sqrt()


def apart(weights: Weights, contexts: torch.Tensor) -> torch.Tensor:
    """Return how far the farthest hidden unit is from the average, as `symmetry.relative_distance`: [seed]."""
    return symmetry.relative_distance(mlp.hidden(weights, contexts))


def faint_growth(embedding: torch.Tensor, data: Counts, rate: float) -> torch.Tensor:
    """Return the factor by which faint layers grow in a step, by theory: [seed].

    While both layers are faint the network is linear, and x -> W1 W2 descends along G = cov(x, letter), x the embedded
    context: W1 grows by rate G W2^T, W2 by rate W1^T G.  Along G's largest singular value s both grow by 1 + rate s.
    The last bias has to have settled, so that the covariance, and not the second moment, is what remains.
    """
    total = data.next_counts.sum()
    shown = embedding.double()[:, data.contexts].flatten(2)  # [seed, context, position * dimension]
    mean = torch.einsum("scd,cl->sd", shown, data.next_counts) / total
    together = torch.einsum("scd,cl->sdl", shown, data.next_counts) / total
    covariance = together - mean[:, :, None] * (data.next_counts.sum(0) / total)
    largest: torch.Tensor = torch.linalg.matrix_norm(covariance, ord=2)
    return 1 + rate * largest


def slopes(across: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit a straight line to each seed's steps [size, seed] against `across` [size], and return its slope: [seed]."""
    return np.asarray(np.polyfit(across, steps, 1)[0])


def table(steps: Mapping[str, NDArray[np.float64]], sizes: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """Tabulate steps [size, seed] of several kinds of escape: a row a kind and size, mean and interval over seeds."""
    rows = []
    for kind, found in steps.items():
        for size, row in zip(sizes[kind], found, strict=True):
            step = Estimate.of(row)
            rows.append({"kind": kind, "size": size, "step": step.mean, "step_low": step.low, "step_high": step.high})
    return pd.DataFrame(rows)
