"""Running averages of batch norm's statistics, at many momenta at once: training does not depend on them."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from experiments.batchnorm_parameters import networks
from experiments.batchnorm_parameters.networks import Arm, Data, Model
from nets import mlp

Array = NDArray[np.float64]
PORTION = 1000  # batches whose means are taken at once: few enough to keep
STILL = 5_000_011  # added to a seed for the batches that networks see without learning


class Averages(NamedTuple):
    """What running averages were like, in networks that learn and in networks that do not."""

    steps: Sequence[int]  # of the evaluations
    excess: Array  # loss with running averages less that with the training set's own statistics, [evaluation, momentum, seed]
    error: Array  # running mean less the training set's mean over its std, RMS over units, the same
    still_error: Array  # the same where the weights do not change, [momentum, seed]
    smallest: Array  # smallest standard deviation of a unit after the last step, [seed]
    loss: Array  # training loss after the last step with the training set's own statistics, [seed]
    test_excess: Array  # excess on the test set after the last step, [momentum, seed]


def many_momenta(width: int, momenta: Sequence[float]) -> nn.BatchNorm1d:
    """Return PyTorch's batch norm with further running averages beside its own, one for each momentum."""

    class ManyMomenta(nn.BatchNorm1d):
        momenta: torch.Tensor  # [momentum, 1]
        means: torch.Tensor  # [momentum, unit]
        variances: torch.Tensor  # the same

        def __init__(self) -> None:
            super().__init__(width)
            self.register_buffer("momenta", torch.tensor(momenta)[:, None])
            self.register_buffer("means", torch.zeros(len(momenta), width))
            self.register_buffer("variances", torch.ones(len(momenta), width))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                for average, value in ((self.means, x.mean(0)), (self.variances, x.var(0))):
                    average.mul_(1 - self.momenta).add_(self.momenta * value.detach())
            return super().forward(x)

    return ManyMomenta()


def watch(
    seeds: Sequence[int],
    data: Data,
    *,
    width: int,
    batch: int,
    lr: float,
    momenta: Sequence[float],
    eval_steps: Sequence[int],
    still_steps: int,
) -> Averages:
    """Train networks, and compare their running averages with the statistics of the training set."""
    models = networks.initialised(Arm("tanh"), width, seeds, lambda width: many_momenta(width, momenta))
    excess, error = [], []
    for _, trained in networks.train(models, seeds, data, batch, max(eval_steps), lr, eval_steps):
        each = [_compare(model, data) for model in trained]
        excess.append(np.stack([one[0] for one in each], 1))
        error.append(np.stack([one[1] for one in each], 1))
    own = [_compare(model, data, networks.TEST)[0] for model in models]
    stds = [networks.moments(networks.pre_activations(model, data.contexts), data.shares)[1].sqrt() for model in models]
    return Averages(
        eval_steps,
        np.stack(excess),
        np.stack(error),
        np.stack(
            [_still(model, seed, data, batch, momenta, still_steps) for model, seed in zip(models, seeds, strict=True)],
            1,
        ),
        np.array([float(std.min()) for std in stds]),
        networks.losses(models, data)[networks.TRAIN],
        np.stack(own, 1),
    )


def _compare(model: Model, data: Data, part: int = networks.TRAIN) -> tuple[Array, Array]:
    """Return excess loss and error of the mean at each momentum: [momentum], [momentum]."""
    with torch.no_grad():
        norm, counts = model.norm, data.parts[part]
        mean, variance = networks.moments(networks.pre_activations(model, data.contexts), data.shares)
        error = ((norm.means - mean).square() / variance).mean(1).sqrt().double().numpy()
        pre, losses = networks.pre_activations(model, counts.contexts), []
        for statistics in ((mean, variance), *zip(norm.means, norm.variances, strict=True)):
            for kept, value in zip((norm.running_mean, norm.running_var), statistics, strict=True):
                kept.copy_(value)
            losses.append(networks.loss_from(model, pre, counts))
        return np.array(losses[1:]) - losses[0], error


def _still(model: Model, seed: int, data: Data, batch: int, momenta: Sequence[float], steps: int) -> Array:
    """Return the running mean's error where nothing is learnt, RMS over units and over the second half of the steps."""
    from scipy.signal import lfilter  # here: it takes most of a second, and nothing else needs it

    with torch.no_grad():
        mean, variance = networks.moments(networks.pre_activations(model, data.contexts), data.shares)
        z = (networks.pre_activations(model, data.contexts) - mean) / variance.sqrt()
        order = mlp.batches([STILL + seed], len(data.x), batch, steps)[:, 0]
        place = _places(data)
        means = (
            torch.cat([z[place[part]].mean(1) for part in torch.split(order, PORTION)]).double().numpy()
        )  # [step, unit]
        errors = []
        for momentum in momenta:
            averages = lfilter([momentum], [1, momentum - 1], means, axis=0)  # from the exact mean, zero, on
            errors.append(sqrt(np.square(averages[steps // 2 :]).mean()))
        return np.array(errors)


def _places(data: Data) -> torch.Tensor:
    """Return which distinct context each training example has, [example]."""
    base = 27 ** torch.arange(data.x.shape[1])
    codes = (data.contexts * base).sum(1)
    order = codes.argsort()
    return order[torch.searchsorted(codes[order], (data.x * base).sum(1))]


def law(momentum: float, batch: int) -> float:
    """Return the standard deviation of a running mean of batch means, in standard deviations of one value."""
    return sqrt(momentum / ((2 - momentum) * batch))
