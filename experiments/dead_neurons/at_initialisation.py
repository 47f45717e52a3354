"""How many ReLU units of a random network are dead before the first step: theory and a count.

Two ways into it.  A bias that lies some standard deviations below zero is out of reach of inputs whose largest
pre-activation is less; and deep ReLU layers see inputs so much alike that a unit inactive on one is inactive on all.
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


def expected_dead(cosine: float, inputs: int) -> float:
    """Return the probability that a unit is inactive on all `inputs`, any two of which have this cosine, at infinite width.

    Pre-activations are sqrt(c) Z + sqrt(1 - c) Z_i, and given what they share, Z, they are independent.
    """
    if cosine >= 1:
        return 0.5
    pull = (cosine / (1 - cosine)) ** 0.5
    return gaussian_mean(lambda z: np.exp(inputs * log_ndtr(pull * z)))


def expected_dead_by_layer(layers: int, inputs: int) -> Array:
    """Return the expected share of units that are inactive on all `inputs`, orthogonal at first: [layer]."""
    cosine, shares = 0.0, []
    for _ in range(layers):
        shares.append(expected_dead(cosine, inputs))
        cosine = next_cosine(cosine)
    return np.array(shares)


def dead_share_by_layer(contexts: torch.Tensor, layers: int, width: int, seeds: int) -> tuple[Array, Array]:
    """Return the share of units inactive on all inputs in layers of variance 2/n without biases, each [seed, layer].

    The inputs are the embeddings of `contexts` [context, position], and as many standard normal vectors of the layers'
    width.
    """
    embedded, normal = np.empty((seeds, layers)), np.empty((seeds, layers))
    for seed in range(seeds):
        network = deep_relu.init([seed], layers, width, lambda fan_in: 2 / fan_in)
        signals = deep_relu.forward(network, contexts)[1:-1]
        embedded[seed] = [_dead_share(signal[0]) for signal in signals]
        generator = torch.Generator().manual_seed(seed)
        signal = torch.randn(len(contexts), width, generator=generator)
        for layer in range(layers):
            signal = torch.relu_((2 / width) ** 0.5 * (signal @ torch.randn(width, width, generator=generator)))
            normal[seed, layer] = _dead_share(signal)
    return embedded, normal


def layer_table(embedded: Array, normal: Array, inputs: int) -> pd.DataFrame:
    """Tabulate shares inactive on all inputs, [seed, layer]: a row for each layer, both kinds of inputs and theory."""
    return pd.DataFrame(
        {
            "layer": np.arange(1, embedded.shape[1] + 1),
            **Estimate.whole_columns("embeddings", embedded.T),
            **Estimate.whole_columns("normal", normal.T),
            "predicted": expected_dead_by_layer(embedded.shape[1], inputs),
        }
    )


def shift_table(weights: Weights, contexts: torch.Tensor, std: float, shifts: Sequence[float]) -> pd.DataFrame:
    """Tabulate the share of ReLU units inactive on all contexts, with biases so many `std` below zero, and its bounds.

    A row for each shift: dead (x, x_low, x_high), lower_bound, upper_bound.
    """
    largest = largest_pre_activations(weights, contexts).numpy() / std
    independent = disjoint_contexts(contexts)
    return pd.DataFrame(
        [
            {
                "shift": shift,
                **Estimate.columns("dead", (largest <= shift).mean(1)),
                "lower_bound": lower_bound(shift, len(VOCABULARY), contexts.shape[1]),
                "upper_bound": upper_bound(shift, independent),
            }
            for shift in shifts
        ]
    )


def lower_bound(shift: float, vocabulary: int, positions: int) -> float:
    """Return the share of units, with biases `shift` standard deviations below zero, that no text could activate.

    A pre-activation is a sum over the positions, and largest if the best character stands in each.  The best of
    `vocabulary` normal numbers of variance 1 / positions has the power `vocabulary` of their distribution as its own.
    """
    spacing = 2.0**-9
    edges = np.arange(-8, 8 + spacing, spacing)
    best = np.diff(ndtr(edges * positions**0.5) ** vocabulary)  # mass of each cell
    total = best
    for _ in range(positions - 1):
        total = np.convolve(total, best)
    middles = positions * -8 + spacing * (positions / 2 + np.arange(len(total)))
    return float(total[middles <= shift].sum())


def upper_bound(shift: float, independent: int) -> float:
    """Return the share inactive on contexts that share no character in any position, so `independent` ones."""
    return float(ndtr(shift) ** independent)


def disjoint_contexts(x: torch.Tensor) -> int:
    """Count contexts x [context, position] that share no character in any position, taken in the order they come in."""
    taken = torch.zeros(x.shape[1], int(x.max()) + 1, dtype=torch.bool)
    positions, found = torch.arange(x.shape[1]), 0
    for context in x:
        if not taken[positions, context].any():
            taken[positions, context] = True
            found += 1
    return found


def largest_pre_activations(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """Return how far above its bias each unit's largest pre-activation over contexts x lies: [seed, unit]."""
    unbiased = weights._replace(hidden_bias=torch.zeros_like(weights.hidden_bias))
    return mlp.pre_activations(unbiased, x).amax(1)


def _dead_share(signal: torch.Tensor) -> float:
    """Return the share of units [input, unit] that are inactive on every input."""
    return float((signal.amax(0) <= 0).double().mean())
