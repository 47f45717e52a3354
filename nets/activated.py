"""The names network with any activation: letters to embeddings to units that may go dead to logits.

As `nets.mlp`, whose weights it shares, with another activation in the place of tanh, and letters that may be held still.
The slope is taken from the output, so that a unit's gradient is zero exactly where its output says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch

from nets.mlp import Rates, Weights
from nets.passage import Elementwise, relu_slope, tanh_slope

LEAK = 0.01  # slope of leaky ReLU below zero: PyTorch's


class Activation(NamedTuple):
    """An activation, its derivative, and where among many examples that is largest."""

    bend: Elementwise
    slope: Elementwise  # from the output
    liveliest: Elementwise  # pre-activations [example, unit] to the one of each unit whose slope is the largest, [unit]


def relu(inner: torch.Tensor) -> torch.Tensor:
    """Return ReLU of the pre-activations."""
    return torch.relu(inner)


def tanh(inner: torch.Tensor) -> torch.Tensor:
    """Return tanh of the pre-activations."""
    return torch.tanh(inner)


def leaky(inner: torch.Tensor) -> torch.Tensor:
    """Return leaky ReLU of the pre-activations."""
    return torch.maximum(inner, LEAK * inner)


def leaky_slope(signal: torch.Tensor) -> torch.Tensor:
    """Return leaky ReLU's derivative from its output: 1 where a unit is on, `LEAK` where it is off."""
    return (signal > 0).to(signal).mul_(1 - LEAK).add_(LEAK)


def largest(inner: torch.Tensor) -> torch.Tensor:
    """Return the largest over the examples: [unit]."""
    return inner.amax(0)


def nearest_zero(inner: torch.Tensor) -> torch.Tensor:
    """Return the smallest in size over the examples, without its sign: [unit]."""
    return inner.abs().amin(0)


RELU = Activation(relu, relu_slope, largest)
LEAKY = Activation(leaky, leaky_slope, largest)
TANH = Activation(tanh, tanh_slope, nearest_zero)


def inner(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Return the pre-activations, [seed, example, unit]; x is [seed, example, context], or without [seed]."""
    return torch.baddbmm(weights.hidden_bias, _embed(weights, _rows(weights, x)), weights.hidden)


def gradient(weights: Weights, x: torch.Tensor, y: torch.Tensor, activation: Activation, letters: bool) -> Weights:
    """Differentiate each seed's mean cross-entropy over x [seed, example, context] and y [seed, example].

    Without `letters` they are held still: their gradient is zero, and not computed.
    """
    rows = _rows(weights, x)
    embedded = _embed(weights, rows)
    hidden = activation.bend(torch.baddbmm(weights.hidden_bias, embedded, weights.hidden))
    error = torch.softmax(torch.baddbmm(weights.output_bias, hidden, weights.output), 2)
    error.scatter_add_(2, y[..., None], torch.full_like(error[..., :1], -1.0)).div_(y.shape[1])
    into = torch.bmm(error, weights.output.mT).mul_(activation.slope(hidden))  # by pre-activations
    embedding = torch.zeros_like(weights.embedding)
    if letters:
        shown = torch.bmm(into, weights.hidden.mT).view(-1, embedding.shape[2])
        embedding.view(-1, embedding.shape[2]).index_add_(0, rows.view(-1), shown)
    return Weights(
        embedding=embedding,
        hidden=torch.bmm(embedded.mT, into),
        hidden_bias=into.sum(1, keepdim=True),
        output=torch.bmm(hidden.mT, error),
        output_bias=error.sum(1, keepdim=True),
    )


def descent(
    weights: Weights, x: torch.Tensor, y: torch.Tensor, rates: Rates, activation: Activation
) -> Iterator[tuple[int, Weights]]:
    """Train a copy by plain SGD on batches x [step, seed, batch, context] and y [step, seed, batch].

    Yields step and weights before every step, and after the last one; the weights are changed in place from then on.
    """
    trained = Weights(*(kind.clone() for kind in weights))
    yield 0, trained
    for step, (letters, following) in enumerate(zip(x, y, strict=True), 1):
        slope = gradient(trained, letters, following, activation, rates.embedding != 0)
        for kind, change, rate in zip(trained, slope, rates, strict=True):
            kind.sub_(change, alpha=rate)
        yield step, trained


def losses(weights: Weights, x: torch.Tensor, following: torch.Tensor, activation: Activation) -> torch.Tensor:
    """Return each seed's mean cross-entropy over counted examples (`nets.names.counts`), in nats: [seed], float64."""
    found = []
    for seed in range(len(weights.embedding)):  # one at a time: what one network needs stays in the cache
        alone = Weights(*(kind[seed : seed + 1] for kind in weights))
        hidden = activation.bend(inner(alone, x))
        logarithms = torch.log_softmax(torch.baddbmm(alone.output_bias, hidden, alone.output), 2)[0]
        found.append(-(logarithms * following).sum() / following.sum())
    return torch.stack(found)


def _rows(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    seeds, letters, _ = weights.embedding.shape
    return torch.arange(0, seeds * letters, letters)[:, None, None] + x


def _embed(weights: Weights, rows: torch.Tensor) -> torch.Tensor:
    flat = weights.embedding.view(-1, weights.embedding.shape[2])
    return flat.index_select(0, rows.view(-1)).view(*rows.shape[:2], rows.shape[2] * flat.shape[1])
