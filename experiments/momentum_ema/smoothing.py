"""Gradients of the names network, smoothed with many betas at once and held against the gradient over all examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from experiments.momentum_ema.ema import update
from lab.estimate import Estimate
from nets import mlp
from nets.mlp import Weights
from nets.names import Counts

Array = NDArray[np.float64]


class Smoothed(NamedTuple):
    """What one learning rate gives."""

    squared: torch.Tensor  # squared distance from the whole gradient, in all weights, mean over the looks: [beta, seed]
    size: torch.Tensor  # squared length of the whole gradient: how far zero is from it, mean over the looks: [seed]
    gradients: torch.Tensor  # of the batches, by the last biases: [step, seed, letter]


def watch(
    weights: Weights,
    batches: tuple[torch.Tensor, torch.Tensor],
    data: Counts,
    rate: float,
    betas: Sequence[float],
    every: int,
) -> Smoothed:
    """Train a copy by plain descent and average its gradients with every beta, corrected for the start.

    `batches` are x [step, seed, batch, context] and y [step, seed, batch]; the whole gradient, over `data`, is
    computed every `every` steps.
    """
    weights = Weights(*(kind.clone() for kind in weights))
    beta = torch.tensor(betas, dtype=torch.float64)[:, None, None]  # [beta, seed, weight]
    average = torch.zeros(len(betas), *flat(weights).shape, dtype=torch.float64)
    squared, sizes, last = [], [], []
    for step, (x, y) in enumerate(zip(*batches, strict=True), 1):
        gradient = mlp.gradient(weights, x, y)
        average = update(average, flat(gradient), beta)
        if step % every == 0:
            true = whole(weights, data)
            error = average / (1 - beta**step) - true
            squared.append(error.square().sum(2))
            sizes.append(true.square().sum(1))
        last.append(gradient.output_bias[:, 0])
        for kind, slope in zip(weights, gradient, strict=True):
            kind.sub_(slope, alpha=rate)
    return Smoothed(torch.stack(squared).mean(0), torch.stack(sizes).mean(0), torch.stack(last))


def distances(relative: Array, rates: Sequence[float], betas: Sequence[float], looks: Sequence[int]) -> pd.DataFrame:
    """Table squared distances [rate, beta, seed] beside what independent noise about a gradient at rest leaves.

    That is sum w^2 / (sum w)^2 for the weights w at each look: (1 - beta) / (1 + beta) times a factor that tends to 1.
    """
    step = np.asarray(looks)
    rows = []
    for rate, by_beta in zip(rates, relative, strict=True):
        for beta, seeds in zip(betas, by_beta, strict=True):
            noise = (1 - beta) / (1 + beta) * np.mean((1 + beta**step) / (1 - beta**step))
            rows.append({"rate": rate, "beta": beta, **Estimate.columns("distance", seeds), "predicted": noise})
    return pd.DataFrame(rows)


def overdone(relative: Array, sizes: Array, rates: Sequence[float], betas: Sequence[float]) -> pd.DataFrame:
    """Compare the highest beta with the closest of the others, by squared distances [rate, beta, seed].

    Beside them stands the distance of zero from the whole gradient, [rate, seed].
    """
    rows = []
    for rate, by_beta, size in zip(rates, relative, sizes, strict=True):
        lower = by_beta[:-1]
        rival = (lower.sum(1, keepdims=True) - lower).argmin(
            0
        )  # chosen for each seed by the others: no luck of the draw
        best = int(lower.mean(1).argmin())
        ratio = by_beta[-1] / lower[rival, np.arange(len(rival))]
        found = (
            Estimate.columns("distance", lower[best])
            | Estimate.columns("ratio", ratio)
            | Estimate.columns("zero", size)
        )
        rows.append({"rate": rate, "beta": betas[best], **found})
    return pd.DataFrame(rows)


def flat(weights: Weights) -> torch.Tensor:
    """Return all weights of each seed in one row, [seed, weight]."""
    return torch.cat([kind.flatten(1) for kind in weights], 1)


def whole(weights: Weights, data: Counts) -> torch.Tensor:
    """Return the gradient of the mean loss over all examples by autograd, [seed, weight]."""
    leaves = Weights(*(kind.clone().requires_grad_() for kind in weights))
    loss = mlp.losses(leaves, data.contexts, data.next_counts).sum()  # seeds share no weight, so a sum keeps them apart
    return flat(Weights(*torch.autograd.grad(loss, list(leaves))))
