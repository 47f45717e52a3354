"""The names network with its hidden layer normalised: letters to embeddings to normalised tanh units to logits.

As in `nets.mlp` every tensor leads with a [seed] axis, the gradient is written out, and a network depends on its own
seed alone (to the last bit where `width` is a multiple of eight, so that all seeds lie alike in memory).  A scale and a
shift for each unit follow the normalisation, also where there is none, so that all variants learn the same weights; the
shift makes a bias before it useless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from nets import ghost_norm, mlp
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
    return torch.bmm(_embed(weights, _rows(weights, x)), weights.hidden)


def gradient(
    weights: Weights, x: torch.Tensor, y: torch.Tensor, norm: Norm, mates: torch.Tensor | None = None
) -> Weights:
    """Differentiate each seed's mean cross-entropy over x [seed, example, context] and y [seed, example].

    `mates` [2, seed, group, 1, unit] are imaginary, one set for every `norm.drawn` examples (`ghost_norm.joined`).
    """
    rows = _rows(weights, x)
    embedded = _embed(weights, rows)
    standard, inverse = ghost_norm.standardise(torch.bmm(embedded, weights.hidden), norm)
    moved = standard if mates is None else _among(ghost_norm.joined, standard, mates, norm)
    hidden = torch.addcmul(weights.shift, moved, weights.scale).tanh_()
    # The loss's derivative by the logits is probability minus truth, [seed, example, letter] ...
    error = torch.softmax(torch.baddbmm(weights.output_bias, hidden, weights.output), 2)
    error.scatter_add_(2, y[..., None], torch.full_like(error[..., :1], -1.0)).div_(y.shape[1])
    # ... by what goes into tanh, whose slope is 1 - tanh^2, [seed, example, unit] ...
    inner, output = torch.bmm(error, weights.output.mT), torch.bmm(hidden.mT, error)
    inner.mul_(torch.addcmul(hidden.new_ones(()), hidden, hidden, value=-1, out=hidden))
    shift, scale = inner.sum(1, keepdim=True), torch.mul(inner, moved, out=hidden).sum(1, keepdim=True)
    # ... by the pre-activations, through scale, mates and normalisation ...
    inner.mul_(weights.scale)
    if mates is not None:
        inner.mul_(_among(ghost_norm.joined_slope, standard, mates, norm))
    inner = ghost_norm.backward(inner, standard, inverse, norm, hidden)
    # ... and by each letter shown, [seed * example * context, dimension]
    shown = torch.bmm(inner, weights.hidden.mT).view(-1, weights.embedding.shape[2])
    embedding = torch.zeros_like(weights.embedding)
    embedding.view(-1, embedding.shape[2]).index_add_(0, rows.view(-1), shown)
    return Weights(
        embedding=embedding,
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
) -> Iterator[tuple[int, Weights]]:
    """Train a copy by plain SGD on examples x [example, context], y [example], in `order` [step, seed, batch].

    Yields step and weights before every step, and after the last one; the weights are changed in place from then on.
    """
    trained = Weights(*(kind.clone() for kind in weights))
    generators = [np.random.default_rng(NOISE + seed) for seed in seeds]
    shape = (order.shape[2] // max(norm.drawn, 1), 1, weights.scale.shape[2])
    yield 0, trained
    for step, chosen in enumerate(order, 1):
        mates = None
        if norm.drawn:
            mates = torch.stack([ghost_norm.imaginary_mates(norm.drawn, shape, g) for g in generators], 1)
        slope = gradient(trained, x[chosen], y[chosen], norm, mates)
        for kind, change in zip(trained, slope, strict=True):
            kind.sub_(change, alpha=rate)
        yield step, trained


def losses(weights: Weights, norm: Norm, population: Counts, *data: Counts) -> torch.Tensor:
    """Return each seed's mean cross-entropy over each of `data`, in nats: [data, seed], float64.

    Statistics over examples are the population's, at these weights.
    """
    found = []
    for seed in range(len(weights.scale)):  # one at a time: what one network needs stays in the cache
        alone = Weights(*(kind[seed : seed + 1] for kind in weights))
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


def _rows(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Return where each letter's embedding stands once the seeds lie end to end: [seed, example, context]."""
    seeds, letters, _ = weights.embedding.shape
    return torch.arange(0, seeds * letters, letters, device=x.device)[:, None, None] + x


def _embed(weights: Weights, rows: torch.Tensor) -> torch.Tensor:
    """Return the embedded contexts, [seed, example, context * dimension]."""
    flat = weights.embedding.view(-1, weights.embedding.shape[2])
    return flat.index_select(0, rows.view(-1)).view(*rows.shape[:2], -1)
