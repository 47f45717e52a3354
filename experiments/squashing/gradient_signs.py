"""Do all weights into a unit get gradients of one sign?  In random layers, and in a names network with two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_ndtr

from nets.mean_field import gaussian_mean
from nets.names import CONTEXT, VOCABULARY

Array = NDArray[np.float64]
Activation = Callable[["torch.Tensor"], "torch.Tensor"]
DIMENSION = 10  # of a character's embedding
ACTIVATIONS: dict[str, Activation] = {  # the first gives nothing but positive numbers; the others are its controls
    "sigmoid": lambda x: torch.sigmoid(x),
    "sigmoid − 1/2": lambda x: torch.sigmoid(x) - 0.5,
    "tanh": lambda x: torch.tanh(x),
}


class Layer(NamedTuple):
    """What the gradient of a layer's weights is made of: summed over a batch it is below.T @ errors."""

    below: torch.Tensor  # [example, weight], activations that the layer reads
    errors: torch.Tensor  # [example, unit], gradient of each example's loss with respect to the layer's pre-activations


def same_sign(gradient: torch.Tensor) -> float:
    """Return the share of units whose incoming weights' gradients [weight, unit] all have the same sign."""
    return float(((gradient > 0).all(0) | (gradient < 0).all(0)).double().mean())


def random_layer(activation: Activation, width: int, examples: int, seed: int) -> Layer:
    """Make a layer whose errors are independent of its inputs: activations of standard normal numbers, and such numbers."""
    generator = torch.Generator().manual_seed(seed)
    below = activation(torch.randn(examples, width, generator=generator, dtype=torch.float64))
    return Layer(below, torch.randn(examples, width, generator=generator, dtype=torch.float64))


def names_layer(activation: Activation, width: int, x: torch.Tensor, y: torch.Tensor, seed: int) -> Layer:
    """Return the second of two hidden layers of a names network at initialisation.

    `x` [example, context] are characters and `y` [example] the next one.  All weights are normal with standard deviation
    1 / sqrt(fan-in), embeddings standard normal, biases zero; a seed gives every activation function the same numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    sizes = (CONTEXT * DIMENSION, width, width, len(VOCABULARY))
    embedding = torch.randn(len(VOCABULARY), DIMENSION, generator=generator, dtype=torch.float64)
    first, second, last = (
        torch.randn(into, out, generator=generator, dtype=torch.float64) / into**0.5 for into, out in pairwise(sizes)
    )
    below = activation(embedding[x].flatten(1) @ first)  # [example, weight]
    pre = (below @ second).requires_grad_()  # [example, unit]
    loss = torch.nn.functional.cross_entropy(activation(pre) @ last, y, reduction="sum")
    (errors,) = torch.autograd.grad(loss, pre)
    return Layer(below, errors)


def shares(layer: Layer, batches: Sequence[int]) -> list[float]:
    """Return the share of same-sign units in batches of the first examples, of the sizes `batches`."""
    return [same_sign(layer.below[:batch].T @ layer.errors[:batch]) for batch in batches]


def measure_same_sign(
    x: torch.Tensor, y: torch.Tensor, width: int, batches: Sequence[int], pool: int, seeds: Iterable[int]
) -> dict[tuple[str, str], Array]:
    """Return the share of same-sign units by kind of error and activation function: [seed, batch].

    Errors are random; those of a names network at initialisation, on `pool` examples of `x` and `y` chosen by the seed; and
    the same less each unit's mean over the pool.  Batches are the pool's first examples.
    """
    found: dict[tuple[str, str], list[list[float]]] = {}
    for seed in seeds:
        chosen = torch.randint(len(x), (pool,), generator=torch.Generator().manual_seed(seed))
        for name, activation in ACTIVATIONS.items():
            layer = names_layer(activation, width, x[chosen], y[chosen], seed)
            layers = {
                "random": random_layer(activation, width, max(batches), seed),
                "names": layer,
                "names, mean removed": layer._replace(errors=layer.errors - layer.errors.mean(0)),
            }
            for errors, each in layers.items():
                found.setdefault((errors, name), []).append(shares(each, batches))
    return {key: np.array(share) for key, share in found.items()}


def measure_sigmoid(
    x: torch.Tensor, y: torch.Tensor, width: int, batches: Sequence[int], seeds: Iterable[int]
) -> Array:
    """Return the share for the case that decides, sigmoid and a names network's own errors, alone: [seed, batch]."""
    found = []
    for seed in seeds:
        chosen = torch.randint(len(x), (max(batches),), generator=torch.Generator().manual_seed(seed))
        found.append(shares(names_layer(torch.sigmoid, width, x[chosen], y[chosen], seed), batches))
    return np.array(found)


def predicted_same_sign(activation: Callable[[Array], Array], width: int) -> float:
    """Return the share of same-sign units in `random_layer` for a large batch.

    Given a unit's errors, its gradients are independent normal numbers over the weights: their mean is the inputs' mean
    times the mean error, their standard deviation the inputs' times the errors' own, over the root of the batch.  The
    mean error is the errors' standard deviation over the same root times a standard normal number Z, so the batch drops
    out.
    """
    mean = gaussian_mean(activation)
    std = np.sqrt(gaussian_mean(lambda z: activation(z) ** 2) - mean**2)
    return 2 * gaussian_mean(lambda z: np.exp(width * log_ndtr(mean / std * z)))
