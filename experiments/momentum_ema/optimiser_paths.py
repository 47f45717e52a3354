"""One network trained side by side, on the same batches, by the notes' two lines and by PyTorch's SGD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import torch

from experiments.momentum_ema.ema import update
from experiments.momentum_ema.smoothing import flat
from lab.estimate import Estimate
from nets import mlp
from nets.mlp import Weights
from nets.names import Counts


class Setting(NamedTuple):
    """How torch.optim.SGD is called."""

    rate: float
    momentum: float
    dampening: float = 0.0
    zeroed: bool = False  # its buffer set to zeros before the first step, instead of to the first gradient


class Walks(NamedTuple):
    """Where the optimisers went; the notes' two lines come first, then the settings in their order."""

    ends: list[Weights]
    apart: torch.Tensor  # distance from the notes' path after each step: [setting, step, seed]
    first: torch.Tensor  # length of the first step: [optimiser, seed]
    gradient: torch.Tensor  # length of the first gradient, [seed]
    gone: torch.Tensor  # distance of the notes' end from their start, [seed]
    units: torch.Tensor  # largest distance from the notes' path, as a share of the weights' length: [setting]


def walk(
    start: Weights,
    batches: tuple[torch.Tensor, torch.Tensor],
    alpha: float,
    beta: float,
    settings: Sequence[Setting],
) -> Walks:
    """Train copies of `start` by the notes' two lines and by SGD in each of the settings.

    `batches` are x [step, seed, batch, context] and y [step, seed, batch].
    """
    notes, *others = (Weights(*(kind.clone() for kind in start)) for _ in range(len(settings) + 1))
    optimisers = [_sgd(weights, setting) for weights, setting in zip(others, settings, strict=True)]
    momentum = [torch.zeros_like(kind) for kind in notes]
    apart: list[torch.Tensor] = []
    firsts: list[torch.Tensor] = []
    largest = torch.zeros(len(settings), dtype=torch.float64)
    for x, y in zip(*batches, strict=True):
        gradient = mlp.gradient(notes, x, y)
        momentum = [update(*pair, beta) for pair in zip(momentum, gradient, strict=True)]
        for kind, moving in zip(notes, momentum, strict=True):
            kind.sub_(alpha * moving)
        for weights, optimiser in zip(others, optimisers, strict=True):
            for kind, slope in zip(weights, mlp.gradient(weights, x, y), strict=True):
                kind.grad = slope
            optimiser.step()
        if not firsts:
            firsts = [_length(flat(weights) - flat(start)) for weights in (notes, *others)]
            steepness = _length(flat(gradient))
        parted = torch.stack([_length(flat(weights) - flat(notes)) for weights in others])  # [setting, seed]
        largest = torch.maximum(largest, (parted / _length(flat(notes))).amax(1))
        apart.append(parted)
    return Walks(
        ends=[notes, *others],
        apart=torch.stack(apart, 1),
        first=torch.stack(firsts),
        gradient=steepness,
        gone=_length(flat(notes) - flat(start)),
        units=largest,
    )


def paths(walks: Walks, names: Sequence[str], alpha: float) -> pd.DataFrame:
    """Table the distance from the notes' path after each step, in lengths of alpha times the first gradient."""
    apart = (walks.apart / (alpha * walks.gradient)).numpy()  # [setting, step, seed]
    return pd.DataFrame(
        [
            {"optimiser": name, "step": step, **Estimate.columns("apart", seeds)}
            for name, by_step in zip(names, apart, strict=True)
            for step, seeds in enumerate(by_step, 1)
        ]
    )


def ends(walks: Walks, names: Sequence[str], alpha: float, data: Counts) -> pd.DataFrame:
    """Table each optimiser's first step, in the same lengths, its distance at the end, and its loss over `data` there.

    The distance is a share of the way that the notes' path has come from its start.
    """
    first = walks.first / (alpha * walks.gradient)  # [optimiser, seed]
    apart = torch.cat([torch.zeros_like(walks.apart[:1]), walks.apart])[:, -1] / walks.gone
    losses = [mlp.losses(end, data.contexts, data.next_counts).numpy() for end in walks.ends]
    return pd.DataFrame(
        [
            {"optimiser": name, "first_step": float(first[index].mean())}
            | Estimate.columns("apart", apart[index].numpy())
            | Estimate.columns("loss", losses[index])
            for index, name in enumerate(names)
        ]
    )


def _sgd(weights: Weights, setting: Setting) -> torch.optim.SGD:
    optimiser = torch.optim.SGD(weights, lr=setting.rate, momentum=setting.momentum, dampening=setting.dampening)
    if setting.zeroed:
        for kind in weights:
            optimiser.state[kind]["momentum_buffer"] = torch.zeros_like(kind)
    return optimiser


def _length(rows: torch.Tensor) -> torch.Tensor:
    return rows.square().sum(1).sqrt()  # [seed]
