"""Linear layers that are a multiple of the identity, against powers computed as fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

INPUT = (1.0, -2.0)  # and the gradient with respect to the last layer is 1 for both units


def errors(factor: float, depth: int) -> NDArray[np.float64]:
    """Return the largest relative error of signal and gradient after 1 to `depth` layers, in float64: [2, layers]."""
    weights = factor * torch.eye(2, dtype=torch.float64)
    signals = [torch.tensor([INPUT], dtype=torch.float64, requires_grad=True)]
    for _ in range(depth):
        signals.append(signals[-1] @ weights)
    gradients = torch.autograd.grad(signals[-1].sum(), signals)
    passed = range(1, depth + 1)
    forward = [_error(signals[layers], Fraction(factor) ** layers, INPUT) for layers in passed]
    backward = [_error(gradients[depth - layers], Fraction(factor) ** layers, (1.0, 1.0)) for layers in passed]
    return np.array([forward, backward])


def _error(values: torch.Tensor, power: Fraction, inputs: tuple[float, ...]) -> float:
    wanted = [power * Fraction(start) for start in inputs]
    return max(abs(float(Fraction(value) / want - 1)) for value, want in zip(values[0].tolist(), wanted, strict=True))
