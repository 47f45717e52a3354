"""How many ReLU units of a random network are off for every input, before the first step: theory and a count.

Two ways into it.  A bias that lies `depth` spreads below zero is out of reach of inputs whose largest pre-activation is
less; and deep ReLU layers see inputs so much alike that a unit which is off for one is off for all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

from lab.estimate import Estimate
from nets import deep_relu, mlp
from nets.mean_field import gaussian_mean, next_cosine
from nets.mlp import Weights
from nets.names import VOCABULARY

Array = NDArray[np.float64]


def off_for_all(cosine: float, inputs: int) -> float:
    """Return the probability that a unit is off for all `inputs`, any two of which have this cosine, at infinite width.

    Pre-activations are sqrt(c) Z + sqrt(1 - c) Z_i, and given what they share, Z, they are independent.
    """
    if cosine >= 1:
        return 0.5
    pull = (cosine / (1 - cosine)) ** 0.5
    return gaussian_mean(lambda z: np.exp(inputs * log_ndtr(pull * z)))


def by_layer(layers: int, inputs: int) -> Array:
    """Return the expected share of units that are off for all `inputs`, at right angles at first: [layer]."""
    cosine, shares = 0.0, []
    for _ in range(layers):
        shares.append(off_for_all(cosine, inputs))
        cosine = next_cosine(cosine)
    return np.array(shares)


def count_by_layer(contexts: torch.Tensor, layers: int, width: int, seeds: int) -> tuple[Array, Array]:
    """Return the share of units off for all inputs in layers of variance 2/n without biases, each [seed, layer].

    The inputs are letters in `contexts` [context, place], and as many standard normal vectors of the layers' width.
    """
    letters, normal = np.empty((seeds, layers)), np.empty((seeds, layers))
    for seed in range(seeds):
        network = deep_relu.init([seed], layers, width, lambda fan_in: 2 / fan_in)
        signals = deep_relu.forward(network, contexts)[1:-1]
        letters[seed] = [_off(signal[0]) for signal in signals]
        generator = torch.Generator().manual_seed(seed)
        signal = torch.randn(len(contexts), width, generator=generator)
        for layer in range(layers):
            signal = torch.relu_((2 / width) ** 0.5 * (signal @ torch.randn(width, width, generator=generator)))
            normal[seed, layer] = _off(signal)
    return letters, normal


def layer_table(letters: Array, normal: Array, inputs: int) -> pd.DataFrame:
    """Tabulate shares off for all inputs, [seed, layer]: layer, letters and normal (mean, low, high), predicted."""
    expected = by_layer(letters.shape[1], inputs)
    return pd.DataFrame(
        [
            {
                "layer": place + 1,
                **Estimate.columns("letters", one),
                **Estimate.columns("normal", other),
                "predicted": expected[place],
            }
            for place, (one, other) in enumerate(zip(letters.T, normal.T, strict=True))
        ]
    )


def shift_table(weights: Weights, contexts: torch.Tensor, spread: float, shifts: Sequence[float]) -> pd.DataFrame:
    """Tabulate the share of ReLU units off for all contexts with biases so many spreads below zero, and theory's bounds.

    A row a shift: born (mean, low, high), least, most.
    """
    tops = heights(weights, contexts).numpy() / spread
    disjoint = apart(contexts)
    return pd.DataFrame(
        [
            {
                "shift": shift,
                **Estimate.columns("born", (tops <= shift).mean(1)),
                "least": least_below(shift, len(VOCABULARY), contexts.shape[1]),
                "most": most_below(shift, disjoint),
            }
            for shift in shifts
        ]
    )


def least_below(depth: float, letters: int, places: int) -> float:
    """Return the share of units, `depth` spreads below zero, that no text could turn on: a bound from below.

    A pre-activation is a sum over the places, and largest if the best letter stands in each.  The best of `letters`
    normal numbers of variance 1 / places is distributed as its distribution function to the power `letters`.
    """
    spacing = 2.0**-9
    edges = np.arange(-8, 8 + spacing, spacing)
    best = np.diff(ndtr(edges * places**0.5) ** letters)  # mass of each cell
    total = best
    for _ in range(places - 1):
        total = np.convolve(total, best)
    middles = places * -8 + spacing * (places / 2 + np.arange(len(total)))
    return float(total[middles <= depth].sum())


def most_below(depth: float, apart: int) -> float:
    """Return the share off for `apart` contexts that share no letter in any place, so independent: a bound from above."""
    return float(ndtr(depth) ** apart)


def apart(x: torch.Tensor) -> int:
    """Count contexts x [context, place] that share no letter in any place, taken in the order in which they come."""
    taken = torch.zeros(x.shape[1], int(x.max()) + 1, dtype=torch.bool)
    places, found = torch.arange(x.shape[1]), 0
    for context in x:
        if not taken[places, context].any():
            taken[places, context] = True
            found += 1
    return found


def heights(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Return how far above its bias each unit's largest pre-activation over contexts x lies: [seed, unit]."""
    plain = weights._replace(hidden_bias=torch.zeros_like(weights.hidden_bias))
    return mlp.pre_activations(plain, x).amax(1)


def _off(signal: torch.Tensor) -> float:
    """Return the share of units [input, unit] that no input turns on."""
    return float((signal.amax(0) <= 0).double().mean())
