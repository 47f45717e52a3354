"""The names network: letters to embeddings to tanh units to logits, many networks trained as one.

Every tensor leads with a [seed] axis and every product is a batched one, so that sixteen networks cost little more than
one.  The gradient is written out (the chapter on zero weights derives it) and checked against autograd by a test: a
step then is eight matrix products and no graph.  Weights are drawn, and batches chosen, from the seed's number alone:
a network is the same bits whichever others train beside it (tests/nets/test_mlp.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from nets.names import CONTEXT, VOCABULARY

BATCHES = 1_000_003  # added to a seed for the order of its examples, so that it never repeats the draw of the weights


class Weights(NamedTuple):
    """All that is learnt by an ensemble; the same names serve for gradients, velocities and rates."""

    embedding: torch.Tensor  # [seed, letter, dimension]
    hidden: torch.Tensor  # [seed, context * dimension, unit]
    hidden_bias: torch.Tensor  # [seed, 1, unit]
    output: torch.Tensor  # [seed, unit, letter]
    output_bias: torch.Tensor  # [seed, 1, letter]


class Rates(NamedTuple):
    """A learning rate for each kind of weight."""

    embedding: float
    hidden: float
    hidden_bias: float
    output: float
    output_bias: float


def draw(seeds: Sequence[int], width: int = 200, dimension: int = 10, dtype: torch.dtype | None = None) -> Weights:
    """Draw standard normal weights; the caller scales them.  Network i depends on seeds[i] alone."""
    letters, fan_in = len(VOCABULARY), CONTEXT * dimension
    shapes = ((letters, dimension), (fan_in, width), (1, width), (width, letters), (1, letters))
    members = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        members.append([torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes])
    return Weights(*(torch.stack(kind) for kind in zip(*members, strict=True)))


def batches(seeds: Sequence[int], examples: int, batch: int, steps: int) -> torch.Tensor:
    """Choose examples with replacement: [step, seed, batch] indices below `examples`, from each seed alone."""
    chosen = [
        torch.randint(examples, (steps, batch), generator=torch.Generator().manual_seed(BATCHES + seed))
        for seed in seeds
    ]
    return torch.stack(chosen, 1)


def units(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Return the hidden units, [seed, example, unit].

    `x` holds letters, [seed, example, context] or [example, context] for all seeds alike.
    """
    return _hidden(weights, _embed(weights, _rows(weights, x)))


def logits(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Return the logits, [seed, example, letter]; `x` as in `units`."""
    return torch.baddbmm(weights.output_bias, units(weights, x), weights.output)


def gradient(weights: Weights, x: torch.Tensor, y: torch.Tensor) -> Weights:
    """Differentiate each seed's mean cross-entropy over x [seed, example, context] and y [seed, example]."""
    rows = _rows(weights, x)
    embedded = _embed(weights, rows)
    hidden = _hidden(weights, embedded)
    # The loss's derivative by the logits is probability minus truth, [seed, example, letter] ...
    error = torch.softmax(torch.baddbmm(weights.output_bias, hidden, weights.output), 2)
    error.scatter_add_(2, y[..., None], torch.full_like(error[..., :1], -1.0)).div_(y.shape[1])
    # ... by pre-activations, [seed, example, unit]; tanh's slope is 1 - tanh^2 ...
    inner = torch.bmm(error, weights.output.mT)
    inner.mul_(torch.addcmul(inner.new_ones(()), hidden, hidden, value=-1))
    # ... and by each letter shown, [seed * example * context, dimension]
    shown = torch.bmm(inner, weights.hidden.mT).view(-1, weights.embedding.shape[2])
    embedding = torch.zeros_like(weights.embedding)
    embedding.view(-1, embedding.shape[2]).index_add_(0, rows.view(-1), shown)
    return Weights(
        embedding=embedding,
        hidden=torch.bmm(embedded.mT, inner),
        hidden_bias=inner.sum(1, keepdim=True),
        output=torch.bmm(hidden.mT, error),
        output_bias=error.sum(1, keepdim=True),
    )


def descent(weights: Weights, x: torch.Tensor, y: torch.Tensor, rates: Rates) -> Iterator[tuple[int, Weights]]:
    """Train a copy by plain SGD on batches x [step, seed, batch, context] and y [step, seed, batch].

    Yields step and weights before every step, and after the last one; the weights are changed in place from then on.
    """
    trained = Weights(*(kind.clone() for kind in weights))
    yield 0, trained
    for step, (letters, following) in enumerate(zip(x, y, strict=True), 1):
        slope = gradient(trained, letters, following)
        for kind, change, rate in zip(trained, slope, rates, strict=True):
            kind.sub_(change, alpha=rate)
        yield step, trained


def losses(weights: Weights, x: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
    """Return each seed's mean cross-entropy over counted examples, in nats: [seed], float64.

    `x` [context, position] are distinct contexts and `following` [context, letter] how often each letter followed
    (`nets.names.counts`).
    """
    found = []
    for seed in range(len(weights.embedding)):  # one at a time: what one network needs stays in the cache
        alone = Weights(*(kind[seed : seed + 1] for kind in weights))
        logarithms = torch.log_softmax(logits(alone, x), 2)[0]  # [context, letter]
        found.append(-(logarithms * following).sum() / following.sum())
    return torch.stack(found)


def same_rates(rate: float) -> Rates:
    """Give every kind of weight the same learning rate."""
    return Rates(rate, rate, rate, rate, rate)


def _rows(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Return where each letter's embedding stands once the seeds lie end to end: [seed, example, context]."""
    seeds, letters, _ = weights.embedding.shape
    return torch.arange(0, seeds * letters, letters, device=x.device)[:, None, None] + x


def _embed(weights: Weights, rows: torch.Tensor) -> torch.Tensor:
    """Return the embedded contexts, [seed, example, context * dimension]."""
    flat = weights.embedding.view(-1, weights.embedding.shape[2])
    return flat.index_select(0, rows.view(-1)).view(*rows.shape[:2], -1)


def _hidden(weights: Weights, embedded: torch.Tensor) -> torch.Tensor:
    return torch.baddbmm(weights.hidden_bias, embedded, weights.hidden).tanh_()
