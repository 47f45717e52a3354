"""How deep a chain of equal layers may be before floating point has no number for its signal: predicted, and found."""

from __future__ import annotations

import math
from fractions import Fraction

import torch


def powers(factor: float, dtype: torch.dtype, width: int = 2) -> list[float]:
    """Send 1 through layers of `factor` times the identity until nothing changes; the value after each layer."""
    weights = factor * torch.eye(width, dtype=dtype)
    signal = torch.ones(1, width, dtype=dtype)
    values = [1.0]
    while True:
        signal = signal @ weights
        values.append(float(signal[0, 0]))
        if values[-1] == values[-2] or values[-1] == 0 or math.isinf(values[-1]):
            return values


def first(values: list[float], *, above: float = math.inf, below: float = -math.inf) -> float:
    """Return the first layer whose value is above or below a line; nan if there is none."""
    return next((float(layer) for layer, value in enumerate(values) if value > above or value < below), math.nan)


def smallest(dtype: torch.dtype) -> float:
    """Return the smallest positive number, a subnormal."""
    return torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps


def overflow_layer(factor: float, dtype: torch.dtype) -> float:
    """Predict the first layer beyond the largest number, for a factor above 1."""
    _, doublings = math.frexp(torch.finfo(dtype).max)  # the largest number rounds to 2^doublings and lies just below it
    return float(math.ceil(doublings / _doublings(factor, dtype)))


def subnormal_layer(factor: float, dtype: torch.dtype) -> float:
    """Predict the first layer below the smallest number of full precision, for a factor below 1."""
    return math.floor(math.log2(torch.finfo(dtype).tiny) / _doublings(factor, dtype)) + 1.0


def zero_layer(factor: float, dtype: torch.dtype) -> float:
    """Predict the first layer at 0, for 1/2, 1/4 and so on; nan above 1/2, where rounding up keeps it from 0 for ever."""
    if factor > 0.5:
        return math.nan
    # Half of the smallest number is rounded to the even neighbour, which is 0.
    return float(math.ceil((math.log2(smallest(dtype)) - 1) / _doublings(factor, dtype)))


def fixed_point(factor: float, dtype: torch.dtype) -> int:
    """Predict at which value a shrinking signal stays, in units of the smallest positive number.

    k units times the factor are rounded back to k if less than half a unit is lost, or just half and k is even.
    """
    lost = 1 - Fraction(_as_stored(factor, dtype))  # of one unit, by one layer
    k = math.floor(Fraction(1, 2) / lost)
    return k - 1 if k * lost == Fraction(1, 2) and k % 2 else k


def _doublings(factor: float, dtype: torch.dtype) -> float:
    return math.log2(_as_stored(factor, dtype))  # a layer


def _as_stored(factor: float, dtype: torch.dtype) -> float:
    return torch.tensor(factor, dtype=dtype).item()


def events(factor: float, dtype: torch.dtype) -> dict[str, float]:
    """Compare what becomes of 1 in a chain of layers with what was predicted; nan for what does not happen.

    Layers of overflow, of the first subnormal number and of zero, and the fixed point in units of the smallest number.
    """
    values = powers(factor, dtype)
    growing = factor > 1
    return {
        "overflow_predicted": overflow_layer(factor, dtype) if growing else math.nan,
        "overflow": first(values, above=torch.finfo(dtype).max),
        "subnormal_predicted": math.nan if growing else subnormal_layer(factor, dtype),
        "subnormal": first(values, below=torch.finfo(dtype).tiny),
        "zero_predicted": math.nan if growing else zero_layer(factor, dtype),
        "zero": first(values, below=smallest(dtype)),
        "fixed_point_predicted": math.nan if growing else float(fixed_point(factor, dtype)),
        "fixed_point": math.nan if growing else values[-1] / smallest(dtype),
    }
