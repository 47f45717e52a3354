"""Normalisation over ghost groups: a batch is cut into groups, and each group is its own batch as far as statistics go.

With one group this is batch normalisation; across units instead of examples it is layer normalisation.  What it does to
one example, because of the others in its group, is its jitter; the law of it for normal data is here too.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import gammainccinv, ndtr, roots_hermitenorm

EPSILON = 1e-5  # added to variances, as PyTorch's layers do
EXAMPLES, UNITS = 2, 3  # axes of [seed, group, member, unit] that statistics may run over


class Norm(NamedTuple):
    """How a layer is normalised in training."""

    axis: int | None  # that the statistics run over; None: no normalisation
    size: int = 1  # examples in a group
    imaginary: int = 0  # besides, jitter as in groups of this size, by imaginary mates from a generator; 0: none


def ghost(size: int) -> Norm:
    """Normalise over groups of `size` examples; the whole batch for batch normalisation."""
    return Norm(EXAMPLES, size)


def imaginary(batch: int, size: int) -> Norm:
    """Normalise over the whole batch; then put each value among `size` - 1 imaginary mates, standard normal numbers."""
    return Norm(EXAMPLES, batch, size)


LAYER, NONE = Norm(UNITS), Norm(None)


def grouped(values: torch.Tensor, size: int) -> torch.Tensor:
    """View [seed, batch, unit] as [seed, group, member, unit]."""
    seeds, _, units = values.shape
    return values.view(seeds, -1, size, units)


def standardise(values: torch.Tensor, norm: Norm) -> tuple[torch.Tensor, torch.Tensor]:
    """Take away the mean of [seed, batch, unit] and divide by the standard deviation; return also its inverse.

    The inverse is [seed, group, 1 or member, unit or 1].
    """
    if norm.axis is None:
        return values, values.new_ones(1, 1, 1, 1)
    groups = grouped(values, norm.size)
    centred = groups - groups.mean(norm.axis, keepdim=True)
    inverse = centred.square().mean(norm.axis, keepdim=True).add_(EPSILON).rsqrt_()  # of the biased variance
    return centred.mul_(inverse).flatten(1, 2), inverse


def backward(
    gradient: torch.Tensor, standard: torch.Tensor, inverse: torch.Tensor, norm: Norm, scratch: torch.Tensor
) -> torch.Tensor:
    """Turn the gradient with respect to standardised values into that with respect to values, [seed, batch, unit].

    The statistics move with the values, and so what the gradient has in common with a constant, and with the
    standardised values, is taken out of it.  `gradient` is changed in place.
    """
    if norm.axis is None:
        return gradient
    groups, values = grouped(gradient, norm.size), grouped(standard, norm.size)
    along = grouped(torch.mul(gradient, standard, out=scratch), norm.size).mean(norm.axis, keepdim=True)
    groups.sub_(groups.mean(norm.axis, keepdim=True)).addcmul_(values, along, value=-1).mul_(inverse)
    return gradient


def imaginary_mates(size: int, shape: tuple[int, ...], generator: np.random.Generator) -> torch.Tensor:
    """Draw mean M of `size` - 1 standard normal numbers, and their sum of squares S about it: [2, *shape]."""
    mean = generator.standard_normal(shape) / np.sqrt(size - 1)
    squares = generator.chisquare(size - 2, shape)
    return torch.from_numpy(np.stack([mean, squares]).astype(np.float32))


def joined(values: torch.Tensor, mean: torch.Tensor, squares: torch.Tensor, size: int) -> torch.Tensor:
    """Standardise each value in a group of its own: itself and `size` - 1 mates of this mean and sum of squares.

    With t the value's distance from the group's mean, the group's sum of squares is S + t^2 m / (m - 1).
    """
    distance = (values - mean) * (1 - 1 / size)
    return sqrt(size) * distance * torch.addcmul(squares, distance, distance, value=size / (size - 1)).rsqrt_()


def joined_derivative(values: torch.Tensor, mean: torch.Tensor, squares: torch.Tensor, size: int) -> torch.Tensor:
    """Return the derivative of `joined` with respect to the values."""
    distance = (values - mean) * (1 - 1 / size)
    total = torch.addcmul(squares, distance, distance, value=size / (size - 1))
    return (1 - 1 / size) * sqrt(size) * squares * total.pow_(-1.5)


def jitter_law(size: int) -> float:
    """Return the jitter on normal data in groups of `size`: the standard deviation over mates, rms over examples.

    A value and its mates' M and S are independent, and so quadrature over the three gives the mean over mates.  The
    mean square over everything is 1 in every group, and what of it is not the mean's is the jitter's.  `size` is 3 or
    more: a pair always becomes (-1, 1).
    """
    roots, shares = roots_hermitenorm(64)
    z, weights = torch.from_numpy(roots), torch.from_numpy(shares / shares.sum())
    squares = torch.from_numpy(2 * gammainccinv((size - 2) / 2, ndtr(roots)))  # chi-squared, m - 2 degrees
    values = joined(z[:, None, None], z[:, None] / (size - 1) ** 0.5, squares, size)  # [z, M, S]
    means = (values * weights[:, None] * weights).sum((1, 2))  # no product: its last bits depend on what ran before
    return float((1 - (weights * means**2).sum()).sqrt())
