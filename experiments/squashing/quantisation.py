"""How many bits of a normal signal are left when an activation function is applied and its output has few levels.

The functions are monotone, so the signal that lands in one level is the signal between the two inputs that map to the
level's edges: every probability is a difference of two values of the normal distribution, and no sampling is needed.
Quantised output is a function of the signal, so its entropy is the information that it keeps about the signal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from nets.mean_field import gaussian_mean

Array = NDArray[np.float64]


class Squashing(NamedTuple):
    """An activation function onto (-1, 1), so that all share one set of levels, and its inverse."""

    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]


ACTIVATIONS = {
    "tanh": Squashing(np.tanh, np.arctanh),
    "sigmoid": Squashing(lambda x: 2 * expit(x) - 1, lambda y: 2 * np.arctanh(y)),
    "clip": Squashing(lambda x: np.clip(x, -1, 1), lambda y: y),
}


def entropy(probabilities: Array) -> float:
    """Return the entropy in bits; levels that never occur add nothing."""
    seen = probabilities[probabilities > 0]
    return float(-np.sum(seen * np.log2(seen)))


def bits(inverse: Callable[[Array], Array], std: float, levels: int) -> float:
    """Return the entropy, in bits, of an activation of a normal signal in `levels` equal cells over (-1, 1).

    `inverse` gives the input that the function maps to an output; the signal has mean 0 and standard deviation `std`.
    Outputs beyond -1 or 1 count with the outermost cells.
    """
    inside = np.concatenate([[-np.inf], inverse(_edges(levels)) / std, [np.inf]])
    # From the nearer tail: above 0, ndtr is close to 1 and its differences would be rounding.
    left, right = inside[:-1], inside[1:]
    return entropy(np.where(left > 0, ndtr(-left) - ndtr(-right), ndtr(right) - ndtr(left)))


def counted_bits(outputs: Array, levels: int) -> float:
    """Return the entropy, in bits, of the outputs [sample] as they fall into `levels` equal cells over (-1, 1).

    A finite sample makes it too small by about (levels - 1) / (2 ln 2 samples).
    """
    cells = np.clip((outputs + 1) * (levels / 2), 0, levels - 1).astype(np.int64)
    return entropy(np.bincount(cells, minlength=levels) / len(outputs))


def measure_bits(
    stds: Sequence[float], levels: int, samples: int, seeds: Iterable[int]
) -> dict[tuple[str, float], Array]:
    """Count the bits that each function keeps of a sampled normal signal, by function and standard deviation: [seed]."""
    found: dict[tuple[str, float], list[float]] = {}
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        signal = torch.randn(samples, generator=generator, dtype=torch.float64).numpy()
        for name, function in ACTIVATIONS.items():
            for std in stds:
                kept = counted_bits(function.forward(std * signal), levels)
                found.setdefault((name, std), []).append(kept)
    return {key: np.array(kept) for key, kept in found.items()}


def repeated_bits(gain: float, squashings: int, levels: int) -> float:
    """Return the bits of a standard normal signal after tanh(gain x) has been applied `squashings` times."""

    def inverse(y: Array) -> Array:
        with np.errstate(divide="ignore"):  # no input reaches 1: what would lie beyond the output is infinitely far
            for _ in range(squashings):
                y = np.arctanh(np.clip(y, -1, 1)) / gain
        return y

    return bits(inverse, 1.0, levels)


def many_levels_bits(std: float, levels: int) -> float:
    """Return the bits of tanh of a normal signal in the limit of many levels.

    Entropy of the signal, plus the mean logarithm of the derivative, minus the logarithm of a cell's width.
    """
    return float(
        np.log2(levels / 2)
        + np.log2(std * np.sqrt(2 * np.pi * np.e))
        - 2 * gaussian_mean(lambda z: _log_cosh(std * z)) / np.log(2)
    )


def curve(stds: Array, levels: int) -> pd.DataFrame:
    """Tabulate the bits that each function keeps, and tanh in the limit of many levels: a row a standard deviation."""
    kept = {name: [bits(function.inverse, std, levels) for std in stds] for name, function in ACTIVATIONS.items()}
    return pd.DataFrame({"std": stds, **kept, "many_levels": [many_levels_bits(std, levels) for std in stds]})


def best_std() -> float:
    """Return the standard deviation s at which `many_levels_bits` is largest: the solution of 2 s^2 E[tanh'(s Z)] = 1."""
    low, high = 0.1, 10.0  # the left side grows with s
    for _ in range(60):
        middle = (low + high) / 2
        derivative = gaussian_mean(lambda z, std=middle: np.cosh(std * z) ** -2.0)  # type: ignore[misc]
        low, high = (middle, high) if 2 * middle**2 * derivative < 1 else (low, middle)
    return (low + high) / 2


def _edges(levels: int) -> Array:
    return np.linspace(-1, 1, levels + 1)[1:-1]  # between the cells


def _log_cosh(x: Array) -> Array:
    return np.asarray(np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - np.log(2))  # cosh itself overflows above 710
