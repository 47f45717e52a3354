"""Deep tanh networks trained side by side, each layer of each with a learning rate of its own, and watched on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nets import deep_tanh, ghost_norm, initialisation, mlp, names, optimisers, sgd
from nets.deep_tanh import Architecture, Network

Array = NDArray[np.float64]
GAIN = 5 / 3  # of the hidden layers' initial weights: tanh's, as `initialisation.well_scaled` has it
BATCHES = 16  # whose gradients' ratios are averaged, where a run is looked at only now and then
OTHER = 700_000  # added to a seed for those batches


class Recipe(NamedTuple):
    """A network and its optimiser."""

    depth: int  # hidden layers
    width: int  # units in each
    norm: bool = False  # batch norm before each tanh
    adam: bool = False  # else plain SGD


class Runs(NamedTuple):
    """What was seen of networks that differ in their learning rates alone.  A layer is a weight matrix, embedding first."""

    update: Array  # [watched step, member, layer]: standard deviation of the update over that of the weights
    gradient: Array  # the same of the gradient
    losses: Array  # [evaluation, member]: training loss over all examples, nats


def train(
    recipe: Recipe,
    lrs: Array,
    seed: int,
    data: Path,
    batch: int,
    watched: Sequence[int],
    evaluations: Sequence[int],
    weight_decay: Array | None = None,
) -> Runs:
    """Train one network for each row of `lrs` [member, layer], from the same initialisation on the same batches.

    A layer's bias, scale and shift have the rate of its weights.  The ratios are those of the steps `watched`, the losses
    those after the steps `evaluations`, the last of which ends the training.  `weight_decay` [member] times the learning
    rate is the share of the hidden weights that each step takes off besides; it is not counted in the update.
    """
    x, y, counted = names.training_set(data)
    share = counted.next_counts.sum(1) / counted.next_counts.sum()
    architecture = Architecture(ghost_norm.ghost(batch) if recipe.norm else ghost_norm.NONE)
    network = deep_tanh.init(seed, [GAIN] * len(lrs), recipe.depth, recipe.width, architecture)
    rates = _rates(network, torch.tensor(lrs, dtype=torch.float32))
    step = (optimisers.adam if recipe.adam else optimisers.sgd)(rates)
    weights, matrices = network.tensors(), [network.embedding, *network.layers]
    decay = torch.zeros(len(lrs)) if weight_decay is None else torch.tensor(weight_decay, dtype=torch.float32)
    kept = [
        1 - rate * decay[:, None, None] for rate in rates[1 : recipe.depth + 1]
    ]  # [member, 1, 1] for each hidden layer
    update, gradients, losses = [], [], []
    for number, chosen in enumerate(mlp.batches([seed], len(x), batch, max(evaluations))[:, 0], 1):
        gradient = deep_tanh.gradient(network, x[chosen], y[chosen], architecture)
        if weight_decay is not None:
            for layer, part in zip(network.layers, kept, strict=False):  # the last layer keeps all of it
                layer.mul_(part)
        if number in watched:
            before = [matrix.clone() for matrix in matrices]
            gradients.append(ratios([gradient.embedding, *gradient.layers], matrices))
        step(weights, gradient.tensors())
        if number in watched:
            update.append(ratios([new - old for new, old in zip(matrices, before, strict=True)], before))
        if number in evaluations:
            found = [
                deep_tanh.losses(alone, counted.contexts, counted.next_counts, architecture, share)
                for alone in network.members()
            ]
            losses.append(torch.cat(found).numpy())
    return Runs(np.stack(update), np.stack(gradients), np.stack(losses))


def ratios(changes: Sequence[torch.Tensor], weights: Sequence[torch.Tensor]) -> Array:
    """Return the standard deviation of each change over that of the weights, [member, layer]; both [member, ...] each."""
    return np.asarray(stds(changes) / stds(weights))


def stds(tensors: Sequence[torch.Tensor]) -> Array:
    """Return the standard deviation of each tensor [member, ...]: [member, layer]."""
    found = []
    for each in tensors:
        values = each.flatten(1).to(torch.float64, copy=True)
        values.sub_(values.mean(1, keepdim=True))
        found.append((values.square_().sum(1) / (values.shape[1] - 1)).sqrt_())  # torch.std takes nearly twice as long
    return np.asarray(torch.stack(found, 1).numpy())


def train_long(
    width: int, until: Mapping[float, int], seed: int, data: Path, batch: int, evaluations: Sequence[int]
) -> tuple[Array, Array]:
    """Train networks of one hidden layer by SGD for many steps: ratios [evaluation, lr, layer] and losses [evaluation, lr].

    Each learning rate trains `until` a step, and what would come later is NaN.
    A ratio is the mean over several batches, in logarithms, at the weights of that step.
    """
    x, y, counted = names.training_set(data)
    initial = initialisation.well_scaled(mlp.init([seed], width))
    some = mlp.batches([seed + OTHER], len(x), batch, BATCHES)  # [batch, 1, example]
    losses = np.full((len(evaluations), len(until)), np.nan)
    found = np.full((*losses.shape, 3), np.nan)
    for member, (lr, last) in enumerate(until.items()):
        wanted = [step for step in evaluations if step <= last]
        trained = sgd.checkpoints(initial, x, y, [seed], batch, [lr] * last, wanted)
        for place, (_, weights) in enumerate(trained):
            of_batches = []
            for chosen in some:
                gradient = mlp.gradient(weights, x[chosen], y[chosen])
                changes = [lr * part for part in (gradient.embedding, gradient.hidden, gradient.output)]
                of_batches.append(ratios(changes, [weights.embedding, weights.hidden, weights.output])[0])
            found[place, member] = np.exp(np.log(of_batches).mean(0))
            losses[place, member] = mlp.losses(weights, counted.contexts, counted.next_counts)[0]
    return found, losses


def _rates(network: Network, lrs: torch.Tensor) -> list[torch.Tensor]:
    """Spread rates [member, layer] over all tensors of a network, in their order: [member, 1, 1] each."""
    embedding, *layers = lrs.T[:, :, None, None]
    return [embedding, *layers, *layers, *layers[: len(network.scales)]]
