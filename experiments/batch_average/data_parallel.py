"""Replicas of a network, each with its share of a batch: their gradients averaged, and where they go on their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import pandas as pd
import torch

from experiments.batch_average import per_example_gradients
from lab.estimate import Estimate
from nets import ghost_norm, mlp, normed_mlp

Ensemble = TypeVar("Ensemble", mlp.Weights, normed_mlp.Weights)  # weights or gradients, each tensor [seed, ...]
Gradient = Callable[[Ensemble, "torch.Tensor", "torch.Tensor"], Ensemble]  # in quotes: reading must not load PyTorch

ENSEMBLE, FUNCTIONAL, AUTOGRAD = (
    "an ensemble of replicas",
    "torch.func, example by example",
    "autograd of the mean loss",
)
SYNCHRONISED = 0.0  # stands for the learning rate in `distance_table` where replicas average their gradients


def replicate(weights: Ensemble, replicas: int) -> Ensemble:
    """Repeat each network: [seed, ...] to [seed * replicas, ...], the replicas of one seed side by side."""
    return type(weights)(*(tensor.repeat_interleave(replicas, 0) for tensor in weights))


def average(weights: Ensemble, replicas: int) -> Ensemble:
    """Average over the replicas: [seed * replicas, ...] to [seed, ...]."""
    return type(weights)(*(tensor.view(-1, replicas, *tensor.shape[1:]).mean(1) for tensor in weights))


def data_parallel_gradient(
    gradient: Gradient[Ensemble], weights: Ensemble, x: torch.Tensor, y: torch.Tensor, replicas: int
) -> Ensemble:
    """Share a batch, x [seed, example, context] and y [seed, example], among replicas, and average their gradients."""
    found = gradient(replicate(weights, replicas), _shared(x, replicas), _shared(y, replicas))
    return average(found, replicas)


def relative_distance(ours: Ensemble, theirs: Ensemble, scale: Ensemble | None = None) -> torch.Tensor:
    """Return the distance of two networks in all weights together, as a share of `scale`'s length (theirs): [seed]."""
    return _length([a - b for a, b in zip(ours, theirs, strict=True)]) / _length(scale or theirs)


class Distances(NamedTuple):
    """How far the average of the replicas is from the batch's network while they train."""

    steps: list[int]
    relative: torch.Tensor  # [step, seed]: over the distance of the batch's network from its initialisation
    absolute: torch.Tensor  # [step, seed]


class Trained(NamedTuple):
    """The networks after training, [seed, ...] each."""

    batch: mlp.Weights
    average: mlp.Weights  # of the replicas
    first: mlp.Weights  # the first replica of each


def train_replicas(
    init: mlp.Weights, x: torch.Tensor, y: torch.Tensor, lr: float, eval_steps: Sequence[int], *, synchronise: bool
) -> tuple[Distances, Trained]:
    """Train on batches x [step, seed, batch, context] and y [step, seed, batch], and as many replicas on an example each.

    If they `synchronise`, the replicas average their gradients at every step; otherwise each takes its own, and only the
    weights are averaged, at every evaluation.
    """
    replicas = x.shape[2]
    batch, each = replicate(init, 1), replicate(init, replicas)
    averaged = init
    steps, relative, absolute = [], [], []
    for step in range(len(x) + 1):
        if step:
            batch_gradient = mlp.gradient(batch, x[step - 1], y[step - 1])
            gradients = mlp.gradient(each, _shared(x[step - 1], replicas), _shared(y[step - 1], replicas))
            if synchronise:
                gradients = replicate(average(gradients, replicas), replicas)
            for tensor, change in zip((*batch, *each), (*batch_gradient, *gradients), strict=True):
                tensor.sub_(change, alpha=lr)
        if step in eval_steps:
            averaged = average(each, replicas)
            path = mlp.Weights(*(a - b for a, b in zip(batch, init, strict=True)))
            steps.append(step)
            relative.append(relative_distance(averaged, batch, path))
            absolute.append(relative[-1] * _length(path))
    first = mlp.Weights(*(tensor[::replicas] for tensor in each))
    return Distances(steps, torch.stack(relative), torch.stack(absolute)), Trained(batch, averaged, first)


# Tables


def gradient_table(init: mlp.Weights, x: torch.Tensor, y: torch.Tensor) -> pd.DataFrame:
    """Compare three ways with the gradient of a batch that is written out, x [seed, example, context].

    Columns precision, route, mean and largest: distance over seeds, in rounding units of the gradient's length.
    """
    rows = []
    for name, dtype in (("float64", torch.float64), ("float32", torch.float32)):
        weights = mlp.Weights(*(tensor.to(dtype) for tensor in init))
        batch = mlp.gradient(weights, x, y)
        found = {
            ENSEMBLE: data_parallel_gradient(mlp.gradient, weights, x, y, x.shape[1]),
            FUNCTIONAL: _loop_over_seeds(_mean_of_gradients, weights, x, y),
            AUTOGRAD: _loop_over_seeds(torch.func.grad(per_example_gradients.batch_loss), weights, x, y),
        }
        for route, gradient in found.items():
            units = relative_distance(gradient, batch).double() / torch.finfo(dtype).eps
            rows.append({"precision": name, "route": route, "mean": units.mean().item(), "largest": units.max().item()})
    return pd.DataFrame(rows)


def norm_table(seeds: Sequence[int], width: int, dimension: int, x: torch.Tensor, y: torch.Tensor) -> pd.DataFrame:
    """Share a batch among 2, 4, ... replicas of a network with batch, layer or no normalisation, in float64.

    Columns norm, replicas, and distance of the replicas' average from the batch's gradient, over its length.
    """
    init = normed_mlp.Weights(*(tensor.double() for tensor in normed_mlp.init(seeds, width, dimension)))
    batch = x.shape[1]
    rows = []
    for name in ("none", "layer", "batch"):
        whole = normed_mlp.gradient(init, x, y, _norm(name, batch))
        replicas = 2
        while replicas <= batch:
            gradient = partial(normed_mlp.gradient, norm=_norm(name, batch // replicas))
            distances = relative_distance(data_parallel_gradient(gradient, init, x, y, replicas), whole)
            rows.append({"norm": name, "replicas": replicas, **Estimate.columns("distance", distances.tolist())})
            replicas *= 2
    return pd.DataFrame(rows)


def distance_table(lrs: Sequence[float], independent: Sequence[Distances], synchronised: Distances) -> pd.DataFrame:
    """Table how far the replicas' average is from the batch's network: lr, step, and the relative distance."""
    return pd.DataFrame(
        [
            {"lr": lr, "step": step, **Estimate.columns("distance", distances)}
            for lr, found in zip((*lrs, SYNCHRONISED), (*independent, synchronised), strict=True)
            for step, distances in zip(found.steps, found.relative.tolist(), strict=True)
        ]
    )


def _loop_over_seeds(
    gradient: Callable[[mlp.Weights, torch.Tensor, torch.Tensor], mlp.Weights],
    weights: mlp.Weights,
    x: torch.Tensor,
    y: torch.Tensor,
) -> mlp.Weights:
    """Return each network's gradient, [seed, ...], from a function of one network without [seed]."""
    found = [gradient(mlp.Weights(*(tensor[seed] for tensor in weights)), x[seed], y[seed]) for seed in range(len(x))]
    return mlp.Weights(*(torch.stack(tensors) for tensors in zip(*found, strict=True)))


def _mean_of_gradients(weights: mlp.Weights, x: torch.Tensor, y: torch.Tensor) -> mlp.Weights:
    return mlp.Weights(*(tensor.mean(0) for tensor in per_example_gradients.gradients(weights, x, y)))


def _norm(name: str, size: int) -> ghost_norm.Norm:
    return {"none": ghost_norm.NONE, "layer": ghost_norm.LAYER._replace(size=size), "batch": ghost_norm.ghost(size)}[
        name
    ]


def _shared(values: torch.Tensor, replicas: int) -> torch.Tensor:
    """Give each replica its share: [seed, example, ...] to [seed * replicas, example / replicas, ...]."""
    seeds, examples, *rest = values.shape
    return values.reshape(seeds * replicas, examples // replicas, *rest)


def _length(weights: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.stack([tensor.flatten(1).square().sum(1) for tensor in weights]).sum(0).sqrt()
