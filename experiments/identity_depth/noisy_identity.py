"""Linear layers that are the identity and a little noise: how fast they make a signal grow."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def exponents(noise: float, *, depth: int, width: int, inputs: int, seed: int) -> NDArray[np.float64]:
    """Send normal inputs through weights I + noise G / sqrt(width), G standard normal; the growth of ln(RMS) a layer.

    One number for each input.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(inputs, width, generator=generator, dtype=torch.float64)
    signal = x
    for _ in range(depth):
        perturbation = torch.randn(width, width, generator=generator, dtype=torch.float64)
        signal = signal + noise / width**0.5 * (signal @ perturbation)  # [input, unit]
    growth: NDArray[np.float64] = (signal.norm(dim=1) / x.norm(dim=1)).log().div(depth).numpy()
    return growth


def exponent(noise: float, width: int) -> float:
    """Predict it, to first order in 1 / width.

    A layer's factor on the squared length is (1 + noise z)^2 plus noise^2 times chi-squared over width, with z normal of
    variance 1 / width: its mean is m = 1 + noise^2, its variance v = (4 noise^2 + 2 noise^4) / width, and the mean of
    its logarithm ln m - v / 2 m^2.
    """
    mean = 1 + noise**2
    return float(np.log(mean) - (2 * noise**2 + noise**4) / (width * mean**2)) / 2
