"""Does a names network with two hidden layers learn behind tanh, behind sigmoid, and behind no activation function?

All arms of a seed start from the same numbers and see the same batches; only the activation function, or the scale of the
hidden layers' weights, differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from nets import ensemble, mlp
from nets.names import CONTEXT, VOCABULARY, Counts

Array = NDArray[np.float64]
DIMENSION = 10  # of a character's embedding


class Arm(NamedTuple):
    """What is put behind both hidden layers, and the factor on their weights."""

    activation: Callable[[torch.Tensor], torch.Tensor]
    wide: bool  # weights multiplied by the wide signal's standard deviation


ARMS = {
    "tanh": Arm(torch.tanh, False),
    "tanh, wide": Arm(torch.tanh, True),
    "none": Arm(lambda pre: pre, False),
    "sigmoid": Arm(torch.sigmoid, False),
    "sigmoid − 1/2": Arm(lambda pre: torch.sigmoid(pre) - 0.5, False),
}


class TwoLayers(nn.Module):
    """The names network with a second hidden layer; weights normal with standard deviation 1 / sqrt(fan-in), biases zero."""

    def __init__(self, activation: Callable[[torch.Tensor], torch.Tensor], scale: float, width: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.activation = activation
        self.embedding = nn.Embedding(len(VOCABULARY), DIMENSION)
        sizes = (CONTEXT * DIMENSION, width, width, len(VOCABULARY))
        self.first, self.second, self.output = (nn.Linear(into, out) for into, out in pairwise(sizes))
        nn.init.normal_(self.embedding.weight, generator=generator)
        for layer, factor in ((self.first, scale), (self.second, scale), (self.output, 1.0)):
            nn.init.normal_(layer.weight, std=factor * layer.in_features**-0.5, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits [example, character] for characters `x` [example, context]."""
        hidden = self.activation(self.first(self.embedding(x).flatten(1)))  # [example, unit]
        hidden = self.activation(self.second(hidden))
        logits: torch.Tensor = self.output(hidden)
        return logits


def final_losses(
    arm: Arm,
    wide: float,
    width: int,
    data: tuple[torch.Tensor, torch.Tensor, Counts],
    steps: int,
    batch: int,
    lr: float,
    seeds: Sequence[int],
) -> Array:
    """Train by plain SGD and return each seed's loss over all of `data`, in nats: [seed]; NaN where it diverged."""
    x, y, counts = data
    models = [TwoLayers(arm.activation, wide if arm.wide else 1.0, width, seed) for seed in seeds]
    order = mlp.batches(seeds, len(x), batch, steps)  # [step, seed, batch]
    for _ in ensemble.checkpoints(models, x, y, order, lambda p: torch.optim.SGD(p.values(), lr=lr)):
        pass
    return np.array([loss_over(model, counts) for model in models])


@torch.no_grad()
def loss_over(model: nn.Module, counts: Counts) -> float:
    """Return the mean loss over counted examples, in nats."""
    logarithms = F.log_softmax(model(counts.contexts).double(), 1)  # [context, character]
    return float(-(logarithms * counts.next_counts).sum() / counts.next_counts.sum())
