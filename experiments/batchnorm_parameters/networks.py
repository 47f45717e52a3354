"""The names network with and without batch norm, in plain PyTorch: how it is initialised, trained and evaluated."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nets import ensemble, mlp, names
from nets.names import Counts

Array = NDArray[np.float64]
Model: TypeAlias = Any  # an nn.Sequential, whose parts PyTorch finds by name: `model.norm`

DIMENSION = 10  # of an embedding
GAINS = {"tanh": 5 / 3, "relu": 2**0.5}  # standard deviation of the pre-activations at initialisation
TRAIN, VALIDATION, TEST = range(3)


class Arm(NamedTuple):
    """A kind of network: all else is the same."""

    activation: str  # tanh, relu
    norm: bool = True  # batch norm before the activation
    bias: bool = False  # trained bias before batch norm, or where it would be
    frozen: tuple[str, ...] = ()  # of batch norm's own: weight (the scale), bias (the shift)
    shift: float = 0.0  # how far below zero the shift or bias begins, in standard deviations of a pre-activation


def build(arm: Arm, width: int, norm: Callable[[int], nn.Module] | None = None) -> Model:
    """Return the network; `norm` makes its batch norm, PyTorch's own unless told otherwise."""
    layer = (norm or nn.BatchNorm1d)(width) if arm.norm else nn.Identity()
    return nn.Sequential(
        OrderedDict(
            embedding=nn.Embedding(27, DIMENSION),
            flatten=nn.Flatten(),
            hidden=nn.Linear(3 * DIMENSION, width, bias=arm.bias),
            norm=layer,
            activation=nn.ReLU() if arm.activation == "relu" else nn.Tanh(),
            output=nn.Linear(width, 27),
        )
    )


def initialised(
    arm: Arm, width: int, seeds: Sequence[int], norm: Callable[[int], nn.Module] | None = None
) -> list[Model]:
    """Return one network a seed: standard normal embeddings, scaled hidden weights, small first logits, no biases.

    The random numbers are those of `nets.mlp.init`, the same for every arm.
    """
    with torch.no_grad():
        found = []
        for seed in seeds:
            normal, model = mlp.init([seed], width, DIMENSION), build(arm, width, norm)
            gain = GAINS[arm.activation]
            model.embedding.weight.copy_(normal.embedding[0])
            model.hidden.weight.copy_(gain / (3 * DIMENSION) ** 0.5 * normal.hidden[0].T)
            model.output.weight.copy_(0.1 / width**0.5 * normal.output[0].T)
            nn.init.zeros_(model.output.bias)
            if arm.bias:
                model.hidden.bias.fill_(-arm.shift * gain)
            if arm.norm:
                model.norm.bias.fill_(0.0 if arm.bias else -arm.shift)
            for name in arm.frozen:
                getattr(model.norm, name).requires_grad_(False)
            found.append(model)
        return found


def train(
    models: Sequence[Model],
    seeds: Sequence[int],
    data: Data,
    batch: int,
    steps: int,
    lr: float | Sequence[float],
    eval_steps: Iterable[int] | None = None,
    optimiser: Callable[..., torch.optim.Optimizer] | None = None,
) -> Iterator[tuple[int, Sequence[Model]]]:
    """Train the networks in place, by plain SGD unless told otherwise; each seed has its own batches.

    `lr` is one learning rate, or one for each network: then by plain SGD.  Yields step and networks at each of `eval_steps`, or after the last step.
    """
    order = mlp.batches(seeds, len(data.x), batch, steps)
    make: Callable[..., torch.optim.Optimizer] = optimiser or (
        torch.optim.SGD if isinstance(lr, float) else _sgd_each()
    )
    return ensemble.checkpoints(
        models,
        data.x,
        data.y,
        order,
        lambda p: make([t for t in p.values() if t.requires_grad], lr=lr),
        None,
        eval_steps,
    )


def _sgd_each() -> Callable[..., torch.optim.Optimizer]:
    """Return plain SGD for stacked networks, one learning rate for each."""

    class SGDEach(torch.optim.Optimizer):
        def __init__(self, parameters: Any, lr: Sequence[float] = ()) -> None:
            super().__init__(parameters, {"lr": lr})

        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            for group in self.param_groups:
                rates = torch.tensor(group["lr"])[:, None]  # [network, 1]
                for weights in group["params"]:  # [network, number]
                    weights.addcmul_(weights.grad, rates, value=-1)

    return SGDEach


class Data(NamedTuple):
    """The names."""

    x: torch.Tensor  # training contexts, [example, position]
    y: torch.Tensor  # next characters, [example]
    parts: tuple[Counts, ...]  # training, validation and test set, as counts of distinct contexts

    @property
    def contexts(self) -> torch.Tensor:
        """Return the distinct contexts of the training set, [context, position]."""
        return self.parts[TRAIN].contexts

    @property
    def shares(self) -> torch.Tensor:
        """Return which share of the training set each of them has, [context, 1]."""
        often = self.parts[TRAIN].next_counts.sum(1, keepdim=True)
        return (often / often.sum()).float()


@cache  # read once for all the tasks that a process computes
def read_data(path: Path) -> Data:
    """Read the names, split them, and count."""
    parts = [names.contexts(part) for part in names.split(names.load(path))]
    return Data(*parts[TRAIN], tuple(names.counts(*part) for part in parts))


def pre_activations(model: Model, x: torch.Tensor) -> torch.Tensor:
    """Return what batch norm normalises, [example, unit]."""
    with torch.no_grad():
        found: torch.Tensor = model[:3](x)
        return found


def moments(pre: torch.Tensor, shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each unit's mean and (biased) variance over contexts that have these shares of the examples."""
    with torch.no_grad():
        mean = (shares * pre).sum(0)
        return mean, (shares * (pre - mean) ** 2).sum(0)


def calibrate(model: Model, data: Data) -> None:
    """Give batch norm, for evaluation, mean and variance over the whole training set."""
    with torch.no_grad():
        if hasattr(model.norm, "running_mean"):
            mean, variance = moments(pre_activations(model, data.contexts), data.shares)
            model.norm.running_mean.copy_(mean)
            model.norm.running_var.copy_(variance)


def loss(model: Model, counts: Counts) -> float:
    """Return the mean cross-entropy in evaluation mode, nats."""
    return loss_from(model, pre_activations(model, counts.contexts), counts)


def loss_from(model: Model, pre: torch.Tensor, counts: Counts) -> float:
    """Return the same from what batch norm normalises, [context, unit]."""
    with torch.no_grad():
        logarithms = torch.log_softmax(model.eval()[3:](pre), 1)
        return float(-(logarithms * counts.next_counts).sum() / counts.next_counts.sum())


def losses(models: Sequence[Model], data: Data) -> Array:
    """Return the losses with the training set's own statistics: [part of the data, seed]."""
    for model in models:
        calibrate(model, data)
    return np.array([[loss(model, part) for model in models] for part in data.parts])


def dead(model: Model, data: Data) -> NDArray[np.bool_]:
    """Return which ReLU units are inactive on every context of the training set, with its own statistics: [unit]."""
    with torch.no_grad():
        calibrate(model, data)
        found: NDArray[np.bool_] = (model.eval()[:4](data.contexts).amax(0) <= 0).numpy()
        return found
