"""Initialisations that only this question needs: everything scaled, layers scaled, noise, and a single unit."""

from __future__ import annotations

from nets.initialisation import unigram_bias
from nets.mlp import LearningRates, Weights
from nets.names import Counts


def scaled(weights: Weights, size: float) -> Weights:
    """Multiply every weight by `size`."""
    return Weights(*(size * tensor for tensor in weights))


def small_layers(weights: Weights, size: float, counts: Counts) -> Weights:
    """Multiply the layers by `size`; embeddings keep their size, and the last bias starts at the log frequencies."""
    return scaled(weights, size)._replace(embedding=weights.embedding, output_bias=unigram_bias(weights, counts))


def perturbed(weights: Weights, noise: Weights, size: float) -> Weights:
    """Change every weight by a share `size * noise` of itself."""
    return Weights(*(tensor * (1 + size * change) for tensor, change in zip(weights, noise, strict=True)))


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
