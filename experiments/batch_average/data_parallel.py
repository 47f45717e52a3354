"""Copies of a network, each with its share of a batch: their gradients averaged, and where they go on their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import torch

from nets import mlp, normed_mlp

Ensemble = TypeVar("Ensemble", mlp.Weights, normed_mlp.Weights)  # weights or gradients, each kind [seed, ...]
Gradient = Callable[[Ensemble, "torch.Tensor", "torch.Tensor"], Ensemble]  # in quotes: reading must not load PyTorch


def copied(weights: Ensemble, copies: int) -> Ensemble:
    """Repeat each network: [seed, ...] to [seed * copies, ...], the copies of one seed side by side."""
    return type(weights)(*(kind.repeat_interleave(copies, 0) for kind in weights))


def averaged(weights: Ensemble, copies: int) -> Ensemble:
    """Average over the copies: [seed * copies, ...] to [seed, ...]."""
    return type(weights)(*(kind.view(-1, copies, *kind.shape[1:]).mean(1) for kind in weights))


def by_copies(
    gradient: Gradient[Ensemble], weights: Ensemble, x: torch.Tensor, y: torch.Tensor, copies: int
) -> Ensemble:
    """Deal a batch, x [seed, example, context] and y [seed, example], to copies, and average their gradients."""
    every = copied(weights, copies)
    found = gradient(every, _dealt(x, copies), _dealt(y, copies))
    return averaged(found, copies)


def apart(ours: Ensemble, theirs: Ensemble, scale: Ensemble | None = None) -> torch.Tensor:
    """Return the distance of two sets of weights in all kinds together, as a share of `scale`'s (theirs): [seed]."""
    return _size([a - b for a, b in zip(ours, theirs, strict=True)]) / _size(scale or theirs)


class Walk(NamedTuple):
    """A batch's network and its copies' average, on the way."""

    steps: list[int]
    apart: torch.Tensor  # [step, seed]: distance of the copies' average from the batch's network, over that one's way
    absolute: torch.Tensor  # [step, seed]: the distance itself


class Ends(NamedTuple):
    """Where a walk ends, [seed, ...] each."""

    batch: mlp.Weights
    average: mlp.Weights  # of the copies
    first: mlp.Weights  # the first copy of each


def walk(
    start: mlp.Weights, x: torch.Tensor, y: torch.Tensor, rate: float, looks: Sequence[int], *, meet: bool
) -> tuple[Walk, Ends]:
    """Train on batches x [step, seed, batch, context] and y [step, seed, batch], and as many copies on an example each.

    With `meet` the copies average their gradients at every step; otherwise each takes its own, and only the weights are
    averaged, at every look.
    """
    copies = x.shape[2]
    batch, each = copied(start, 1), copied(start, copies)
    average = start
    steps, share, absolute = [], [], []
    for step in range(len(x) + 1):
        if step:
            together = mlp.gradient(batch, x[step - 1], y[step - 1])
            slope = mlp.gradient(each, _dealt(x[step - 1], copies), _dealt(y[step - 1], copies))
            if meet:
                slope = copied(averaged(slope, copies), copies)
            for kind, change in zip((*batch, *each), (*together, *slope), strict=True):
                kind.sub_(change, alpha=rate)
        if step in looks:
            average = averaged(each, copies)
            way = mlp.Weights(*(a - b for a, b in zip(batch, start, strict=True)))
            steps.append(step)
            share.append(apart(average, batch, way))
            absolute.append(share[-1] * _size(way))
    first = mlp.Weights(*(kind[::copies] for kind in each))
    return Walk(steps, torch.stack(share), torch.stack(absolute)), Ends(batch, average, first)


def _dealt(values: torch.Tensor, copies: int) -> torch.Tensor:
    """Give each copy its share: [seed, example, ...] to [seed * copies, example / copies, ...]."""
    seeds, examples, *rest = values.shape
    return values.reshape(seeds * copies, examples // copies, *rest)


def _size(weights: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.stack([kind.flatten(1).square().sum(1) for kind in weights]).sum(0).sqrt()
