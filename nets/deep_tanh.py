"""Deep tanh networks on the names, plain or helped: by residual connections, or by a normalisation before each tanh.

As in `nets.deep_relu` tensors lead with an axis of networks, here [member, ...], and the gradient is written out and
checked against autograd by a test.  The members of a seed differ in their starting gain alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from nets import ghost_norm
from nets.ghost_norm import EPSILON, EXAMPLES, NONE, Norm
from nets.names import CONTEXT, VOCABULARY


class Build(NamedTuple):
    """How the hidden layers are put together."""

    norm: Norm = NONE  # of the pre-activations
    residual: bool = False  # each layer but the first adds to the signal instead of replacing it


class Network(NamedTuple):
    """All that is learnt by an ensemble; the same names serve for gradients."""

    embedding: torch.Tensor  # [member, letter, dimension]
    layers: list[torch.Tensor]  # the hidden ones and the last, each [member, unit below, unit]
    shifts: list[torch.Tensor]  # added to what goes into tanh, and to the logits, each [member, 1, unit]
    scales: list[torch.Tensor]  # of what was normalised, each [member, 1, unit]; none without normalisation

    def tensors(self) -> list[torch.Tensor]:
        """Return every tensor, always in the same order."""
        return [self.embedding, *self.layers, *self.shifts, *self.scales]

    def clone(self) -> Network:
        """Return a copy that shares nothing."""
        return Network(self.embedding.clone(), *([kind.clone() for kind in kinds] for kinds in self[1:]))


class Passed(NamedTuple):
    """What a batch leaves behind on its way up, layer by layer."""

    signals: list[torch.Tensor]  # what each layer sees and last the logits, [member, example, unit]
    activations: list[torch.Tensor]  # tanh's outputs
    standard: list[torch.Tensor]  # normalised pre-activations
    inverse: list[torch.Tensor]  # one over their spread before


def draw(
    seed: int,
    gains: Sequence[float],
    depth: int,
    width: int,
    build: Build,
    dimension: int = 10,
    dtype: torch.dtype | None = None,
) -> Network:
    """Draw a network once for each gain: hidden weights of spread gain / sqrt(units below), and a faint last layer.

    Whatever the gain and the build, the standard normal draws behind the weights are the same.
    """
    generator = torch.Generator().manual_seed(seed)
    letters, members = len(VOCABULARY), len(gains)
    below = [CONTEXT * dimension] + [width] * depth
    above = [width] * depth + [letters]
    embedding = torch.randn(letters, dimension, generator=generator, dtype=dtype)
    drawn = [torch.randn(shape, generator=generator, dtype=dtype) for shape in zip(below, above, strict=True)]
    gain = torch.tensor(gains, dtype=embedding.dtype)[:, None, None]  # [member, 1, 1]
    layers = [gain * (weight / weight.shape[0] ** 0.5) for weight in drawn[:-1]]
    layers.append((0.1 / width**0.5 * drawn[-1]).repeat(members, 1, 1))  # first logits of 0.1: next to nothing
    shifts = [layer.new_zeros(members, 1, layer.shape[2]) for layer in layers]
    scales = [] if build.norm.axis is None else [torch.ones_like(shift) for shift in shifts[:-1]]
    return Network(embedding.repeat(members, 1, 1), layers, shifts, scales)


def forward(network: Network, x: torch.Tensor, build: Build, share: torch.Tensor | None = None) -> Passed:
    """Pass letters x [example, context], the same for all members, to the logits.

    Statistics over examples are the batch's, or, with each example's `share` [example], the mean and spread so weighted.
    """
    passed = Passed([network.embedding[:, x].flatten(2)], [], [], [])
    for depth, (layer, shift) in enumerate(zip(network.layers, network.shifts, strict=True)):
        below = passed.signals[-1]
        if depth == len(network.layers) - 1:
            passed.signals.append(torch.baddbmm(shift, below, layer))
            break
        if build.norm.axis is None:
            activation = torch.baddbmm(shift, below, layer).tanh_()
        else:
            standard, inverse = _standardise(torch.bmm(below, layer), build.norm, share)
            activation = torch.addcmul(shift, standard, network.scales[depth]).tanh_()
            passed.standard.append(standard)
            passed.inverse.append(inverse)
        passed.activations.append(activation)
        passed.signals.append(below + activation if build.residual and depth else activation)
    return passed


def gradient(network: Network, x: torch.Tensor, y: torch.Tensor, build: Build) -> Network:
    """Differentiate each member's mean cross-entropy over x [example, context] and y [example]."""
    return backward(network, forward(network, x, build), x, y, build)[0]


def backward(
    network: Network, passed: Passed, x: torch.Tensor, y: torch.Tensor, build: Build
) -> tuple[Network, list[torch.Tensor]]:
    """Return the gradient, and the loss's derivative by what each layer sees: [member, example, unit below] each."""
    error = torch.softmax(passed.signals[-1], 2)  # becomes the loss's derivative by the logits, probability minus truth
    error[:, torch.arange(len(y)), y] -= 1
    error.div_(len(y))
    layers, shifts, scales = [], [], []
    layers.append(torch.bmm(passed.signals[-2].mT, error))
    shifts.append(error.sum(1, keepdim=True))
    above = [torch.bmm(error, network.layers[-1].mT)]
    for depth in range(len(network.layers) - 2, -1, -1):
        activation = passed.activations[depth]
        inner = above[-1] * torch.addcmul(activation.new_ones(()), activation, activation, value=-1)  # tanh's slope
        shifts.append(inner.sum(1, keepdim=True))
        if build.norm.axis is not None:
            standard = passed.standard[depth]
            scales.append((inner * standard).sum(1, keepdim=True))
            inner.mul_(network.scales[depth])
            inner = ghost_norm.backward(inner, standard, passed.inverse[depth], build.norm, torch.empty_like(inner))
        layers.append(torch.bmm(passed.signals[depth].mT, inner))
        down = torch.bmm(inner, network.layers[depth].mT)
        above.append(down.add_(above[-1]) if build.residual and depth else down)
    embedding = torch.zeros_like(network.embedding)
    embedding.index_add_(1, x.flatten(), above[-1].view(len(embedding), -1, embedding.shape[2]))
    return Network(embedding, layers[::-1], shifts[::-1], scales[::-1]), above[::-1]


def losses(
    network: Network, x: torch.Tensor, following: torch.Tensor, build: Build, share: torch.Tensor
) -> torch.Tensor:
    """Return each member's mean cross-entropy over counted contexts, in nats: [member], float64; nan where it broke down.

    x [context, position] are distinct contexts, `following` [context, letter] how often each letter followed, `share`
    [context] the weight of each in statistics over examples.
    """
    logarithms = torch.log_softmax(forward(network, x, build, share).signals[-1], 2)  # [member, context, letter]
    return -(logarithms * following).sum((1, 2)) / following.sum()


def _standardise(values: torch.Tensor, norm: Norm, share: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    if share is None or norm.axis != EXAMPLES:
        return ghost_norm.standardise(values, norm)
    weight = share.to(values.dtype)[:, None]
    mean = (values * weight).sum(1, keepdim=True)
    centred = values - mean
    inverse = (centred.square().mul_(weight).sum(1, keepdim=True) + EPSILON).rsqrt()
    return centred * inverse, inverse
