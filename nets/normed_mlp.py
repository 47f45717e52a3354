"""The names network with its hidden layer normalised: characters to embeddings to normalised tanh units to logits.

As in `nets.mlp` every tensor leads with a [seed] axis, the gradient is written out, and a network depends on its own
seed alone (to the last bit where `width` is a multiple of eight, so that all seeds lie alike in memory).  A scale and a
shift for each unit follow the normalisation, also where there is none, so that all variants learn the same weights; the
shift makes a bias before it useless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from nets import device_transfer, ghost_norm, mlp
from nets.ghost_norm import EPSILON, EXAMPLES, Norm
from nets.names import Counts

NOISE = 2_000_003  # added to a seed for imaginary mates, so that they repeat neither weights nor batches


class Weights(NamedTuple):
    """All that is learnt by an ensemble; the same names serve for gradients."""

    embedding: torch.Tensor  # [seed, character, dimension]
    hidden: torch.Tensor  # [seed, context * dimension, unit]
    scale: torch.Tensor  # [seed, 1, unit]
    shift: torch.Tensor  # [seed, 1, unit]
    output: torch.Tensor  # [seed, unit, character]
    output_bias: torch.Tensor  # [seed, 1, character]


def init(seeds: Sequence[int], width: int, dimension: int) -> Weights:
    """Initialise: pre-activations of unit variance, small first logits, scale 1 and no shift."""
    normal = mlp.init(seeds, width, dimension)
    return Weights(
        embedding=normal.embedding,
        hidden=normal.hidden / normal.hidden.shape[1] ** 0.5,
        scale=torch.ones_like(normal.hidden_bias),
        shift=torch.zeros_like(normal.hidden_bias),
        output=0.1 * normal.output / width**0.5,
        output_bias=torch.zeros_like(normal.output_bias),
    )


def logits(weights: Weights, x: torch.Tensor, norm: Norm) -> torch.Tensor:
    """Return the logits [seed, example, character] of a batch with the batch's own statistics, as in training."""
    return _after(weights, ghost_norm.standardise(pre_activations(weights, x), norm)[0])


def pre_activations(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Return the pre-activations before normalisation, [seed, example, unit]; `x` as in `mlp.pre_activations`."""
    return torch.bmm(mlp.embed(weights.embedding, mlp.embedding_rows(weights.embedding, x)), weights.hidden)


def gradient(
    weights: Weights, x: torch.Tensor, y: torch.Tensor, norm: Norm, mates: torch.Tensor | None = None
) -> Weights:
    """Differentiate each seed's mean cross-entropy over x [seed, example, context] and y [seed, example].

    `mates` [2, seed, group, 1, unit] are imaginary, one set for every `norm.imaginary` examples (`ghost_norm.joined`).
    """
    rows = mlp.embedding_rows(weights.embedding, x)
    embedded = mlp.embed(weights.embedding, rows)
    standard, inverse = ghost_norm.standardise(torch.bmm(embedded, weights.hidden), norm)
    moved = standard if mates is None else _among(ghost_norm.joined, standard, mates, norm)
    hidden = torch.addcmul(weights.shift, moved, weights.scale).tanh_()
    # The gradient with respect to the logits, [seed, example, character] ...
    logits_grad = mlp.logits_gradient(torch.baddbmm(weights.output_bias, hidden, weights.output), y)
    # ... with respect to what goes into tanh, whose derivative is 1 - tanh^2, [seed, example, unit] ...
    pre_gradient, output = torch.bmm(logits_grad, weights.output.mT), torch.bmm(hidden.mT, logits_grad)
    pre_gradient.mul_(torch.addcmul(hidden.new_ones(()), hidden, hidden, value=-1, out=hidden))
    shift, scale = pre_gradient.sum(1, keepdim=True), torch.mul(pre_gradient, moved, out=hidden).sum(1, keepdim=True)
    # ... with respect to the pre-activations, through scale, mates and normalisation ...
    pre_gradient.mul_(weights.scale)
    if mates is not None:
        pre_gradient.mul_(_among(ghost_norm.joined_derivative, standard, mates, norm))
    pre_gradient = ghost_norm.backward(pre_gradient, standard, inverse, norm, hidden)
    return Weights(
        embedding=mlp.embedding_gradient(weights.embedding, rows, torch.bmm(pre_gradient, weights.hidden.mT)),
        hidden=torch.bmm(embedded.mT, pre_gradient),
        scale=scale,
        shift=shift,
        output=output,
        output_bias=logits_grad.sum(1, keepdim=True),
    )


def checkpoints(
    weights: Weights,
    x: torch.Tensor,
    y: torch.Tensor,
    order: torch.Tensor,
    lr: float,
    norm: Norm,
    seeds: Sequence[int],
    eval_steps: Iterable[int] | None = None,
) -> Iterator[tuple[int, Weights]]:
    """Train a copy by plain SGD on examples x [example, context], y [example], in `order` [step, seed, batch].

    Yields step and weights at each of the steps `eval_steps`, as `mlp.checkpoints`.
    """
    wanted = range(len(order) + 1) if eval_steps is None else set(eval_steps)
    trained, (x, y, order) = device_transfer.copy_to_device(weights), device_transfer.to_device(x, y, order)
    generators = [np.random.default_rng(NOISE + seed) for seed in seeds]
    shape = (order.shape[2] // max(norm.imaginary, 1), 1, weights.scale.shape[2])
    for step in range(max(wanted) + 1):
        if step:
            chosen, mates = order[step - 1], None
            if norm.imaginary:
                drawn = [ghost_norm.imaginary_mates(norm.imaginary, shape, generator) for generator in generators]
                (mates,) = device_transfer.to_device(torch.stack(drawn, 1))
            gradients = gradient(trained, x[chosen], y[chosen], norm, mates)
            for tensor, change in zip(trained, gradients, strict=True):
                tensor.sub_(change, alpha=lr)
        if step in wanted:
            yield step, device_transfer.to_cpu(trained)


def losses(weights: Weights, norm: Norm, population: Counts, *data: Counts) -> torch.Tensor:
    """Return each seed's mean cross-entropy over each of `data`, in nats: [data, seed], float64.

    Statistics over examples are the population's, at these weights.
    """
    found = []
    for alone in mlp.members(weights):
        mean, inverse = _statistics(pre_activations(alone, population.contexts), population)
        row = []
        for contexts, next_counts in data:
            values = pre_activations(alone, contexts)
            standard = (values - mean) * inverse if norm.axis == EXAMPLES else ghost_norm.standardise(values, norm)[0]
            logarithms = torch.log_softmax(_after(alone, standard), 2)[0]  # [context, character]
            row.append(-(logarithms * next_counts).sum() / next_counts.sum())
        found.append(torch.stack(row))
    return torch.stack(found, 1)


def _after(weights: Weights, standard: torch.Tensor) -> torch.Tensor:
    """Return the logits [seed, example, character] that normalised values [seed, example, unit] lead to."""
    hidden = torch.addcmul(weights.shift, standard, weights.scale).tanh_()
    return torch.baddbmm(weights.output_bias, hidden, weights.output)


def _statistics(values: torch.Tensor, population: Counts) -> tuple[torch.Tensor, torch.Tensor]:
    share = (population.next_counts.sum(1) / population.next_counts.sum()).to(values.dtype)[:, None]  # [context, 1]
    mean = (values * share).sum(1, keepdim=True)
    variance = ((values - mean).square() * share).sum(1, keepdim=True)
    return mean, (variance + EPSILON).rsqrt()


def _among(
    function: Callable[..., torch.Tensor], standard: torch.Tensor, mates: torch.Tensor, norm: Norm
) -> torch.Tensor:
    """Apply `joined` or its derivative to standardised values [seed, batch, unit] and their imaginary mates."""
    return function(ghost_norm.grouped(standard, norm.imaginary), *mates, norm.imaginary).view(standard.shape)
