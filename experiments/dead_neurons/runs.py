"""The runs in which units may die: which activation, from which start, with letters that learn or are held still."""

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
GAINS = {"relu": 2**0.5, "leaky": 2**0.5, "tanh": 5 / 3}  # spread of pre-activations at the start
FLAT = float(np.arctanh(1 - 2.0**-25))  # beyond it, tanh in float32 rounds to one and its slope to zero


class Plan(NamedTuple):
    """One kind of network."""

    activation: str  # relu, leaky, tanh
    start: str  # good: no biases; shifted: biases below what most examples reach
    letters: str  # trained, still


PLANS = (
    Plan("relu", "good", "trained"),
    Plan("relu", "good", "still"),
    Plan("relu", "shifted", "trained"),
    Plan("relu", "shifted", "still"),
    Plan("leaky", "good", "trained"),
    Plan("leaky", "good", "still"),
    Plan("tanh", "good", "trained"),
    Plan("tanh", "shifted", "trained"),
)


class Shown(NamedTuple):
    """What all networks are trained on and looked at with."""

    x: torch.Tensor  # [step, seed, batch, context]
    y: torch.Tensor  # [step, seed, batch]
    data: names.Counts  # of the whole training set
    unseen: torch.Tensor  # contexts of the validation set that the training set lacks, [context, place]


@cache  # one for all the tasks that a process computes
def show(data: Path, seeds: int, batch: int, steps: int) -> Shown:
    """Read the names, and choose each seed's examples."""
    x, y, counts = names.training_set(data)
    order = mlp.batches(range(seeds), len(x), batch, steps)
    seen = {tuple(context) for context in counts.contexts.tolist()}
    others = names.counts(*names.contexts(names.split(names.load(data)).validation)).contexts.tolist()
    unseen = torch.tensor([context for context in others if tuple(context) not in seen], dtype=torch.int64)
    return Shown(x[order], y[order], counts, unseen.view(-1, names.CONTEXT))


def begin(drawn: Weights, activation: str, shift: float = 0.0) -> Weights:
    """Give pre-activations the activation's spread, small first logits, and biases `shift` spreads into the flat part.

    The flat part begins below zero for ReLU, at -`FLAT` for tanh.  Without a shift there are no biases.
    """
    gain = GAINS[activation]
    below = shift * gain + FLAT * (activation == "tanh") if shift else 0.0
    bias = torch.full_like(drawn.hidden_bias, -below)
    return initialisation.well_scaled(drawn)._replace(
        hidden=gain / drawn.hidden.shape[1] ** 0.5 * drawn.hidden, hidden_bias=bias
    )


def live(plan: Plan, rate: float, drawn: Weights, shown: Shown, shift: float, every: int) -> History:
    """Train a plan at a rate, look at all units every so many steps, and return what became of them."""
    looks = sorted({*range(0, len(shown.x), every), len(shown.x)})
    start = begin(drawn, plan.activation, shift if plan.start == "shifted" else 0.0)
    pace = mlp.same_lr(rate)._replace(embedding=rate if plan.letters == "trained" else 0.0)
    return history.watch(start, shown.x, shown.y, pace, ACTIVATIONS[plan.activation], shown.data, shown.unseen, looks)
