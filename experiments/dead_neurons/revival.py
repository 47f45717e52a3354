"""What dead units cost: the same training once more with every dead unit brought back, and once more with a leak.

A dead unit is brought back by its bias alone, which is raised until the unit is active on half of the contexts.  Nothing
else is touched, so whatever the loss then does is the dead units' doing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.dead_neurons.runs import Examples
from nets import deep_relu, mlp
from nets.activations import LEAKY_RELU, RELU
from nets.deep_relu import Network
from nets.mlp import LearningRates, Weights

Array = NDArray[np.float64]
ARMS = ("as they are", "dead units revived", "leaky ReLU")


class Deep(NamedTuple):
    """What became of deep networks: after training, and of the units that were dead before it."""

    loss: Array  # nats, [seed]
    dead_at_init: Array  # share of all hidden units, [seed]
    revived: Array  # of those, share that is alive after the last step, [seed]


def train(init: Weights, lr: LearningRates, examples: Examples, arm: str, every: int) -> Array:
    """Train an ensemble in one of `ARMS`, looking for dead units `every` so many steps; return the final losses, [seed]."""
    activation = LEAKY_RELU if arm == "leaky ReLU" else RELU
    weights, last = init, len(examples.x)
    for start in range(0, last, every):
        if arm == "dead units revived":
            weights = revive(weights, examples.counts.contexts)
        x, y = examples.x[start : start + every], examples.y[start : start + every]
        *_, (_, weights) = mlp.checkpoints(weights, x, y, lr, [len(x)], activation)
    found: Array = mlp.losses(weights, *examples.counts, activation).numpy()
    return found


def revive(weights: Weights, contexts: torch.Tensor) -> Weights:
    """Return the networks with each dead unit's bias raised until the unit is active on half of the contexts."""
    bias = weights.hidden_bias.clone()
    for seed, one in enumerate(mlp.members(weights)):
        bias[seed, 0] += _lift(mlp.pre_activations(one, contexts)[0])
    return weights._replace(hidden_bias=bias)


def train_deep(network: Network, examples: Examples, lr: float, revived: bool) -> Deep:
    """Train deep networks at a learning rate, with the units that are dead at initialisation revived before or not."""
    contexts = examples.counts.contexts
    dead = dead_by_layer(network, contexts)  # [seed, layer, unit]
    trained = deep_relu.train(revive_deep(network, contexts) if revived else network, examples.x, examples.y, lr)
    alive = ~dead_by_layer(trained, contexts)
    return Deep(
        loss=deep_relu.losses(trained, examples.counts).numpy(),
        dead_at_init=dead.mean((1, 2)),
        revived=(alive & dead).sum((1, 2)) / np.maximum(dead.sum((1, 2)), 1),
    )


def dead_by_layer(network: Network, contexts: torch.Tensor) -> NDArray[np.bool_]:
    """Return which hidden units are inactive on every context: [seed, layer, unit]."""
    signals = deep_relu.forward(network, contexts)[1:-1]
    found: NDArray[np.bool_] = torch.stack([signal.amax(1) <= 0 for signal in signals], 1).numpy()
    return found


def revive_deep(network: Network, contexts: torch.Tensor) -> Network:
    """Return the deep networks with no dead unit, from the first layer to the last: each changes what the next one sees."""
    biases = [bias.clone() for bias in network.biases]
    signal = mlp.embed(network.embedding, mlp.embedding_rows(network.embedding, contexts))
    for layer, bias in zip(network.layers[:-1], biases, strict=False):
        pre = torch.baddbmm(bias, signal, layer)  # [seed, context, unit]
        lift = torch.stack([_lift(one) for one in pre])[:, None]
        bias += lift
        signal = torch.relu(pre + lift)
    return network._replace(biases=biases)


def _lift(pre: torch.Tensor) -> torch.Tensor:
    """Return by how much each bias must rise for dead units, `pre` [context, unit], to be active on half of the contexts."""
    dead = pre.amax(0) <= 0
    return torch.where(dead, -pre.median(0).values, torch.zeros(()))
