"""A signal on its way up through a random deep network, and a gradient on its way down."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import torch

Elementwise: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"  # in quotes: naming it must not load torch


class Passage(NamedTuple):
    """What one network does to its inputs at several gains: the weights, the inputs and the gradient are the same."""

    entered: torch.Tensor  # the inputs, [gain, input, unit]
    before: list[torch.Tensor]  # pre-activations, a layer each, [gain, input, unit]
    after: list[torch.Tensor]  # activations, likewise
    gradients: list[torch.Tensor]  # of the loss by each layer's activations, likewise


def passage(
    gains: np.ndarray, activation: Elementwise, slope: Elementwise, *, depth: int, width: int, inputs: int, seed: int
) -> Passage:
    """Send standard normal inputs up through weights of variance gain^2 / width, and a normal gradient down, in float64.

    `slope` gives the activation's derivative from the activation itself (of tanh: 1 - s^2).  No biases.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (inputs, width)
    entered = torch.randn(shape, generator=generator, dtype=torch.float64).expand(len(gains), *shape)
    scale = torch.tensor(gains)[:, None, None] / width**0.5
    signal, weights, before, after = entered, [], [], []
    for _ in range(depth):
        weights.append(torch.randn(width, width, generator=generator, dtype=torch.float64))
        before.append(scale * (signal @ weights[-1]))  # [gain, input, unit]
        signal = activation(before[-1])
        after.append(signal)
    gradient = torch.randn(shape, generator=generator, dtype=torch.float64).expand(len(gains), *shape)
    gradients = []  # last layer first
    for weight, signal in zip(reversed(weights), reversed(after), strict=True):
        gradients.append(gradient)
        gradient = scale * ((gradient * slope(signal)) @ weight.T)
    return Passage(entered, before, after, gradients[::-1])


def relu_slope(signal: torch.Tensor) -> torch.Tensor:
    """Return ReLU's derivative from its output: 1 where a unit is on, 0 where it is off."""
    return (signal > 0).to(signal)


def tanh_slope(signal: torch.Tensor) -> torch.Tensor:
    """Return tanh's derivative from its output."""
    return 1 - signal**2


def itself(signal: torch.Tensor) -> torch.Tensor:
    """Return the signal: the activation of a linear network."""
    return signal


def mean_squares(layers: list[torch.Tensor]) -> np.ndarray:
    """Return the mean square over units of every input at every layer: [gain, layer, input]."""
    return torch.stack([layer.square().mean(2) for layer in layers], 1).numpy()
