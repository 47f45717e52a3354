"""Gradients of the names network, averaged with many betas at once and compared with the gradient over all examples."""

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


class Monitored(NamedTuple):
    """What one learning rate gives."""

    squared_distance: torch.Tensor  # from the full gradient, in all weights, mean over evaluations: [beta, seed]
    squared_norm: torch.Tensor  # of the full gradient: the distance of zero from it, mean over evaluations: [seed]
    roughness: torch.Tensor  # squared change of the average from step to step, mean over the second half: [beta, seed]
    gradients: torch.Tensor  # of the batches, with respect to the last bias: [step, seed, character]


def monitor(
    weights: Weights,
    batches: tuple[torch.Tensor, torch.Tensor],
    data: Counts,
    lr: float,
    betas: Sequence[float],
    eval_every: int,
) -> Monitored:
    """Train a copy by plain SGD and average its gradients with every beta, each average divided by 1 - beta^t.

    `batches` are x [step, seed, batch, context] and y [step, seed, batch]; the full gradient, over `data`, is
    computed every `eval_every` steps.
    """
    weights = Weights(*(tensor.clone() for tensor in weights))
    beta = torch.tensor(betas, dtype=torch.float64)[:, None, None]  # [beta, seed, weight]
    average = torch.zeros(len(betas), *flatten(weights).shape, dtype=torch.float64)
    squared_distances, squared_norms, squared_changes, bias_gradients = [], [], [], []
    for step, (x, y) in enumerate(zip(*batches, strict=True), 1):
        gradient = mlp.gradient(weights, x, y)
        before, average = average, update(average, flatten(gradient), beta)
        if step > len(batches[0]) // 2:
            change = average / (1 - beta**step) - before / (1 - beta ** (step - 1))
            squared_changes.append(change.square().sum(2))
        if step % eval_every == 0:
            full = full_gradient(weights, data)
            error = average / (1 - beta**step) - full
            squared_distances.append(error.square().sum(2))
            squared_norms.append(full.square().sum(1))
        bias_gradients.append(gradient.output_bias[:, 0])
        for tensor, change in zip(weights, gradient, strict=True):
            tensor.sub_(change, alpha=lr)
    return Monitored(
        squared_distance=torch.stack(squared_distances).mean(0),
        squared_norm=torch.stack(squared_norms).mean(0),
        roughness=torch.stack(squared_changes).mean(0),
        gradients=torch.stack(bias_gradients),
    )


def distance_table(
    relative: Array, lrs: Sequence[float], betas: Sequence[float], eval_steps: Sequence[int]
) -> pd.DataFrame:
    """Table squared distances [lr, beta, seed] beside what independent noise about a constant gradient leaves.

    That is sum w^2 / (sum w)^2 for the weights w at each evaluation: (1 - beta) / (1 + beta) times a factor that tends
    to 1.
    """
    step = np.asarray(eval_steps)
    rows = []
    for lr, by_beta in zip(lrs, relative, strict=True):
        for beta, seeds in zip(betas, by_beta, strict=True):
            noise = (1 - beta) / (1 + beta) * np.mean((1 + beta**step) / (1 - beta**step))
            rows.append({"lr": lr, "beta": beta, **Estimate.columns("distance", seeds), "predicted": noise})
    return pd.DataFrame(rows)


def closest_table(
    relative: Array, norms: Array, lrs: Sequence[float], betas: Sequence[float], width: int, steps: int
) -> pd.DataFrame:
    """Compare the highest beta with the closest of the others, by squared distances [lr, beta, seed].

    Beside them stands the squared distance of zero from the full gradient, [lr, seed], and the share of it that the closest
    of all averages saves.
    """
    rows = []
    for lr, by_beta, norm in zip(lrs, relative, norms, strict=True):
        lower, seeds = by_beta[:-1], np.arange(by_beta.shape[1])
        best = int(lower.mean(1).argmin())
        ratio = by_beta[-1] / lower[_rivals(lower), seeds]
        saved = 1 - by_beta[_rivals(by_beta), seeds] / norm
        rows.append(
            {"width": width, "steps": steps, "lr": lr, "beta": betas[best]}
            | Estimate.columns("distance", lower[best])
            | Estimate.columns("ratio", ratio)
            | Estimate.columns("zero_distance", norm)
            | Estimate.columns("saved", saved)
        )
    return pd.DataFrame(rows)


def _rivals(by_beta: Array) -> NDArray[np.intp]:
    """Return for each seed the beta that is closest on average over the other seeds: no luck of its own chooses it."""
    found: NDArray[np.intp] = (by_beta.sum(1, keepdims=True) - by_beta).argmin(0)
    return found


def flatten(weights: Weights) -> torch.Tensor:
    """Return all weights of each seed in one row, [seed, weight]."""
    return torch.cat([tensor.flatten(1) for tensor in weights], 1)


def full_gradient(weights: Weights, data: Counts) -> torch.Tensor:
    """Return the gradient of the mean loss over all examples by autograd, [seed, weight]."""
    leaves = Weights(*(tensor.clone().requires_grad_() for tensor in weights))
    loss = mlp.losses(leaves, data.contexts, data.next_counts).sum()  # seeds share no weight, so a sum keeps them apart
    return flatten(Weights(*torch.autograd.grad(loss, list(leaves))))
