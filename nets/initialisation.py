"""Initialisations of the names network, made from standard normal numbers or from nothing."""

from __future__ import annotations

import torch

from nets.mlp import LearningRates, Weights
from nets.names import Counts


def well_scaled(normal: Weights) -> Weights:
    """Scale standard normal numbers: tanh's gain of 5/3 for the hidden layer, small first logits, no biases."""
    fan_in, width = normal.hidden.shape[1:]
    scales = LearningRates(
        embedding=1.0, hidden=5 / 3 / fan_in**0.5, hidden_bias=0.0, output=0.1 / width**0.5, output_bias=0.0
    )
    return Weights(*(scale * tensor for scale, tensor in zip(scales, normal, strict=True)))


def small_last_layer(normal: Weights, size: float) -> Weights:
    """Scale the last layer by `size` and take its bias away, so that the first logits are small; keep all else."""
    return normal._replace(output=size * normal.output, output_bias=torch.zeros_like(normal.output_bias))


def constant(like: Weights, value: float) -> Weights:
    """Give every weight the same value, in the shapes of `like`."""
    return Weights(*(torch.full_like(tensor, value) for tensor in like))


def scaled(weights: Weights, size: float) -> Weights:
    """Multiply every weight by `size`."""
    return Weights(*(size * tensor for tensor in weights))


def small_layers(weights: Weights, size: float, data: Counts) -> Weights:
    """Multiply the layers by `size`; embeddings keep their size, and the last bias starts at the log frequencies."""
    return scaled(weights, size)._replace(embedding=weights.embedding, output_bias=unigram_bias(weights, data))


def perturbed(weights: Weights, noise: Weights, size: float) -> Weights:
    """Change every weight by a share `size * noise` of itself."""
    return Weights(*(tensor * (1 + size * change) for tensor, change in zip(weights, noise, strict=True)))


def unigram_bias(like: Weights, data: Counts) -> torch.Tensor:
    """Return the last bias that gives each character its frequency in `data`; one that never comes counts as once."""
    often = data.next_counts.sum(0).clamp_min(1)
    return (often / often.sum()).log().to(like.output_bias).expand_as(like.output_bias)


def single_unit(like: Weights, value: float, lr: float) -> tuple[Weights, LearningRates]:
    """Return a network of one unit and one-dimensional embeddings that equals `constant(like, value)`, and its rates.

    With D dimensions and H units that never differ, one weight u = D w stands for D equal weights w and one v = H o for
    H equal o.  Then u must move D / H times as fast as the gradient by u says, v H times, an embedding 1 / D
    times, and the hidden bias 1 / H times, for the two networks to stay equal (the chapter derives it).
    """
    vocabulary, dimension = like.embedding.shape[1:]
    context, width = like.hidden.shape[1] // dimension, like.hidden.shape[2]
    shapes = ((vocabulary, 1), (context, 1), (1, 1), (1, vocabulary), (1, vocabulary))
    values = (value, dimension * value, value, width * value, value)
    start = [
        like.embedding.new_full((len(like.embedding), *shape), fill) for shape, fill in zip(shapes, values, strict=True)
    ]
    return Weights(*start), LearningRates(lr / dimension, lr * dimension / width, lr / width, lr * width, lr)


def linearised(weights: Weights, lr: LearningRates, size: float = 2.0**-10) -> tuple[Weights, LearningRates]:
    """Return the network without its tanh: pre-activations so small that tanh is the identity, logits as they were.

    The hidden layer shrinks by `size` and the last grows by its inverse; learning rates change with the square of each,
    so that every step is the linear network's.  A power of two makes the scaling exact in floating point.
    """
    start = weights._replace(
        hidden=size * weights.hidden, hidden_bias=size * weights.hidden_bias, output=weights.output / size
    )
    return start, lr._replace(
        hidden=lr.hidden * size**2, hidden_bias=lr.hidden_bias * size**2, output=lr.output / size**2
    )
