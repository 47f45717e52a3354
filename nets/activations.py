"""Activations of a hidden layer, each with its derivative and where that is largest.

The slope is taken from the output, so that a unit's gradient is zero exactly where its output says so.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from nets.signal_propagation import Elementwise, relu_slope, tanh_slope

LEAK = 0.01  # slope of leaky ReLU below zero: PyTorch's


class Activation(NamedTuple):
    """An activation, its derivative, and where among many examples that is largest."""

    bend: Elementwise  # may write over what it is given
    slope: Elementwise  # from the output
    liveliest: Elementwise  # pre-activations [example, unit] to the one of each unit whose slope is the largest, [unit]


def relu(inner: torch.Tensor) -> torch.Tensor:
    """Return ReLU of the pre-activations."""
    return torch.relu(inner)


def tanh(inner: torch.Tensor) -> torch.Tensor:
    """Return tanh of the pre-activations."""
    return torch.tanh(inner)


def leaky(inner: torch.Tensor) -> torch.Tensor:
    """Return leaky ReLU of the pre-activations."""
    return torch.maximum(inner, LEAK * inner)


def leaky_slope(signal: torch.Tensor) -> torch.Tensor:
    """Return leaky ReLU's derivative from its output: 1 where a unit is on, `LEAK` where it is off."""
    return (signal > 0).to(signal).mul_(1 - LEAK).add_(LEAK)


def tanh_in_place(inner: torch.Tensor) -> torch.Tensor:
    """Turn the pre-activations into their tanh."""
    return inner.tanh_()


def tanh_slope_at_once(signal: torch.Tensor) -> torch.Tensor:
    """Return tanh's derivative from its output in one pass, which rounds once where `tanh_slope` rounds twice."""
    return torch.addcmul(signal.new_ones(()), signal, signal, value=-1)


def largest(inner: torch.Tensor) -> torch.Tensor:
    """Return the largest over the examples: [unit]."""
    return inner.amax(0)


def nearest_zero(inner: torch.Tensor) -> torch.Tensor:
    """Return the smallest in size over the examples, without its sign: [unit]."""
    return inner.abs().amin(0)


RELU = Activation(relu, relu_slope, largest)
LEAKY = Activation(leaky, leaky_slope, largest)
TANH = Activation(tanh, tanh_slope, nearest_zero)
FAST_TANH = Activation(tanh_in_place, tanh_slope_at_once, nearest_zero)  # the same but for last bits
