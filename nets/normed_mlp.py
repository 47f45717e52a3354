"""The names network with its hidden layer normalised: letters to embeddings to normalised tanh units to logits.

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

    embedding: torch.Tensor  # [seed, letter, dimension]
    hidden: torch.Tensor  # [seed, context * dimension, unit]
    scale: torch.Tensor  # [seed, 1, unit]
    shift: torch.Tensor  # [seed, 1, unit]
    output: torch.Tensor  # [seed, unit, letter]
    output_bias: torch.Tensor  # [seed, 1, letter]


def start(seeds: Sequence[int], width: int, dimension: int) -> Weights:
    """Draw weights: pre-activations of unit variance, small first logits, scale 1 and no shift."""
    drawn = mlp.draw(seeds, width, dimension)
    return Weights(
        embedding=drawn.embedding,
        hidden=drawn.hidden / drawn.hidden.shape[1] ** 0.5,
        scale=torch.ones_like(drawn.hidden_bias),
        shift=torch.zeros_like(drawn.hidden_bias),
        output=0.1 * drawn.output / width**0.5,
        output_bias=torch.zeros_like(drawn.output_bias),
    )


def logits(weights: Weights, x: torch.Tensor, norm: Norm) -> torch.Tensor:
    """Return the logits [seed, example, letter] of a batch with the batch's own statistics, as in training."""
    return _after(weights, ghost_norm.standardise(before(weights, x), norm)[0])


def before(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Return what is to be normalised, [seed, example, unit]; `x` [seed, example, context], or without [seed]."""
    return torch.bmm(mlp.embed(weights.embedding, mlp.rows(weights.embedding, x)), weights.hidden)


def gradient(
    weights: Weights, x: torch.Tensor, y: torch.Tensor, norm: Norm, mates: torch.Tensor | None = None
) -> Weights:
    """Differentiate each seed's mean cross-entropy over x [seed, example, context] and y [seed, example].

    `mates` [2, seed, group, 1, unit] are imaginary, one set for every `norm.drawn` examples (`ghost_norm.joined`).
    """
    rows = mlp.rows(weights.embedding, x)
    embedded = mlp.embed(weights.embedding, rows)
    standard, inverse = ghost_norm.standardise(torch.bmm(embedded, weights.hidden), norm)
    moved = standard if mates is None else _among(ghost_norm.joined, standard, mates, norm)
    hidden = torch.addcmul(weights.shift, moved, weights.scale).tanh_()
    # The loss's derivative by the logits, [seed, example, letter] ...
    error = mlp.by_logits(torch.baddbmm(weights.output_bias, hidden, weights.output), y)
    # ... by what goes into tanh, whose slope is 1 - tanh^2, [seed, example, unit] ...
    inner, output = torch.bmm(error, weights.output.mT), torch.bmm(hidden.mT, error)
    inner.mul_(torch.addcmul(hidden.new_ones(()), hidden, hidden, value=-1, out=hidden))
    shift, scale = inner.sum(1, keepdim=True), torch.mul(inner, moved, out=hidden).sum(1, keepdim=True)
    # ... by the pre-activations, through scale, mates and normalisation ...
    inner.mul_(weights.scale)
    if mates is not None:
        inner.mul_(_among(ghost_norm.joined_slope, standard, mates, norm))
    inner = ghost_norm.backward(inner, standard, inverse, norm, hidden)
    return Weights(
        embedding=mlp.by_embedding(weights.embedding, rows, torch.bmm(inner, weights.hidden.mT)),
        hidden=torch.bmm(embedded.mT, inner),
        scale=scale,
        shift=shift,
        output=output,
        output_bias=error.sum(1, keepdim=True),
    )


def descent(
    weights: Weights,
    x: torch.Tensor,
    y: torch.Tensor,
    order: torch.Tensor,
    rate: float,
    norm: Norm,
    seeds: Sequence[int],
    looks: Iterable[int] | None = None,
) -> Iterator[tuple[int, Weights]]:
    """Train a copy by plain SGD on examples x [example, context], y [example], in `order` [step, seed, batch].

    Yields step and weights at each of the steps `looks`, as `mlp.descent`.
    """
    wanted = range(len(order) + 1) if looks is None else set(looks)
    trained, (x, y, order) = device_transfer.copied(weights), device_transfer.there(x, y, order)
    generators = [np.random.default_rng(NOISE + seed) for seed in seeds]
    shape = (order.shape[2] // max(norm.drawn, 1), 1, weights.scale.shape[2])
    for step in range(max(wanted) + 1):
        if step:
            chosen, mates = order[step - 1], None
            if norm.drawn:
                drawn = [ghost_norm.imaginary_mates(norm.drawn, shape, generator) for generator in generators]
                (mates,) = device_transfer.there(torch.stack(drawn, 1))
            slope = gradient(trained, x[chosen], y[chosen], norm, mates)
            for kind, change in zip(trained, slope, strict=True):
                kind.sub_(change, alpha=rate)
        if step in wanted:
            yield step, device_transfer.back(trained)


def losses(weights: Weights, norm: Norm, population: Counts, *data: Counts) -> torch.Tensor:
    """Return each seed's mean cross-entropy over each of `data`, in nats: [data, seed], float64.

    Statistics over examples are the population's, at these weights.
    """
    found = []
    for alone in mlp.one_by_one(weights):
        mean, inverse = _statistics(before(alone, population.contexts), population)
        row = []
        for contexts, following in data:
            values = before(alone, contexts)
            standard = (values - mean) * inverse if norm.axis == EXAMPLES else ghost_norm.standardise(values, norm)[0]
            logarithms = torch.log_softmax(_after(alone, standard), 2)[0]  # [context, letter]
            row.append(-(logarithms * following).sum() / following.sum())
        found.append(torch.stack(row))
    return torch.stack(found, 1)


def _after(weights: Weights, standard: torch.Tensor) -> torch.Tensor:
    """Return the logits [seed, example, letter] that normalised values [seed, example, unit] lead to."""
    hidden = torch.addcmul(weights.shift, standard, weights.scale).tanh_()
    return torch.baddbmm(weights.output_bias, hidden, weights.output)


def _statistics(values: torch.Tensor, population: Counts) -> tuple[torch.Tensor, torch.Tensor]:
    share = (population.following.sum(1) / population.following.sum()).to(values.dtype)[:, None]  # [context, 1]
    mean = (values * share).sum(1, keepdim=True)
    variance = ((values - mean).square() * share).sum(1, keepdim=True)
    return mean, (variance + EPSILON).rsqrt()


def _among(
    function: Callable[..., torch.Tensor], standard: torch.Tensor, mates: torch.Tensor, norm: Norm
) -> torch.Tensor:
    """Apply `joined` or its slope to standardised values [seed, batch, unit] and their imaginary mates."""
    return function(ghost_norm.grouped(standard, norm.drawn), *mates, norm.drawn).view(standard.shape)
