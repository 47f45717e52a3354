"""The runs in which units may die: which activation, which initialisation, and embeddings trained or frozen."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from experiments.dead_neurons import history
from experiments.dead_neurons.history import History
from nets import initialisation, mlp, names
from nets.activations import LEAKY_RELU, RELU, TANH
from nets.mlp import Weights

ACTIVATIONS = {"relu": RELU, "leaky": LEAKY_RELU, "tanh": TANH}
GAINS = {"relu": 2**0.5, "leaky": 2**0.5, "tanh": 5 / 3}  # std of pre-activations at initialisation
FLAT = float(np.arctanh(1 - 2.0**-25))  # beyond it, tanh in float32 rounds to one and its derivative to zero


class Plan(NamedTuple):
    """One kind of network."""

    activation: str  # relu, leaky, tanh
    init: str  # good: no biases; shifted: biases below what most examples reach
    embeddings: str  # trained, frozen


PLANS = (
    Plan("relu", "good", "trained"),
    Plan("relu", "good", "frozen"),
    Plan("relu", "shifted", "trained"),
    Plan("relu", "shifted", "frozen"),
    Plan("leaky", "good", "trained"),
    Plan("leaky", "good", "frozen"),
    Plan("tanh", "good", "trained"),
    Plan("tanh", "shifted", "trained"),
)


class Examples(NamedTuple):
    """What all networks are trained and evaluated on."""

    x: torch.Tensor  # [step, seed, batch, context]
    y: torch.Tensor  # [step, seed, batch]
    counts: names.Counts  # of the whole training set
    unseen: torch.Tensor  # contexts of the validation set that the training set lacks, [context, position]


@cache  # one for all the tasks that a process computes
def examples(path: Path, seeds: int, batch: int, steps: int) -> Examples:
    """Read the names, and choose each seed's examples."""
    x, y, counts = names.training_set(path)
    order = mlp.batches(range(seeds), len(x), batch, steps)
    seen = {tuple(context) for context in counts.contexts.tolist()}
    others = names.counts(*names.contexts(names.split(names.load(path)).validation)).contexts.tolist()
    unseen = torch.tensor([context for context in others if tuple(context) not in seen], dtype=torch.int64)
    return Examples(x[order], y[order], counts, unseen.view(-1, names.CONTEXT))


def init(normal: Weights, activation: str, shift: float = 0.0) -> Weights:
    """Scale standard normal weights by the activation's gain, with small first logits and shifted biases.

    Biases lie `shift` standard deviations of a pre-activation below where the derivative begins to be zero: zero for
    ReLU, -`FLAT` for tanh.  Without a shift there are no biases.
    """
    gain = GAINS[activation]
    below = shift * gain + FLAT * (activation == "tanh") if shift else 0.0
    bias = torch.full_like(normal.hidden_bias, -below)
    return initialisation.well_scaled(normal)._replace(
        hidden=gain / normal.hidden.shape[1] ** 0.5 * normal.hidden, hidden_bias=bias
    )


def train(plan: Plan, lr: float, normal: Weights, examples: Examples, shift: float, eval_every: int) -> History:
    """Train a plan at a learning rate, evaluate all units every so many steps, and return what became of them."""
    last = len(examples.x)
    eval_steps = sorted({*range(0, last, eval_every), last})
    weights = init(normal, plan.activation, shift if plan.init == "shifted" else 0.0)
    lrs = mlp.same_lr(lr)._replace(embedding=lr if plan.embeddings == "trained" else 0.0)
    activation = ACTIVATIONS[plan.activation]
    return history.record(
        weights, examples.x, examples.y, lrs, activation, examples.counts, examples.unseen, eval_steps
    )
