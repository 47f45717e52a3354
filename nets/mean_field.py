"""Signals in random tanh networks of infinite width: how one layer's variance gives the next (Poole et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def gaussian_mean(function: Callable[[np.ndarray], np.ndarray]) -> float:
    """Return E[function(Z)], Z standard normal.

    The trapezoidal rule converges exponentially for smooth functions on the whole line; 0 is a node, so a kink there
    does no harm.  Twelve standard deviations leave out 1e-33.
    """
    z = np.arange(-12 * 128, 12 * 128 + 1) / 128
    return float(np.sum(function(z) * np.exp(-(z**2) / 2)) / (128 * np.sqrt(2 * np.pi)))


def next_variance(variance: float, gain: float) -> float:
    """Return the pre-activations' variance one layer on, at infinite width: gain^2 E[tanh(sqrt(variance) Z)^2]."""
    return gain**2 * gaussian_mean(lambda z: np.tanh(np.sqrt(variance) * z) ** 2)


def gradient_factor(variance: float, gain: float) -> float:
    """Return the factor on the gradient's variance, one layer back: gain^2 E[tanh'(sqrt(variance) Z)^2]."""
    return gain**2 * gaussian_mean(lambda z: np.cosh(np.minimum(np.abs(np.sqrt(variance) * z), 300)) ** -4.0)


def fixed_point_variance(gain: float) -> float:
    """Return the pre-activations' variance that does not change from layer to layer: 0 up to gain 1, positive above."""
    if gain <= 1:
        return 0.0
    low, high = 1e-12, gain**2  # the map is concave and bounded by gain^2: exactly one crossing in between
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if next_variance(middle, gain) > middle else (low, middle)
    return (low + high) / 2


def next_cosine(cosine: float) -> float:
    """Return the cosine between two signals one ReLU layer on, at infinite width (Cho and Saul 2009, degree 1)."""
    angle = np.arccos(cosine)
    return float((np.sin(angle) + (np.pi - angle) * cosine) / np.pi)
