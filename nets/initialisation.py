"""Where training may begin: the starts of the names network, made from standard normal draws or from nothing."""

from __future__ import annotations

import torch

from nets.mlp import Rates, Weights
from nets.names import Counts


def good(drawn: Weights) -> Weights:
    """Scale standard normal draws: the hidden layer keeps its signal's spread, and the first logits are small."""
    fan_in, width = drawn.hidden.shape[1:]
    scales = Rates(embedding=1.0, hidden=5 / 3 / fan_in**0.5, hidden_bias=0.0, output=0.1 / width**0.5, output_bias=0.0)
    return Weights(*(scale * kind for scale, kind in zip(scales, drawn, strict=True)))


def small_last(drawn: Weights, size: float) -> Weights:
    """Scale the last layer by `size` and take its bias away, so that the first logits are small; keep all else."""
    return drawn._replace(output=size * drawn.output, output_bias=torch.zeros_like(drawn.output_bias))


def filled(like: Weights, value: float) -> Weights:
    """Give every weight the same value, in the shapes of `like`."""
    return Weights(*(torch.full_like(kind, value) for kind in like))


def scaled(weights: Weights, size: float) -> Weights:
    """Multiply every weight by `size`."""
    return Weights(*(size * kind for kind in weights))


def faint(weights: Weights, size: float, data: Counts) -> Weights:
    """Multiply the layers by `size`; letters stay at full size, and the last bias begins settled."""
    return scaled(weights, size)._replace(embedding=weights.embedding, output_bias=settled_bias(weights, data))


def jittered(weights: Weights, noise: Weights, size: float) -> Weights:
    """Change every weight by a share `size * noise` of itself."""
    return Weights(*(kind * (1 + size * change) for kind, change in zip(weights, noise, strict=True)))


def settled_bias(like: Weights, data: Counts) -> torch.Tensor:
    """Return the last bias that gives each letter its frequency in `data`; one that never comes counts as once."""
    often = data.following.sum(0).clamp_min(1)
    return (often / often.sum()).log().to(like.output_bias).expand_as(like.output_bias)


def single_unit(like: Weights, value: float, rate: float) -> tuple[Weights, Rates]:
    """Return a network of one unit and one-dimensional letters that equals `filled(like, value)`, and its rates.

    With D dimensions and H units that never differ, one weight u = D w stands for D equal weights w and one v = H o for
    H equal o.  Then u must move D / H times as fast as the gradient by u says, v H times, a letter's number 1 / D
    times, and the hidden bias 1 / H times, for the two networks to stay equal (the chapter derives it).
    """
    letters, dimension = like.embedding.shape[1:]
    context, width = like.hidden.shape[1] // dimension, like.hidden.shape[2]
    shapes = ((letters, 1), (context, 1), (1, 1), (1, letters), (1, letters))
    values = (value, dimension * value, value, width * value, value)
    start = [
        like.embedding.new_full((len(like.embedding), *shape), fill) for shape, fill in zip(shapes, values, strict=True)
    ]
    return Weights(*start), Rates(rate / dimension, rate * dimension / width, rate / width, rate * width, rate)


def unbent(weights: Weights, rates: Rates, size: float = 2.0**-10) -> tuple[Weights, Rates]:
    """Return the network without its tanh: pre-activations so small that tanh is the identity, logits as they were.

    The hidden layer shrinks by `size` and the last grows by its inverse; rates change with the square of each, so that
    every step is the linear network's.  A power of two makes the scaling exact in floating point.
    """
    start = weights._replace(
        hidden=size * weights.hidden, hidden_bias=size * weights.hidden_bias, output=weights.output / size
    )
    return start, rates._replace(
        hidden=rates.hidden * size**2, hidden_bias=rates.hidden_bias * size**2, output=rates.output / size**2
    )
