"""What the first step of training meets in a deep tanh network: the signal at the top and the gradient at the bottom.

Theory is for infinite width: `nets.mean_field` with another recursion for each way to build the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import brentq

from experiments.forgiving.gain_sweep import Size
from lab.estimate import Estimate
from nets import deep_tanh, mean_field
from nets.deep_tanh import Architecture, Network


class AtInitialisation(NamedTuple):
    """Root mean squares, or their logarithms, or arrays of either."""

    signal: float | np.ndarray  # of what the last layer sees
    gradient: (
        float | np.ndarray
    )  # of the loss with respect to the first hidden layer's output, over that by the last one's


def predicted(gain: float, depth: int, architecture: Architecture) -> AtInitialisation:
    """Return both by theory, for embeddings of unit variance."""
    if architecture.norm.axis is not None:  # pre-activations of unit variance, whatever the gain
        square = mean_field.next_variance(1, 1)
        return AtInitialisation(square**0.5, (mean_field.gradient_factor(1, 1) / square) ** ((depth - 1) / 2))
    square, growth = (
        mean_field.next_variance(gain**2, 1),
        0.0,
    )  # mean square after the first layer; ln of the gradient's
    for _ in range(depth - 1):
        factor = mean_field.gradient_factor(gain**2 * square, gain)
        added = mean_field.next_variance(gain**2 * square, 1)
        square = square + added if architecture.residual else added
        growth += float(np.log(1 + factor if architecture.residual else factor))
    return AtInitialisation(square**0.5, float(np.exp(growth / 2)))


def measured(network: Network, x: torch.Tensor, y: torch.Tensor, architecture: Architecture) -> AtInitialisation:
    """Return both as found with a batch x [example, context], y [example]: logarithms, [member] each."""
    forward = deep_tanh.forward(network, x, architecture)
    _, gradients = deep_tanh.backward(network, forward, x, y, architecture)
    last, first, signal = (
        values.double().square().mean((1, 2)).log().numpy() / 2
        for values in (gradients[-1], gradients[1], forward.inputs[-2])
    )
    return AtInitialisation(signal, first - last)


def by_gain(
    architecture: Architecture,
    size: Size,
    seeds: Sequence[int],
    gains: Sequence[float],
    batch: tuple[torch.Tensor, torch.Tensor],
) -> list[dict[str, float]]:
    """Return both by theory and measured, geometric means over seeds with intervals, a row a gain; `batch` is x and y."""
    networks = (deep_tanh.init(seed, gains, size.depth, size.width, architecture) for seed in seeds)
    found = [measured(network, *batch, architecture) for network in networks]
    rows = []
    for place, gain in enumerate(gains):
        row = {"gain": gain}
        for kind, theory in predicted(gain, size.depth, architecture)._asdict().items():
            typical = Estimate.columns(kind, [np.asarray(getattr(one, kind))[place] for one in found])
            row |= {column: float(np.exp(value)) for column, value in typical.items()}
            row[f"{kind}_predicted"] = float(theory)
        rows.append(row)
    return rows


def least_gain(depth: int, lr: float, steps: int) -> float:
    """Return the gain at which all steps together just move the weights of a plain network of small gain.

    Its layers multiply the gradient by about the gain each, so that `steps` steps do lr * steps * gain^depth.
    """
    return float((lr * steps) ** (-1 / depth))


def largest_gain(depth: int, lr: float) -> float:
    """Return the gain at which a single step of a plain network undoes itself: lr times the gradient's growth is 1.

    The loss's curvature grows with the square of the gradient, and a step of more than 2 over the curvature overshoots.
    """
    return float(
        brentq(lambda gain: np.log(lr) + 2 * np.log(predicted(gain, depth, Architecture()).gradient), 0.5, 100)
    )
