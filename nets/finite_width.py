"""What one layer of finite width does to the length of a signal: the exact law of its logarithm.

A layer of n units with weights of variance c / n multiplies the squared length of its input by a random factor, which
does not depend on the input, since a sum of normal weights is normal; and the layers' factors are independent of each other.  Lengths
thus multiply up like a product of independent numbers, and their logarithms add up like a sum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, gammaln, polygamma


class LogFactor(NamedTuple):
    """Mean and variance of the logarithm of a layer's factor on the squared length, whose own mean is 1."""

    mean: float
    variance: float


def linear_layer(width: int) -> LogFactor:
    """Weights of variance 1 / n and no activation: the factor is chi-squared with n degrees of freedom, over n."""
    return LogFactor(float(digamma(width / 2) + np.log(2 / width)), float(polygamma(1, width / 2)))


def relu_layer(width: int) -> LogFactor:
    """Weights of variance 2 / n and ReLU: chi-squared with as many degrees of freedom as active units, times 2 / n.

    Each unit is active with probability 1/2.  That none is, one chance in 2^n, would end the signal and has no logarithm:
    the numbers are for the rest.
    """
    active = np.arange(1, width + 1)
    chance = np.exp(gammaln(width + 1) - gammaln(active + 1) - gammaln(width - active + 1) - width * np.log(2))
    chance /= chance.sum()
    means = digamma(active / 2) + np.log(4 / width)
    mean = float(chance @ means)
    return LogFactor(mean, float(chance @ (polygamma(1, active / 2) + (means - mean) ** 2)))
