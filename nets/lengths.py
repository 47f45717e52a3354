"""How the lengths of signals and gradients change from layer to layer: measured, and by the law of finite width.

Lengths are mean squares over the units of a layer, divided by that where the signal or the gradient began, and in
logarithms: they multiply from layer to layer, so their logarithms add up, and are what may be averaged.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab.estimate import Estimate
from nets.finite_width import Logarithm
from nets.interval import interval
from nets.signal_propagation import Passage, mean_squares

Array = NDArray[np.float64]


def logarithms(found: Passage) -> tuple[Array, Array]:
    """Return ln of the lengths of signal and gradient, each [gain, layer, input]; minus infinity where nothing is left."""
    began, up, down = mean_squares([found.entered]), mean_squares(found.after), mean_squares(found.gradients)
    with np.errstate(divide="ignore"):  # in a narrow ReLU network a layer may have all its units off
        return np.log(up / began), np.log(down / down[:, -1:])


def factor(ends: Array, layers: int) -> Estimate:
    """Return what one layer multiplies a length by, from what `layers` of them did: ends [seed, input], logarithms."""
    return Estimate.of(np.exp(ends.mean(1) / layers))


def course(up: Array, down: Array, growth: float, law: Logarithm) -> pd.DataFrame:
    """Return lengths against layer, typical over seeds (geometric mean) with interval, and by theory.

    `up` and `down` are [seed, layer, input]; a layer multiplies lengths by exp(growth) times a factor of the given law.
    """
    depth = up.shape[1]
    rows = []
    for layer in range(depth):
        row: dict[str, float] = {"layer": layer + 1}
        for name, found, steps in (("signal", up, layer + 1), ("gradient", down, depth - 1 - layer)):
            typical = interval(name, found[:, layer].mean(1))
            row |= {column: float(np.exp(value)) for column, value in typical.items()}
            row[f"{name}_predicted"] = float(np.exp(steps * (growth + law.mean)))
        rows.append(row)
    return pd.DataFrame(rows)


def factors(up: Array, down: Array, growth: float, law: Logarithm) -> pd.DataFrame:
    """Return a layer's factor on lengths, up and down: its mean and its typical value by theory, and measured.

    The arguments are those of `course`.
    """
    depth, rows = up.shape[1], []
    for direction, ends, layers in (("signal", up[:, -1], depth), ("gradient", down[:, 0], depth - 1)):
        measured = factor(ends, layers)
        theory = {"mean": np.exp(growth), "typical": np.exp(growth + law.mean)}
        found = {"factor": measured.mean, "low": measured.low, "high": measured.high}
        rows.append({"direction": direction, **theory, **found})
    return pd.DataFrame(rows)


def against_law(ends: Array, layers: int, law: Logarithm) -> dict[str, float]:
    """Compare what became of one input a network, [seed] in logarithms after `layers`, with the law: drift and scatter."""
    left = ends[np.isfinite(ends)]
    return {
        "lost": len(ends) - len(left),  # networks in which a layer had all units off
        "drift_predicted": law.mean,  # of the logarithm, a layer
        **interval("drift", left / layers),
        "scatter_predicted": float(np.sqrt(layers * law.variance)),  # standard deviation of the logarithm at the end
        "scatter": float(left.std(ddof=1)),
    }
