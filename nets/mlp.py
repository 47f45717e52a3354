"""The names network: characters to embeddings to hidden units to logits, many networks trained as one.

Every tensor leads with a [seed] axis and every product is a batched one, so that sixteen networks cost little more than
one.  The gradient is written out (the chapter on zero weights derives it) and checked against autograd by a test: a
step then is eight matrix products and no graph.  Weights and batches are random numbers of the seed alone:
a network is the same bits whichever others train beside it (tests/nets/test_mlp.py).
What writing the gradient out saves: a step takes three fifths of the time that the general way takes (`nets.ensemble`)
and a fifth of plain training's, one seed at a time: `python -m benchmarks training`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch

from nets import device_transfer
from nets.activations import FAST_TANH, Activation
from nets.names import CONTEXT, VOCABULARY

BATCH_SEED = 1_000_003  # added to a seed for its batches, so that they never repeat the random numbers of its weights

W = TypeVar("W", bound=tuple["torch.Tensor", ...])  # tensors of any network; in quotes: reading must not load PyTorch


class Weights(NamedTuple):
    """All that is learnt by an ensemble; the same names serve for gradients, velocities and learning rates."""

    embedding: torch.Tensor  # [seed, character, dimension]
    hidden: torch.Tensor  # [seed, context * dimension, unit]
    hidden_bias: torch.Tensor  # [seed, 1, unit]
    output: torch.Tensor  # [seed, unit, character]
    output_bias: torch.Tensor  # [seed, 1, character]


class LearningRates(NamedTuple):
    """A learning rate for each layer's weights and biases."""

    embedding: float
    hidden: float
    hidden_bias: float
    output: float
    output_bias: float


def init(seeds: Sequence[int], width: int = 200, dimension: int = 10, dtype: torch.dtype | None = None) -> Weights:
    """Draw standard normal weights and biases; the caller scales them.  Network i depends on seeds[i] alone."""
    vocabulary, fan_in = len(VOCABULARY), CONTEXT * dimension
    shapes = ((vocabulary, dimension), (fan_in, width), (1, width), (width, vocabulary), (1, vocabulary))
    members = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        members.append([torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes])
    return Weights(*(torch.stack(tensors) for tensors in zip(*members, strict=True)))


def batches(seeds: Sequence[int], examples: int, batch: int, steps: int) -> torch.Tensor:
    """Choose examples with replacement: [step, seed, batch] indices below `examples`, from each seed alone."""
    chosen = [
        torch.randint(examples, (steps, batch), generator=torch.Generator().manual_seed(BATCH_SEED + seed))
        for seed in seeds
    ]
    return torch.stack(chosen, 1)


def pre_activations(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Return the pre-activations, [seed, example, unit].

    `x` holds characters, [seed, example, context] or [example, context] for all seeds alike.
    """
    return _pre_activations(weights, embed(weights.embedding, embedding_rows(weights.embedding, x)))


def hidden(weights: Weights, x: torch.Tensor, activation: Activation = FAST_TANH) -> torch.Tensor:
    """Return the hidden units, [seed, example, unit]; `x` as in `pre_activations`."""
    return activation.function(pre_activations(weights, x))


def logits(weights: Weights, x: torch.Tensor, activation: Activation = FAST_TANH) -> torch.Tensor:
    """Return the logits, [seed, example, character]; `x` as in `pre_activations`."""
    return torch.baddbmm(weights.output_bias, hidden(weights, x, activation), weights.output)


def gradient(
    weights: Weights, x: torch.Tensor, y: torch.Tensor, activation: Activation = FAST_TANH, train_embedding: bool = True
) -> Weights:
    """Differentiate each seed's mean cross-entropy over x [seed, example, context] and y [seed, example].

    Without `train_embedding` the embeddings are frozen: their gradient is zero, and not computed.
    """
    places = embedding_rows(weights.embedding, x)
    embedded = embed(weights.embedding, places)
    hidden = activation.function(_pre_activations(weights, embedded))
    logits_grad = logits_gradient(torch.baddbmm(weights.output_bias, hidden, weights.output), y)
    pre_gradient = torch.bmm(logits_grad, weights.output.mT).mul_(
        activation.derivative(hidden)
    )  # gradient with respect to the pre-activations
    if train_embedding:
        embedding = embedding_gradient(weights.embedding, places, torch.bmm(pre_gradient, weights.hidden.mT))
    else:
        embedding = torch.zeros_like(weights.embedding)
    return Weights(
        embedding=embedding,
        hidden=torch.bmm(embedded.mT, pre_gradient),
        hidden_bias=pre_gradient.sum(1, keepdim=True),
        output=torch.bmm(hidden.mT, logits_grad),
        output_bias=logits_grad.sum(1, keepdim=True),
    )


def checkpoints(
    weights: Weights,
    x: torch.Tensor,
    y: torch.Tensor,
    lr: LearningRates,
    eval_steps: Iterable[int] | None = None,
    activation: Activation = FAST_TANH,
) -> Iterator[tuple[int, Weights]]:
    """Train a copy by plain SGD on batches x [step, seed, batch, context] and y [step, seed, batch].

    Yields step and weights at each of the steps `eval_steps`, and ends with the last of them; without, before every step
    and after the last one.  The weights are changed in place from then on.
    """
    wanted = range(len(x) + 1) if eval_steps is None else set(eval_steps)
    trained, (x, y) = device_transfer.copy_to_device(weights), device_transfer.to_device(x, y)
    for step in range(max(wanted) + 1):
        if step:
            gradients = gradient(trained, x[step - 1], y[step - 1], activation, lr.embedding != 0)
            for tensor, change, rate in zip(trained, gradients, lr, strict=True):
                tensor.sub_(change, alpha=rate)
        if step in wanted:
            yield step, device_transfer.to_cpu(trained)


def losses(
    weights: Weights, x: torch.Tensor, next_counts: torch.Tensor, activation: Activation = FAST_TANH
) -> torch.Tensor:
    """Return each seed's mean cross-entropy over counted examples, in nats: [seed], float64.

    `x` [context, position] are distinct contexts and `next_counts` [context, character] how often each character
    followed (`nets.names.counts`).
    """
    found = []
    for alone in members(weights):
        logarithms = torch.log_softmax(logits(alone, x, activation), 2)[0]  # [context, character]
        found.append(-(logarithms * next_counts).sum() / next_counts.sum())
    return torch.stack(found)


def members(weights: W) -> Iterator[W]:
    """Yield each network as an ensemble of its own: what one needs stays in the cache, and what all need does not."""
    for place in range(len(weights[0])):
        yield type(weights)(*(tensor[place : place + 1] for tensor in weights))


def same_lr(lr: float) -> LearningRates:
    """Give every tensor the same learning rate."""
    return LearningRates(lr, lr, lr, lr, lr)


# Both ends of every network on the names: characters to numbers, logits to a loss.


def embedding_rows(embedding: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return where the characters' rows are in `embedding` [seed, character, dimension], its seeds laid end to end.

    x is [seed, example, context] or [example, context] for all seeds alike; the rows are [seed, example, context].
    """
    seeds, vocabulary, _ = embedding.shape
    return torch.arange(0, seeds * vocabulary, vocabulary, device=x.device)[:, None, None] + x


def embed(embedding: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return the embedded contexts, [seed, example, context * dimension]; `rows` [seed, example, context]."""
    flat = embedding.view(-1, embedding.shape[2])
    return flat.index_select(0, rows.view(-1)).view(*rows.shape[:2], rows.shape[2] * embedding.shape[2])


def embedding_gradient(embedding: torch.Tensor, rows: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
    """Turn the gradient with respect to what `embed` returns into that with respect to `embedding`, of its shape."""
    found = torch.zeros_like(embedding)
    dimension = embedding.shape[2]
    found.view(-1, dimension).index_add_(0, rows.view(-1), upstream.view(-1, dimension))
    return found


def logits_gradient(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Differentiate each seed's mean cross-entropy over y [seed, example] with respect to its logits.

    It is probability minus one-hot target, over the number of examples.
    """
    logits_grad = torch.softmax(logits, 2)
    return logits_grad.scatter_add_(2, y[..., None], torch.full_like(logits_grad[..., :1], -1.0)).div_(y.shape[1])


def _pre_activations(weights: Weights, embedded: torch.Tensor) -> torch.Tensor:
    return torch.baddbmm(weights.hidden_bias, embedded, weights.hidden)
