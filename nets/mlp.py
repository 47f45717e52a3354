"""The names network: letters to embeddings to hidden units to logits, many networks trained as one.

Every tensor leads with a [seed] axis and every product is a batched one, so that sixteen networks cost little more than
one.  The gradient is written out (the chapter on zero weights derives it) and checked against autograd by a test: a
step then is eight matrix products and no graph.  Weights are drawn, and batches chosen, from the seed's number alone:
a network is the same bits whichever others train beside it (tests/nets/test_mlp.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch

from nets import device_transfer
from nets.activations import FAST_TANH, Activation
from nets.names import CONTEXT, VOCABULARY

BATCHES = 1_000_003  # added to a seed for the order of its examples, so that it never repeats the draw of the weights

W = TypeVar("W", bound=tuple["torch.Tensor", ...])  # weights of any kind; in quotes: reading must not load PyTorch


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


def inner(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Return the pre-activations, [seed, example, unit].

    `x` holds letters, [seed, example, context] or [example, context] for all seeds alike.
    """
    return _inner(weights, embed(weights.embedding, rows(weights.embedding, x)))


def units(weights: Weights, x: torch.Tensor, activation: Activation = FAST_TANH) -> torch.Tensor:
    """Return the hidden units, [seed, example, unit]; `x` as in `inner`."""
    return activation.bend(inner(weights, x))


def logits(weights: Weights, x: torch.Tensor, activation: Activation = FAST_TANH) -> torch.Tensor:
    """Return the logits, [seed, example, letter]; `x` as in `inner`."""
    return torch.baddbmm(weights.output_bias, units(weights, x, activation), weights.output)


def gradient(
    weights: Weights, x: torch.Tensor, y: torch.Tensor, activation: Activation = FAST_TANH, letters: bool = True
) -> Weights:
    """Differentiate each seed's mean cross-entropy over x [seed, example, context] and y [seed, example].

    Without `letters` they are held still: their gradient is zero, and not computed.
    """
    places = rows(weights.embedding, x)
    embedded = embed(weights.embedding, places)
    hidden = activation.bend(_inner(weights, embedded))
    error = by_logits(torch.baddbmm(weights.output_bias, hidden, weights.output), y)
    into = torch.bmm(error, weights.output.mT).mul_(activation.slope(hidden))  # by pre-activations
    if letters:
        embedding = by_embedding(weights.embedding, places, torch.bmm(into, weights.hidden.mT))
    else:
        embedding = torch.zeros_like(weights.embedding)
    return Weights(
        embedding=embedding,
        hidden=torch.bmm(embedded.mT, into),
        hidden_bias=into.sum(1, keepdim=True),
        output=torch.bmm(hidden.mT, error),
        output_bias=error.sum(1, keepdim=True),
    )


def descent(
    weights: Weights,
    x: torch.Tensor,
    y: torch.Tensor,
    rates: Rates,
    looks: Iterable[int] | None = None,
    activation: Activation = FAST_TANH,
) -> Iterator[tuple[int, Weights]]:
    """Train a copy by plain SGD on batches x [step, seed, batch, context] and y [step, seed, batch].

    Yields step and weights at each of the steps `looks`, and ends with the last of them; without, before every step and
    after the last one.  The weights are changed in place from then on.
    """
    wanted = range(len(x) + 1) if looks is None else set(looks)
    trained, (x, y) = device_transfer.copied(weights), device_transfer.there(x, y)
    for step in range(max(wanted) + 1):
        if step:
            slope = gradient(trained, x[step - 1], y[step - 1], activation, rates.embedding != 0)
            for kind, change, rate in zip(trained, slope, rates, strict=True):
                kind.sub_(change, alpha=rate)
        if step in wanted:
            yield step, device_transfer.back(trained)


def losses(
    weights: Weights, x: torch.Tensor, following: torch.Tensor, activation: Activation = FAST_TANH
) -> torch.Tensor:
    """Return each seed's mean cross-entropy over counted examples, in nats: [seed], float64.

    `x` [context, position] are distinct contexts and `following` [context, letter] how often each letter followed
    (`nets.names.counts`).
    """
    found = []
    for alone in one_by_one(weights):
        logarithms = torch.log_softmax(logits(alone, x, activation), 2)[0]  # [context, letter]
        found.append(-(logarithms * following).sum() / following.sum())
    return torch.stack(found)


def one_by_one(weights: W) -> Iterator[W]:
    """Yield each network as an ensemble of its own: what one needs stays in the cache, and what all need does not."""
    for place in range(len(weights[0])):
        yield type(weights)(*(kind[place : place + 1] for kind in weights))


def same_rates(rate: float) -> Rates:
    """Give every kind of weight the same learning rate."""
    return Rates(rate, rate, rate, rate, rate)


# Both ends of every network on the names: letters to numbers, logits to a loss.


def rows(embedding: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return where the letters stand in `embedding` [seed, letter, dimension], its seeds laid end to end.

    x is [seed, example, context] or [example, context] for all seeds alike; the rows are [seed, example, context].
    """
    seeds, letters, _ = embedding.shape
    return torch.arange(0, seeds * letters, letters, device=x.device)[:, None, None] + x


def embed(embedding: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return the embedded contexts, [seed, example, context * dimension]; `rows` [seed, example, context]."""
    flat = embedding.view(-1, embedding.shape[2])
    return flat.index_select(0, rows.view(-1)).view(*rows.shape[:2], rows.shape[2] * embedding.shape[2])


def by_embedding(embedding: torch.Tensor, rows: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """Turn the loss's derivative by what `embed` returns into that by `embedding`, [seed, letter, dimension]."""
    found = torch.zeros_like(embedding)
    dimension = embedding.shape[2]
    found.view(-1, dimension).index_add_(0, rows.view(-1), slope.view(-1, dimension))
    return found


def by_logits(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Differentiate each seed's mean cross-entropy over y [seed, example] by its logits: [seed, example, letter].

    It is probability minus truth, an example's share of each.
    """
    error = torch.softmax(logits, 2)
    return error.scatter_add_(2, y[..., None], torch.full_like(error[..., :1], -1.0)).div_(y.shape[1])


def _inner(weights: Weights, embedded: torch.Tensor) -> torch.Tensor:
    return torch.baddbmm(weights.hidden_bias, embedded, weights.hidden)
