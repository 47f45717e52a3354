"""Deep tanh networks on the names, plain, or with residual connections, or with a normalisation before each tanh.

As in `nets.deep_relu` tensors lead with an axis of networks, here [member, ...], and the gradient is written out and
checked against autograd by a test.  The members of a seed differ in their gain at initialisation alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from nets import ghost_norm
from nets.ghost_norm import EPSILON, EXAMPLES, NONE, Norm
from nets.names import CONTEXT, VOCABULARY


class Architecture(NamedTuple):
    """How the hidden layers are put together."""

    norm: Norm = NONE  # of the pre-activations
    residual: bool = False  # each layer but the first adds to its input instead of replacing it


class Network(NamedTuple):
    """All that is learnt by an ensemble; the same names serve for gradients."""

    embedding: torch.Tensor  # [member, character, dimension]
    layers: list[torch.Tensor]  # the hidden ones and the last, each [member, unit below, unit]
    shifts: list[torch.Tensor]  # added to what goes into tanh, and to the logits, each [member, 1, unit]
    scales: list[torch.Tensor]  # of what was normalised, each [member, 1, unit]; none without normalisation

    def tensors(self) -> list[torch.Tensor]:
        """Return every tensor, always in the same order."""
        return [self.embedding, *self.layers, *self.shifts, *self.scales]

    def clone(self) -> Network:
        """Return a copy that shares nothing."""
        return Network(self.embedding.clone(), *([kind.clone() for kind in kinds] for kinds in self[1:]))

    def members(self) -> Iterator[Network]:
        """Yield each member as an ensemble of its own: what one needs stays in the cache, and what all need does not."""
        for at in range(len(self.embedding)):
            yield Network(self.embedding[at : at + 1], *([each[at : at + 1] for each in kind] for kind in self[1:]))


class Forward(NamedTuple):
    """What the forward pass of a batch leaves for the backward pass, layer by layer."""

    inputs: list[torch.Tensor]  # what each layer sees and last the logits, [member, example, unit]
    activations: list[torch.Tensor]  # tanh's outputs
    standardised: list[torch.Tensor]  # normalised pre-activations
    inverse_std: list[torch.Tensor]  # one over their standard deviation


def init(
    seed: int,
    gains: Sequence[float],
    depth: int,
    width: int,
    architecture: Architecture,
    dimension: int = 10,
    dtype: torch.dtype | None = None,
) -> Network:
    """Initialise a network once for each gain: hidden weights of std gain / sqrt(fan-in), and a small last layer.

    Whatever the gain and the architecture, the standard normal numbers behind the weights are the same.
    """
    generator = torch.Generator().manual_seed(seed)
    vocabulary, members = len(VOCABULARY), len(gains)
    below = [CONTEXT * dimension] + [width] * depth
    above = [width] * depth + [vocabulary]
    embedding = torch.randn(vocabulary, dimension, generator=generator, dtype=dtype)
    drawn = [torch.randn(shape, generator=generator, dtype=dtype) for shape in zip(below, above, strict=True)]
    gain = torch.tensor(gains, dtype=embedding.dtype)[:, None, None]  # [member, 1, 1]
    layers = [gain * (weight / weight.shape[0] ** 0.5) for weight in drawn[:-1]]
    layers.append((0.1 / width**0.5 * drawn[-1]).repeat(members, 1, 1))  # first logits of 0.1: next to nothing
    shifts = [layer.new_zeros(members, 1, layer.shape[2]) for layer in layers]
    scales = [] if architecture.norm.axis is None else [torch.ones_like(shift) for shift in shifts[:-1]]
    return Network(embedding.repeat(members, 1, 1), layers, shifts, scales)


def forward(
    network: Network, x: torch.Tensor, architecture: Architecture, share: torch.Tensor | None = None
) -> Forward:
    """Pass characters x [example, context], the same for all members, to the logits.

    Statistics over examples are the batch's or, with each example's `share` [example], so weighted.
    """
    passed = Forward([network.embedding[:, x].flatten(2)], [], [], [])
    for depth, (layer, shift) in enumerate(zip(network.layers, network.shifts, strict=True)):
        below = passed.inputs[-1]
        if depth == len(network.layers) - 1:
            passed.inputs.append(torch.baddbmm(shift, below, layer))
            break
        if architecture.norm.axis is None:
            activation = torch.baddbmm(shift, below, layer).tanh_()
        else:
            standardised, inverse_std = _standardise(torch.bmm(below, layer), architecture.norm, share)
            activation = torch.addcmul(shift, standardised, network.scales[depth]).tanh_()
            passed.standardised.append(standardised)
            passed.inverse_std.append(inverse_std)
        passed.activations.append(activation)
        passed.inputs.append(below + activation if architecture.residual and depth else activation)
    return passed


def gradient(network: Network, x: torch.Tensor, y: torch.Tensor, architecture: Architecture) -> Network:
    """Differentiate each member's mean cross-entropy over x [example, context] and y [example]."""
    return backward(network, forward(network, x, architecture), x, y, architecture)[0]


def backward(
    network: Network, passed: Forward, x: torch.Tensor, y: torch.Tensor, architecture: Architecture
) -> tuple[Network, list[torch.Tensor]]:
    """Return the gradient, and that with respect to each layer's input: [member, example, unit below] each."""
    error = torch.softmax(
        passed.inputs[-1], 2
    )  # becomes the gradient with respect to the logits: probability minus one-hot target
    error[:, torch.arange(len(y)), y] -= 1
    error.div_(len(y))
    layers, shifts, scales = [], [], []
    layers.append(torch.bmm(passed.inputs[-2].mT, error))
    shifts.append(error.sum(1, keepdim=True))
    above = [torch.bmm(error, network.layers[-1].mT)]
    for depth in range(len(network.layers) - 2, -1, -1):
        activation = passed.activations[depth]
        pre = above[-1] * torch.addcmul(activation.new_ones(()), activation, activation, value=-1)  # tanh's derivative
        shifts.append(pre.sum(1, keepdim=True))
        if architecture.norm.axis is not None:
            standardised = passed.standardised[depth]
            scales.append((pre * standardised).sum(1, keepdim=True))
            pre.mul_(network.scales[depth])
            pre = ghost_norm.backward(
                pre, standardised, passed.inverse_std[depth], architecture.norm, torch.empty_like(pre)
            )
        layers.append(torch.bmm(passed.inputs[depth].mT, pre))
        down = torch.bmm(pre, network.layers[depth].mT)
        above.append(down.add_(above[-1]) if architecture.residual and depth else down)
    embedding = torch.zeros_like(network.embedding)
    embedding.index_add_(1, x.flatten(), above[-1].view(len(embedding), -1, embedding.shape[2]))
    return Network(embedding, layers[::-1], shifts[::-1], scales[::-1]), above[::-1]


def losses(
    network: Network, x: torch.Tensor, next_counts: torch.Tensor, architecture: Architecture, share: torch.Tensor
) -> torch.Tensor:
    """Return each member's mean cross-entropy over counted contexts, in nats: [member], float64; NaN where it diverged.

    x [context, position] are distinct contexts, `next_counts` [context, character] how often each character followed,
    `share` [context] the weight of each in statistics over examples.
    """
    logarithms = torch.log_softmax(
        forward(network, x, architecture, share).inputs[-1], 2
    )  # [member, context, character]
    return -(logarithms * next_counts).sum((1, 2)) / next_counts.sum()


def _standardise(values: torch.Tensor, norm: Norm, share: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    if share is None or norm.axis != EXAMPLES:
        return ghost_norm.standardise(values, norm)
    weight = share.to(values.dtype)[:, None]
    mean = (values * weight).sum(1, keepdim=True)
    centred = values - mean
    inverse_std = (centred.square().mul_(weight).sum(1, keepdim=True) + EPSILON).rsqrt()
    return centred * inverse_std, inverse_std
