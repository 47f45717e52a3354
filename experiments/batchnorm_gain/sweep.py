"""Deep tanh networks trained on the names, each from its own gain and at its own learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nets import deep_tanh, mlp, names, optimisers
from nets.deep_tanh import Architecture, Network
from nets.ghost_norm import EXAMPLES

SAMPLE_SEED = 999_983  # seed of the training examples that statistics are taken from
LAST = 0.1  # share of the steps, at the end, over which an update ratio is averaged

Array = NDArray[np.float64]


class Size(NamedTuple):
    """How large the networks are, and how long they train."""

    depth: int  # hidden layers
    width: int  # units in each
    batch: int  # examples
    steps: int


class Member(NamedTuple):
    """One network of an ensemble."""

    gain: float  # of the hidden layers at initialisation
    lr: float  # learning rate
    hidden_lr: float  # that of the hidden layers' weights


@dataclass(frozen=True)
class Trained:
    """What training left of the networks of one seed, [member] each.

    A ratio is that of the update's RMS to the weights', its geometric mean over the hidden layers.
    """

    loss: Array  # over the validation set, NaN or infinite where it diverged
    first_ratio: Array  # at the first step
    last_ratio: Array  # geometric mean over the last steps
    growth: Array  # what the sum of squares of the hidden weights gained, over the summed squares of all updates


class Data(NamedTuple):
    """Names to learn from and to report on."""

    x: torch.Tensor  # [example, context], the training set
    y: torch.Tensor  # [example]
    contexts: torch.Tensor  # [context, position], distinct ones of a training sample and of the validation set
    next_counts: torch.Tensor  # [context, character], how often each character followed in the validation set
    share: torch.Tensor  # [context], in the training sample: what batch norm's statistics weigh it by


@cache  # read once for all the tasks that a process computes
def load(path: Path, sample: int) -> Data:
    """Read names; batch norm's statistics come from `sample` training examples, losses from the whole validation set."""
    x, y, _ = names.training_set(path)
    some = torch.randint(len(x), (sample,), generator=torch.Generator().manual_seed(SAMPLE_SEED))
    seen = names.counts(x[some], y[some])
    held = names.counts(*names.contexts(names.split(names.load(path)).validation))
    share = seen.next_counts.sum(1) / seen.next_counts.sum()
    return Data(
        x,
        y,
        torch.cat([seen.contexts, held.contexts]),
        torch.cat([torch.zeros_like(seen.next_counts), held.next_counts]),
        torch.cat([share, share.new_zeros(len(held.contexts))]),
    )


def train(architecture: Architecture, size: Size, members: Sequence[Member], seed: int, data: Data) -> Trained:
    """Train every member by plain SGD, all from the same random numbers and on the same batches."""
    network = deep_tanh.init(seed, [each.gain for each in members], size.depth, size.width, architecture)
    weights, hidden = network.tensors(), range(1, size.depth + 1)  # places among the tensors: the embedding comes first
    lr, hidden_lr = (
        torch.tensor([getattr(each, which) for each in members])[:, None, None] for which in ("lr", "hidden_lr")
    )
    step = optimisers.sgd([hidden_lr if place in hidden else lr for place in range(len(weights))])
    began = squares(network)
    moved, logs = torch.zeros_like(began), []
    last = max(1, round(LAST * size.steps))
    for place, batch in enumerate(mlp.batches([seed], len(data.x), size.batch, size.steps)[:, 0]):
        gradient = deep_tanh.gradient(network, data.x[batch], data.y[batch], architecture)
        update = squares(gradient) * hidden_lr[:, 0].double().square()  # [member, layer]
        moved += update
        if place == 0 or place >= size.steps - last:
            logs.append((update / squares(network)).log().mean(1) / 2)  # of the ratio, mean over layers
        step(weights, gradient.tensors())
    ratios = torch.stack(logs)  # [the first step and the last ones, member]
    return Trained(
        losses(network, architecture, data),
        ratios[0].exp().numpy(),
        ratios[-last:].mean(0).exp().numpy(),
        ((squares(network) - began).sum(1) / moved.sum(1)).numpy(),
    )


def squares(network: Network) -> torch.Tensor:
    """Return the sum of squares of each hidden layer's weights, or of their gradient: [member, layer], float64."""
    return (
        torch.stack([torch.linalg.vector_norm(layer, dim=(1, 2)) for layer in network.layers[:-1]], 1).double().square()
    )


def losses(network: Network, architecture: Architecture, data: Data) -> Array:
    """Return the validation loss of every member, [member]; batch norm's statistics are the training sample's."""
    held = data.next_counts.sum(1) > 0
    if (
        architecture.norm.axis == EXAMPLES
    ):  # the sample's contexts are needed for statistics; they add nothing to a loss
        held = torch.ones_like(held)
    found = []
    for alone in network.members():
        loss = deep_tanh.losses(alone, data.contexts[held], data.next_counts[held], architecture, data.share[held])
        found.append(float(loss))
    return np.array(found)
