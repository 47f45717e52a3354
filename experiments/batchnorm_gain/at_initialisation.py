"""What the first step of training meets: the signal at the last hidden layer and the gradient at the first.

Theory is for infinite width, `nets.mean_field`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from nets import deep_tanh
from nets.deep_tanh import Architecture
from nets.mean_field import gradient_factor, next_variance

Array = NDArray[np.float64]


def measured(
    architecture: Architecture,
    depth: int,
    width: int,
    gains: Sequence[float],
    seed: int,
    batch: tuple[torch.Tensor, torch.Tensor],
) -> tuple[Array, Array]:
    """Return the RMS of the last hidden layer's activations, and the growth of the gradient's RMS: [gain] each.

    The growth is that from the last hidden layer's activations back to the first's; `batch` is x and y.
    """
    network = deep_tanh.init(seed, gains, depth, width, architecture)
    passed = deep_tanh.forward(network, batch[0], architecture)
    _, gradients = deep_tanh.backward(network, passed, *batch, architecture)
    last, first, signal = (
        values.double().square().mean((1, 2)).sqrt().numpy()
        for values in (gradients[-1], gradients[1], passed.inputs[-2])
    )
    return signal, first / last


def predicted(normed: bool, depth: int, gain: float) -> tuple[float, float]:
    """Return both by theory, for embeddings of unit variance."""
    if normed:  # pre-activations of unit variance, whatever the gain
        square = next_variance(1, 1)
        return square**0.5, (gradient_factor(1, 1) / square) ** ((depth - 1) / 2)
    variance, growth = gain**2, 1.0
    for _ in range(depth - 1):
        variance = next_variance(variance, gain)
        growth *= gradient_factor(variance, gain)
    return next_variance(variance, 1) ** 0.5, growth**0.5
