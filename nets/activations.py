"""Activations of a hidden layer, each with its derivative and where that is largest.

The derivative is computed from the output, so that a unit's gradient is zero exactly where its output says so.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from nets.signal_propagation import Elementwise, relu_derivative, tanh_derivative

NEGATIVE_SLOPE = 0.01  # of leaky ReLU below zero, as in PyTorch


class Activation(NamedTuple):
    """An activation, its derivative, and where among many examples that is largest."""

    function: Elementwise  # may write over what it is given
    derivative: Elementwise  # from the output
    steepest: Elementwise  # pre-activations [example, unit] to those at which each unit's derivative is largest, [unit]


def relu(pre: torch.Tensor) -> torch.Tensor:
    """Return ReLU of the pre-activations."""
    return torch.relu(pre)


def tanh(pre: torch.Tensor) -> torch.Tensor:
    """Return tanh of the pre-activations."""
    return torch.tanh(pre)


def leaky_relu(pre: torch.Tensor) -> torch.Tensor:
    """Return leaky ReLU of the pre-activations."""
    return torch.maximum(pre, NEGATIVE_SLOPE * pre)


def leaky_relu_derivative(output: torch.Tensor) -> torch.Tensor:
    """Return leaky ReLU's derivative from its output: 1 where the unit is active, else `NEGATIVE_SLOPE`."""
    return (output > 0).to(output).mul_(1 - NEGATIVE_SLOPE).add_(NEGATIVE_SLOPE)


def tanh_in_place(pre: torch.Tensor) -> torch.Tensor:
    """Turn the pre-activations into their tanh."""
    return pre.tanh_()


def tanh_derivative_fused(output: torch.Tensor) -> torch.Tensor:
    """Return tanh's derivative from its output in one pass, which rounds once where `tanh_derivative` rounds twice."""
    return torch.addcmul(output.new_ones(()), output, output, value=-1)


def largest(pre: torch.Tensor) -> torch.Tensor:
    """Return the largest over the examples: [unit]."""
    return pre.amax(0)


def nearest_zero(pre: torch.Tensor) -> torch.Tensor:
    """Return the smallest in size over the examples, without its sign: [unit]."""
    return pre.abs().amin(0)


RELU = Activation(relu, relu_derivative, largest)
LEAKY_RELU = Activation(leaky_relu, leaky_relu_derivative, largest)
TANH = Activation(tanh, tanh_derivative, nearest_zero)
FAST_TANH = Activation(tanh_in_place, tanh_derivative_fused, nearest_zero)  # the same but for last bits
