"""The networks whose loss is looked at, and how they train."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from nets import ensemble, initialisation, mlp

if TYPE_CHECKING:
    from experiments.moving_landscape.model import Network

DIMENSION = 10  # of an embedding
PLAIN, TANH, DROPOUT, NORM, DECAY = "plain", "tanh", "dropout", "batch norm", "weight decay"
VARIANTS = (PLAIN, TANH, DROPOUT, NORM, DECAY)  # ReLU in all but one
MASKS = 3_000_017  # added to a seed for dropout, so that masks repeat neither weights nor batches

Weights = Mapping[str, "torch.Tensor"]  # parameters by name, as in nn.Module; in quotes: reading must not load PyTorch
Running = tuple["torch.Tensor", "torch.Tensor"]  # batch norm's running mean and variance


class Snapshot(NamedTuple):
    """One network at one step."""

    weights: Weights
    running: Running | None  # where there is batch norm


def activation(variant: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a variant's activation function."""
    return torch.tanh if variant == TANH else torch.relu


def network(variant: str, seed: int, width: int) -> Network:
    """Initialise: standard normal embeddings, tanh's gain, small first logits; the same numbers in every variant."""
    from experiments.moving_landscape.model import Network  # here: reading a result must not load PyTorch

    model = Network(width, DIMENSION, activation(variant), norm=variant == NORM)
    scaled = initialisation.well_scaled(mlp.init([seed], width, DIMENSION))
    with torch.no_grad():
        model.embedding.weight.copy_(scaled.embedding[0])
        model.hidden.weight.copy_(scaled.hidden[0].T)
        model.hidden.bias.copy_(scaled.hidden_bias[0, 0])
        model.output.weight.copy_(scaled.output[0].T)
        model.output.bias.copy_(scaled.output_bias[0, 0])
    return model


def masks(shape: tuple[int, ...], dropout: float, generator: torch.Generator) -> torch.Tensor:
    """Return what dropout multiplies activations by: 0, or one over the share that it keeps."""
    return torch.empty(shape).bernoulli_(1 - dropout, generator=generator) / (1 - dropout)


def trained(
    variant: str,
    seeds: range,
    width: int,
    x: torch.Tensor,
    y: torch.Tensor,
    order: torch.Tensor,
    lr: float,
    weight_decay: float,
    dropout: float,
    steps: Iterable[int],
) -> dict[int, list[Snapshot]]:
    """Train a variant by SGD on examples x, y in `order` [step, seed, batch]; return every seed's network at `steps`."""
    models = [network(variant, seed, width) for seed in seeds]
    generators = [torch.Generator().manual_seed(MASKS + seed) for seed in seeds]
    sgd = partial(torch.optim.SGD, lr=lr, weight_decay=weight_decay if variant == DECAY else 0.0)
    wanted, stops = set(steps), set(steps)
    if variant == DROPOUT:
        stops = set(range(max(wanted) + 1))  # a new mask before each step
        for model in models:
            model.keep = torch.ones(order.shape[2], width)
    found = {}
    for step, _ in ensemble.checkpoints(models, x, y, order, lambda named: sgd(named.values()), eval_steps=stops):
        if step in wanted:
            found[step] = [_snapshot(model) for model in models]
        if variant == DROPOUT:
            for model, generator in zip(models, generators, strict=True):
                model.keep.copy_(masks(model.keep.shape, dropout, generator))
    return found


def _snapshot(model: nn.Module) -> Snapshot:
    weights = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    buffers = dict(model.named_buffers())
    if "norm.running_mean" not in buffers:
        return Snapshot(weights, None)
    return Snapshot(weights, (buffers["norm.running_mean"].clone(), buffers["norm.running_var"].clone()))
