"""Tables of what becomes of a batch that is dealt to copies of a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
import torch

from experiments.batch_average import per_example_gradients
from experiments.batch_average.data_parallel import Walk, apart, by_copies
from lab.estimate import Estimate
from nets import ghost_norm, mlp, normed_mlp

ENSEMBLE, FUNCTIONAL, AUTOGRAD = "an ensemble of copies", "torch.func, example by example", "autograd of the mean loss"
MEETING = 0.0  # stands for the rate in the table of walks where copies average their gradients


def routes(start: mlp.Weights, x: torch.Tensor, y: torch.Tensor) -> pd.DataFrame:
    """Hold three routes against the gradient of a batch that is written out, x [seed, example, context].

    Columns precision, route, mean and largest: distance over seeds, in rounding units of the gradient's length.
    """
    rows = []
    for name, dtype in (("float64", torch.float64), ("float32", torch.float32)):
        weights = mlp.Weights(*(kind.to(dtype) for kind in start))
        batch = mlp.gradient(weights, x, y)
        found = {
            ENSEMBLE: by_copies(mlp.gradient, weights, x, y, x.shape[1]),
            FUNCTIONAL: _each(weights, x, y, autograd=False),
            AUTOGRAD: _each(weights, x, y, autograd=True),
        }
        for route, gradient in found.items():
            units = apart(gradient, batch).double() / torch.finfo(dtype).eps
            rows.append({"precision": name, "route": route, "mean": units.mean().item(), "largest": units.max().item()})
    return pd.DataFrame(rows)


def splits(seeds: Sequence[int], width: int, dimension: int, x: torch.Tensor, y: torch.Tensor) -> pd.DataFrame:
    """Deal a batch to 1, 2, 4, ... copies of a network with batch, layer or no normalisation, in float64.

    Columns norm, copies, distance, low, high: of the copies' average from the batch's gradient, over its length.
    """
    start = normed_mlp.Weights(*(kind.double() for kind in normed_mlp.init(seeds, width, dimension)))
    batch = x.shape[1]
    rows = []
    for name in ("none", "layer", "batch"):
        whole = normed_mlp.gradient(start, x, y, _norm(name, batch))
        copies = 2
        while copies <= batch:
            gradient = partial(normed_mlp.gradient, norm=_norm(name, batch // copies))
            found = Estimate.of(apart(by_copies(gradient, start, x, y, copies), whole).tolist())
            rows.append({"norm": name, "copies": copies, "distance": found.mean, "low": found.low, "high": found.high})
            copies *= 2
    return pd.DataFrame(rows)


def walks(rates: Sequence[float], alone: Sequence[Walk], together: Walk) -> pd.DataFrame:
    """Return how far the copies' average is from the batch's network: rate, step, distance over the way, low, high."""
    rows = []
    for rate, walk in zip((*rates, MEETING), (*alone, together), strict=True):
        for step, distances in zip(walk.steps, walk.apart.tolist(), strict=True):
            found = Estimate.of(distances)
            rows.append({"rate": rate, "step": step, "distance": found.mean, "low": found.low, "high": found.high})
    return pd.DataFrame(rows)


def _each(weights: mlp.Weights, x: torch.Tensor, y: torch.Tensor, *, autograd: bool) -> mlp.Weights:
    """Return each network's gradient, [seed, ...]: of its mean loss, or the average over examples of their own."""
    found = []
    for seed in range(len(x)):
        alone = mlp.Weights(*(kind[seed] for kind in weights))
        if autograd:
            found.append(torch.func.grad(per_example_gradients.batch_loss)(alone, x[seed], y[seed]))
        else:
            found.append([kind.mean(0) for kind in per_example_gradients.gradients(alone, x[seed], y[seed])])
    return mlp.Weights(*(torch.stack(kind) for kind in zip(*found, strict=True)))


def _norm(name: str, size: int) -> ghost_norm.Norm:
    return {"none": ghost_norm.NONE, "layer": ghost_norm.LAYER._replace(size=size), "batch": ghost_norm.ghost(size)}[
        name
    ]
