"""The gradient in a deep random network with batch norm before every activation, and what theory says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nets.mean_field import fixed_point_variance, gaussian_mean, gradient_factor

Array = NDArray[np.float64]


class Activation(NamedTuple):
    """An activation function, its derivative, and the gain that suits it without batch norm."""

    layer: Callable[[], nn.Module]
    function: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    gain: float
    plain_growth: float  # what a layer then does to the gradient's mean square, at infinite width and depth


def activations() -> dict[str, Activation]:
    """Return the activations tried, by name."""
    # At its kink ReLU has the derivative whose square is the mean of those on both sides, as quadrature wants it.
    tanh_growth = gradient_factor(fixed_point_variance(5 / 3), 5 / 3)
    return {
        "ReLU": Activation(nn.ReLU, lambda z: np.maximum(z, 0.0), lambda z: np.heaviside(z, 0.5**0.5), 2**0.5, 1.0),
        "tanh": Activation(nn.Tanh, np.tanh, lambda z: np.cosh(z) ** -2.0, 5 / 3, tanh_growth),
        "linear": Activation(nn.Identity, lambda z: z, np.ones_like, 1.0, 1.0),
    }


def growth(activation: Activation) -> float:
    """Return the factor on the gradient's mean square, one layer back, for infinite width and batch: no gain in it.

    It is E[f'(Z)^2] / Var f(Z), Z standard normal.  By Poincaré's inequality it is 1 for a straight line, and above 1
    for every other activation.
    """
    slope = gaussian_mean(lambda z: activation.derivative(z) ** 2)
    variance = gaussian_mean(lambda z: activation.function(z) ** 2) - gaussian_mean(activation.function) ** 2
    return slope / variance


def deep_network(depth: int, width: int, gain: float, activation: Callable[[], nn.Module], norm: bool) -> nn.ModuleList:
    """Make random layers whose weights have a standard deviation of gain / sqrt(width)."""
    layers = nn.ModuleList()
    for _ in range(depth):
        linear = nn.Linear(width, width, bias=False)
        nn.init.normal_(linear.weight, std=gain / width**0.5)
        layers.append(nn.Sequential(linear, nn.BatchNorm1d(width) if norm else nn.Identity(), activation()))
    return layers


def gradient_rms(layers: nn.ModuleList, x: torch.Tensor) -> list[float]:
    """Send a random gradient back from the last layer; return its RMS at every layer's output."""
    outputs = []
    for layer in layers:
        x = layer(x)
        outputs.append(x)
    gradients = torch.autograd.grad(x, outputs, torch.randn_like(x))
    return [gradient.square().mean().sqrt().item() for gradient in gradients]
