"""Are the units of a layer different from each other?  Three measures of an ensemble's hidden units.

All take activations [seed, example, unit] and return one number a seed.  They work in float64, so that what they add to
float32 activations lies far below the tolerance.
"""

from __future__ import annotations

import torch

TOLERANCE = 1e-3
"""Relative difference below which two units count as one, and a direction as absent.

Why right answers pass: equal units computed in float32 differ by some 1e-7, and by 1e-6 after summing over hundreds of
examples.  Why wrong ones fail: randomly initialised units differ by about 1.  What is dropped carries less than a millionth
(the square) of the layer's variance.
"""


def relative_distance(hidden: torch.Tensor) -> torch.Tensor:
    """Return how far the farthest unit lies from the average unit, over the units' root-mean-square length."""
    hidden = hidden.double()
    length = hidden.square().sum(1).mean(1).sqrt()
    farthest = (hidden - hidden.mean(2, keepdim=True)).square().sum(1).amax(1).sqrt()
    return farthest / length.clamp_min(1e-300)  # a layer of zeros: 0


def distinct_units(hidden: torch.Tensor, tolerance: float = TOLERANCE) -> torch.Tensor:
    """Count the units that differ from every unit before them by more than `tolerance` of the longer one's length."""
    products = _products(hidden)
    squared = products.diagonal(dim1=1, dim2=2)
    between = (squared[:, :, None] + squared[:, None] - 2 * products).clamp_min(0)  # squared distance
    twins = between <= tolerance**2 * torch.maximum(squared[:, :, None], squared[:, None])
    return (~twins.tril(-1).any(2)).sum(1)


def numerical_rank(hidden: torch.Tensor, tolerance: float = TOLERANCE) -> torch.Tensor:
    """Count the singular values of the activations above `tolerance` times the largest: directions the layer uses."""
    values: torch.Tensor = torch.linalg.eigvalsh(_products(hidden)).clamp_min(0).sqrt()  # ascending
    return ((values > tolerance * values[:, -1:]) & (values > 0)).sum(1)


def _products(hidden: torch.Tensor) -> torch.Tensor:
    hidden = hidden.double()
    return hidden.mT @ hidden  # [seed, unit, unit]
