"""Forward and backward pass through a random deep network, layer by layer: measured, and by the law of finite width.

What is followed is the mean square over the units of a layer, divided by that where the signal or the gradient began,
and in logarithms: mean squares multiply from layer to layer, so their logarithms add up, and are what may be averaged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lab.estimate import Estimate
from nets.finite_width import LogFactor

Array = NDArray[np.float64]
Elementwise: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"  # in quotes: naming it must not load torch


class Propagation(NamedTuple):
    """Forward and backward pass of one network at several gains: weights, inputs and the last gradient are the same."""

    inputs: torch.Tensor  # the inputs, [gain, input, unit]
    pre_activations: list[torch.Tensor]  # one a layer, [gain, input, unit]
    activations: list[torch.Tensor]  # likewise
    gradients: list[torch.Tensor]  # with respect to each layer's activations, likewise


def propagate(
    gains: np.ndarray,
    activation: Elementwise,
    derivative: Elementwise,
    *,
    depth: int,
    width: int,
    inputs: int,
    seed: int,
) -> Propagation:
    """Pass standard normal inputs through weights of variance gain^2 / width, and a normal gradient back, in float64.

    `derivative` gives the activation's derivative from the activation itself (of tanh: 1 - s^2).  No biases.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (inputs, width)
    x = torch.randn(shape, generator=generator, dtype=torch.float64).expand(len(gains), *shape)
    scale = torch.tensor(gains)[:, None, None] / width**0.5
    signal, weights, pre_activations, activations = x, [], [], []
    for _ in range(depth):
        weights.append(torch.randn(width, width, generator=generator, dtype=torch.float64))
        pre_activations.append(scale * (signal @ weights[-1]))  # [gain, input, unit]
        signal = activation(pre_activations[-1])
        activations.append(signal)
    gradient = torch.randn(shape, generator=generator, dtype=torch.float64).expand(len(gains), *shape)
    gradients = []  # last layer first
    for weight, signal in zip(reversed(weights), reversed(activations), strict=True):
        gradients.append(gradient)
        gradient = scale * ((gradient * derivative(signal)) @ weight.T)
    return Propagation(x, pre_activations, activations, gradients[::-1])


def relu_derivative(signal: torch.Tensor) -> torch.Tensor:
    """Return ReLU's derivative from its output: 1 where a unit is active, else 0."""
    return (signal > 0).to(signal)


def tanh_derivative(signal: torch.Tensor) -> torch.Tensor:
    """Return tanh's derivative from its output."""
    return 1 - signal**2


def identity(signal: torch.Tensor) -> torch.Tensor:
    """Return the signal: the activation of a linear network."""
    return signal


def mean_squares(layers: list[torch.Tensor]) -> np.ndarray:
    """Return the mean square over units of every input at every layer: [gain, layer, input]."""
    return torch.stack([layer.square().mean(2) for layer in layers], 1).numpy()


def log_mean_squares(found: Propagation) -> tuple[Array, Array]:
    """Return ln of the mean squares of signal and gradient over those where each began: [gain, layer, input] each.

    Minus infinity where nothing is left."""
    began, up, down = mean_squares([found.inputs]), mean_squares(found.activations), mean_squares(found.gradients)
    with np.errstate(divide="ignore"):  # in a narrow ReLU network a layer may have all its units inactive
        return np.log(up / began), np.log(down / down[:, -1:])


def layer_factor(ends: Array, layers: int) -> Estimate:
    """Return what one layer multiplies a mean square by, from what `layers` of them did: ends [seed, input], logarithms."""
    return Estimate.of(np.exp(ends.mean(1) / layers))


def by_layer(up: Array, down: Array, growth: float, law: LogFactor) -> pd.DataFrame:
    """Return mean squares against layer, typical over seeds (geometric mean) with interval, and by theory.

    `up` and `down` are [seed, layer, input]; a layer multiplies mean squares by exp(growth) times a factor of the given law.
    """
    depth = up.shape[1]
    rows = []
    for layer in range(depth):
        row: dict[str, float] = {"layer": layer + 1}
        for name, found, steps in (("signal", up, layer + 1), ("gradient", down, depth - 1 - layer)):
            typical = Estimate.columns(name, found[:, layer].mean(1))
            row |= {column: float(np.exp(value)) for column, value in typical.items()}
            row[f"{name}_predicted"] = float(np.exp(steps * (growth + law.mean)))
        rows.append(row)
    return pd.DataFrame(rows)


def layer_factors(up: Array, down: Array, growth: float, law: LogFactor) -> pd.DataFrame:
    """Return a layer's factor on mean squares, forward and backward: its mean and its typical value by theory, and measured.

    The arguments are those of `by_layer`.
    """
    depth, rows = up.shape[1], []
    for direction, ends, layers in (("signal", up[:, -1], depth), ("gradient", down[:, 0], depth - 1)):
        theory = {"mean": np.exp(growth), "typical": np.exp(growth + law.mean)}
        rows.append({"direction": direction, **theory, **Estimate.columns("factor", np.exp(ends.mean(1) / layers))})
    return pd.DataFrame(rows)


def compare_with_law(ends: Array, layers: int, law: LogFactor) -> dict[str, float]:
    """Compare what became of one input a network, [seed] in logarithms after `layers`, with the law."""
    left = ends[np.isfinite(ends)]
    return {
        "lost": len(ends) - len(left),  # networks in which a layer had all units inactive
        "drift_predicted": law.mean,  # of the logarithm, a layer
        **Estimate.columns("drift", left / layers),
        "std_predicted": float(np.sqrt(layers * law.variance)),  # standard deviation of the logarithm at the end
        "std": float(left.std(ddof=1)),
    }
