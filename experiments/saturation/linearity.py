"""How far a tanh layer is from linear, how much of it is saturated, and what gradient gets through it.

Measured on the names network, and expected for normal pre-activations of standard deviation `scale` (up to 100, where
the bend of tanh is as narrow as the quadrature's step).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import ndtr

from nets import mlp
from nets.mean_field import gaussian_mean, gradient_factor
from nets.mlp import Weights

Array = NDArray[np.float64]


class Gradients(NamedTuple):
    """Root mean square over examples and places of one example's gradient, as it comes down: [seed] each."""

    activations: torch.Tensor  # by the hidden activations
    inner: torch.Tensor  # by the pre-activations: what the hidden weights learn from
    inputs: torch.Tensor  # by the embedded letters, times sqrt(fan-in / width): 1 if the weights alone keep the spread


def saturated(weights: Weights, x: torch.Tensor, beyond: float) -> torch.Tensor:
    """Return the share of activations beyond ±`beyond` over units and examples `x` [example, context]: [seed]."""
    return (mlp.hidden(weights, x).abs() > beyond).double().mean((1, 2))


def departure(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Return the share of the hidden units' variance that no linear map of their inputs explains: [seed].

    Least squares with an intercept, all units together, over examples `x` [example, context]; in float64, because a
    nearly linear layer leaves a millionth.
    """
    found = []
    for seed in range(len(weights.embedding)):
        alone = Weights(*(kind[seed].double() for kind in weights))
        inputs = alone.embedding[x].flatten(1)  # [example, input]
        hidden = torch.tanh(inputs @ alone.hidden + alone.hidden_bias)  # [example, unit]
        inputs, hidden = inputs - inputs.mean(0), hidden - hidden.mean(0)
        explained = inputs @ torch.linalg.lstsq(inputs, hidden, driver="gelsd").solution
        found.append((hidden - explained).square().sum() / hidden.square().sum())
    return torch.stack(found)


def gradients(weights: Weights, x: torch.Tensor, y: torch.Tensor) -> Gradients:
    """Follow each example's gradient down from the loss, over examples `x` [example, context] and `y` [example]."""
    hidden = mlp.hidden(weights, x)  # [seed, example, unit]
    error = torch.softmax(torch.baddbmm(weights.output_bias, hidden, weights.output), 2)
    error[:, torch.arange(len(y)), y] -= 1
    activations = error @ weights.output.mT
    inner = activations * (1 - hidden.square())
    inputs = inner @ weights.hidden.mT  # [seed, example, input]
    fan_in, width = weights.hidden.shape[1:]
    return Gradients(_spread(activations), _spread(inner), _spread(inputs) * (fan_in / width) ** 0.5)


def expected_saturated(scale: float, beyond: float) -> float:
    """Return the share of tanh(scale Z) beyond ±`beyond`, Z standard normal."""
    return float(2 * ndtr(-np.arctanh(beyond) / scale))


def expected_departure(scale: float) -> float:
    """Return the share of the variance of tanh(scale Z) that is not linear in Z, Z standard normal.

    The best linear fit has the mean slope, E[tanh'(scale Z)] (Stein), whatever normal inputs Z is made of.
    """
    slope = gaussian_mean(lambda z: np.cosh(np.minimum(np.abs(scale * z), 300)) ** -2.0)
    # tanh u - slope u is integrated rather than the difference of two integrals, which would be all rounding below 0.01.
    left = gaussian_mean(lambda z: (np.tanh(scale * z) - slope * scale * z) ** 2)
    return left / gaussian_mean(lambda z: np.tanh(scale * z) ** 2)


def expected_inner(scale: float) -> float:
    """Return the factor by which tanh shrinks the spread of a gradient: sqrt(E[tanh'(scale Z)^2])."""
    return expected_inputs(scale) / scale


def expected_inputs(scale: float) -> float:
    """Return the factor by which tanh and weights of spread scale / sqrt(n) change the spread of a gradient."""
    return float(np.sqrt(gradient_factor(scale**2, scale)))


def expected(scales: Array, beyond: float) -> pd.DataFrame:
    """Tabulate what is expected: a row a scale."""
    columns = {
        "saturated": [expected_saturated(scale, beyond) for scale in scales],
        "departure": [expected_departure(scale) for scale in scales],
        "inner": [expected_inner(scale) for scale in scales],
        "inputs": [expected_inputs(scale) for scale in scales],
    }
    return pd.DataFrame({"scale": scales, **columns})


def _spread(values: torch.Tensor) -> torch.Tensor:
    return values.double().square().mean((1, 2)).sqrt()
