"""One network trained side by side, on the same batches, by the notes' two lines and by PyTorch's SGD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import torch

from experiments.momentum_ema.ema import update
from experiments.momentum_ema.smoothing import flatten
from lab.estimate import Estimate
from nets import mlp
from nets.mlp import Weights
from nets.names import Counts


class Setting(NamedTuple):
    """How torch.optim.SGD is called."""

    lr: float
    momentum: float
    dampening: float = 0.0
    zero_buffer: bool = False  # its buffer set to zeros before the first step, instead of to the first gradient


class Paths(NamedTuple):
    """Where the optimisers went; the notes' two lines come first, then the settings in their order."""

    ends: list[Weights]
    distance: torch.Tensor  # from the notes' path after each step: [setting, step, seed]
    first_step: torch.Tensor  # length of the first step: [optimiser, seed]
    first_gradient: torch.Tensor  # length of the first gradient, [seed]
    notes_distance: torch.Tensor  # of the notes' end from the initialisation, [seed]
    relative_distance: (
        torch.Tensor
    )  # largest distance from the notes' path, as a share of the weights' length: [setting]


def train_side_by_side(
    init: Weights,
    batches: tuple[torch.Tensor, torch.Tensor],
    lr: float,
    beta: float,
    settings: Sequence[Setting],
) -> Paths:
    """Train copies of `init` by the notes' two lines and by SGD in each of the settings.

    `batches` are x [step, seed, batch, context] and y [step, seed, batch].
    """
    notes, *others = (Weights(*(tensor.clone() for tensor in init)) for _ in range(len(settings) + 1))
    optimisers = [_sgd(weights, setting) for weights, setting in zip(others, settings, strict=True)]
    momentum = [torch.zeros_like(tensor) for tensor in notes]
    distances: list[torch.Tensor] = []
    first_steps: list[torch.Tensor] = []
    relative = torch.zeros(len(settings), dtype=torch.float64)
    for x, y in zip(*batches, strict=True):
        gradient = mlp.gradient(notes, x, y)
        momentum = [update(*pair, beta) for pair in zip(momentum, gradient, strict=True)]
        for tensor, average in zip(notes, momentum, strict=True):
            tensor.sub_(lr * average)
        for weights, optimiser in zip(others, optimisers, strict=True):
            for tensor, tensor_gradient in zip(weights, mlp.gradient(weights, x, y), strict=True):
                tensor.grad = tensor_gradient
            optimiser.step()
        if not first_steps:
            first_steps = [_length(flatten(weights) - flatten(init)) for weights in (notes, *others)]
            first_gradient = _length(flatten(gradient))
        distance = torch.stack([_length(flatten(weights) - flatten(notes)) for weights in others])  # [setting, seed]
        relative = torch.maximum(relative, (distance / _length(flatten(notes))).amax(1))
        distances.append(distance)
    return Paths(
        ends=[notes, *others],
        distance=torch.stack(distances, 1),
        first_step=torch.stack(first_steps),
        first_gradient=first_gradient,
        notes_distance=_length(flatten(notes) - flatten(init)),
        relative_distance=relative,
    )


def path_table(paths: Paths, names: Sequence[str], lr: float) -> pd.DataFrame:
    """Table the distance from the notes' path after each step, in lengths of lr times the first gradient."""
    distance = (paths.distance / (lr * paths.first_gradient)).numpy()  # [setting, step, seed]
    return pd.DataFrame(
        [
            {"optimiser": name, "step": step, **Estimate.columns("distance", seeds)}
            for name, by_step in zip(names, distance, strict=True)
            for step, seeds in enumerate(by_step, 1)
        ]
    )


def end_table(paths: Paths, names: Sequence[str], lr: float, data: Counts) -> pd.DataFrame:
    """Table each optimiser's first step, in the same lengths, its distance at the end, and its loss over `data` there.

    The distance is a share of the way that the notes' path has come from the initialisation.
    """
    first_step = paths.first_step / (lr * paths.first_gradient)  # [optimiser, seed]
    from_notes = torch.cat([torch.zeros_like(paths.distance[:1]), paths.distance])[:, -1] / paths.notes_distance
    losses = [mlp.losses(end, data.contexts, data.next_counts).numpy() for end in paths.ends]
    return pd.DataFrame(
        [
            {"optimiser": name, "first_step": float(first_step[index].mean())}
            | Estimate.columns("distance", from_notes[index].numpy())
            | Estimate.columns("loss", losses[index])
            for index, name in enumerate(names)
        ]
    )


def _sgd(weights: Weights, setting: Setting) -> torch.optim.SGD:
    optimiser = torch.optim.SGD(weights, lr=setting.lr, momentum=setting.momentum, dampening=setting.dampening)
    if setting.zero_buffer:
        for tensor in weights:
            optimiser.state[tensor]["momentum_buffer"] = torch.zeros_like(tensor)
    return optimiser


def _length(rows: torch.Tensor) -> torch.Tensor:
    return rows.square().sum(1).sqrt()  # [seed]
