"""Deep ReLU networks on the names: `nets.mlp` with any number of hidden layers, many networks trained as one.

Tensors lead with a [seed] axis, the gradient is written out and checked against autograd by a test, and a network
depends on its seed's number alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nets import mlp
from nets.names import CONTEXT, VOCABULARY, Counts


class Network(NamedTuple):
    """All that is learnt by an ensemble; the same names serve for gradients."""

    embedding: torch.Tensor  # [seed, character, dimension]
    layers: list[torch.Tensor]  # the hidden ones and the last, each [seed, unit below, unit]
    biases: list[torch.Tensor]  # each [seed, 1, unit]


def init(
    seeds: Sequence[int],
    depth: int,
    width: int,
    variance: Callable[[int], float],
    dimension: int = 10,
    dtype: torch.dtype | None = None,
) -> Network:
    """Initialise networks with hidden weights of variance(units below), no biases, and a small last layer.

    Whatever the variance, the standard normal numbers behind the weights are the same.
    """
    vocabulary = len(VOCABULARY)
    below = [CONTEXT * dimension] + [width] * depth
    above = [width] * depth + [vocabulary]
    scales = [variance(fan_in) ** 0.5 for fan_in in below[:-1]] + [0.1 / width**0.5]  # logits of 0.1 at variance 2 / n
    embeddings, members = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        embeddings.append(torch.randn(vocabulary, dimension, generator=generator, dtype=dtype))
        members.append(
            [torch.randn(shape, generator=generator, dtype=dtype) for shape in zip(below, above, strict=True)]
        )
    layers = [scale * torch.stack(layer) for scale, layer in zip(scales, zip(*members, strict=True), strict=True)]
    return Network(
        torch.stack(embeddings), layers, [layer.new_zeros(len(seeds), 1, layer.shape[2]) for layer in layers]
    )


def forward(network: Network, x: torch.Tensor) -> list[torch.Tensor]:
    """Return what each layer sees, [seed, example, unit below], and last the logits, for characters x.

    x is [seed, example, context], or [example, context] for all seeds alike.
    """
    signals = [mlp.embed(network.embedding, mlp.embedding_rows(network.embedding, x))]
    for layer, bias in zip(network.layers, network.biases, strict=True):
        below = signals[-1] if len(signals) == 1 else signals[-1].relu_()
        signals.append(torch.baddbmm(bias, below, layer))
    return signals


def gradient(network: Network, x: torch.Tensor, y: torch.Tensor) -> Network:
    """Differentiate each seed's mean cross-entropy over x [seed, example, context] and y [seed, example]."""
    signals = forward(network, x)
    error = mlp.logits_gradient(signals.pop(), y)
    layers, biases = [], []
    for depth in range(len(network.layers) - 1, -1, -1):
        layers.append(torch.bmm(signals[depth].mT, error))
        biases.append(error.sum(1, keepdim=True))
        error = torch.bmm(error, network.layers[depth].mT)  # [seed, example, unit below]
        if depth:
            error.mul_(signals[depth] > 0)
    embedding = mlp.embedding_gradient(network.embedding, mlp.embedding_rows(network.embedding, x), error)
    return Network(embedding, layers[::-1], biases[::-1])


def train(network: Network, x: torch.Tensor, y: torch.Tensor, lr: float) -> Network:
    """Train a copy by plain SGD on batches x [step, seed, batch, context] and y [step, seed, batch].

    Stops early once every seed's logits are NaN or infinite: nothing can happen from there.
    """
    trained = Network(network.embedding.clone(), *([kind.clone() for kind in kinds] for kinds in network[1:]))
    for inputs, targets in zip(x, y, strict=True):
        gradients = gradient(trained, inputs, targets)
        for weight, change in zip(_all(trained), _all(gradients), strict=True):
            weight.sub_(change, alpha=lr)
        if not trained.biases[-1].isfinite().all(2).any():
            break
    return trained


def losses(network: Network, data: Counts) -> torch.Tensor:
    """Return each seed's mean cross-entropy over counted examples, in nats: [seed], float64; NaN where it diverged."""
    logarithms = torch.log_softmax(forward(network, data.contexts)[-1], 2)  # [seed, context, character]
    return -(logarithms * data.next_counts).sum((1, 2)) / data.next_counts.sum()


def lr_sweep(
    network: Network, x: torch.Tensor, y: torch.Tensor, lrs: Sequence[float], data: Counts
) -> NDArray[np.float64]:
    """Train a copy at each learning rate and return the final losses, [lr, seed]; other arguments as above."""
    return np.stack([losses(train(network, x, y, lr), data).numpy() for lr in lrs])


def _all(network: Network) -> list[torch.Tensor]:
    return [network.embedding, *network.layers, *network.biases]
