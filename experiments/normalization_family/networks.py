"""The names network with a norm of any kind, many at once: each norm is a choice of the values that share statistics.

A hidden layer looks at windows of three characters.  With one window it is the names network; with several it is a small
convolution, whose channels take a value at each position.  The values of a batch are seen as
[member, part of the batch, example, position, group of channels, channel], and a norm takes mean and variance over some of these
axes.  Members with the same norm lie side by side.  The gradient is written out, as in `nets.mlp`: with one example a step, a
graph would take most of the time.  tests/test_normalization_family.py holds it against PyTorch's own layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

import torch

from nets import mlp
from nets.names import CONTEXT, Counts

NETWORK, CONVOLUTION = "names network", "convolution"
EPSILON = 1e-5  # added to variances, as PyTorch's layers do
MOMENTUM = 0.1  # of running averages, PyTorch's own
PART, EXAMPLE, POSITION, GROUP, CHANNEL = range(1, 6)  # axes of the values; axis 0 is the member's


class Norm(NamedTuple):
    """Which values share statistics."""

    axes: tuple[int, ...]  # that mean and variance run over; none: no normalisation
    centred: bool = True  # whether the mean is subtracted; else divided by the RMS
    groups: int = 1  # of channels
    parts: int = 1  # of the batch: ghost batches

    @property
    def couples(self) -> bool:
        """Whether statistics run over examples."""
        return EXAMPLE in self.axes


class Weights(NamedTuple):
    """All that is learnt by an ensemble; the same names serve for gradients."""

    embedding: torch.Tensor  # [member, character, dimension]
    hidden: torch.Tensor  # [member, 3 * dimension, channel]
    scale: torch.Tensor  # [member, 1, channel]
    shift: torch.Tensor  # [member, 1, channel]
    output: torch.Tensor  # [member, position * channel, character]
    output_bias: torch.Tensor  # [member, 1, character]


class Running(NamedTuple):
    """PyTorch's running averages of a batch norm, by which it evaluates."""

    mean: torch.Tensor  # [member, 1, channel]
    variance: torch.Tensor  # [member, 1, channel]


def init(seeds: Sequence[int], channels: int, positions: int, dimension: int) -> Weights:
    """Initialise: pre-activations of unit variance, small first logits, scale 1 and no shift."""
    normal = mlp.init(seeds, channels * positions, dimension)
    hidden = normal.hidden[:, :, :channels]
    return Weights(
        embedding=normal.embedding,
        hidden=(hidden / hidden.shape[1] ** 0.5).contiguous(),
        scale=torch.ones(len(seeds), 1, channels),
        shift=torch.zeros(len(seeds), 1, channels),
        output=0.1 * normal.output / (channels * positions) ** 0.5,
        output_bias=torch.zeros_like(normal.output_bias),
    )


def repeat(weights: Weights, times: int) -> Weights:
    """Repeat an ensemble, one copy after the other."""
    return Weights(*(tensor.repeat(times, 1, 1) for tensor in weights))


def windows(x: torch.Tensor) -> torch.Tensor:
    """Return the windows of contexts x [..., example, context]: [..., example * position, 3], one after the other."""
    return x.unfold(-1, CONTEXT, 1).flatten(-3, -2)


def view(values: torch.Tensor, norm: Norm, positions: int) -> torch.Tensor:
    """View [member, example * position, channel] by the axes above."""
    members, rows, channels = values.shape
    examples = rows // positions // norm.parts
    return values.view(members, norm.parts, examples, positions, norm.groups, channels // norm.groups)


def standardise(values: torch.Tensor, norm: Norm, positions: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Standardise [member, example * position, channel] in place; return also the inverse deviation, by the axes above."""
    if not norm.axes:
        return values, values.new_ones(())
    seen = view(values, norm, positions)
    share = _share(seen, norm)
    if norm.centred:
        seen.sub_(_total(seen, norm), alpha=share)
    inverse = _total(seen.square(), norm).mul_(share).add_(EPSILON).rsqrt_()
    seen.mul_(inverse)
    return values, inverse


def backward(
    gradient: torch.Tensor, standard: torch.Tensor, inverse: torch.Tensor, norm: Norm, positions: int
) -> torch.Tensor:
    """Turn the gradient with respect to standardised values into that with respect to values, in place.

    The statistics move with the values.  So what the gradient has in common with a constant, and with the standardised
    values, is taken out of it: two of as many directions as values share statistics.
    """
    if not norm.axes:
        return gradient
    seen, values = view(gradient, norm, positions), view(standard, norm, positions)
    share, along = _share(seen, norm), _total(seen * values, norm)
    if norm.centred:
        seen.sub_(_total(seen, norm), alpha=share)
    seen.addcmul_(values, along, value=-share).mul_(inverse)
    return gradient


def tanh(values: torch.Tensor) -> torch.Tensor:
    """Turn values into their tanh, in place: PyTorch's sigmoid takes a fifth of the time of its tanh."""
    return values.mul_(2).sigmoid_().mul_(2).sub_(1)


def _total(seen: torch.Tensor, norm: Norm) -> torch.Tensor:
    """Sum values, by the axes above, over those that share statistics."""
    if norm.axes == (POSITION, CHANNEL):  # apart: PyTorch is slow on axes that do not lie side by side
        return seen.sum(POSITION, keepdim=True).sum(CHANNEL, keepdim=True)
    return seen.sum(norm.axes, keepdim=True)


def _share(seen: torch.Tensor, norm: Norm) -> float:
    """Return one over the number of values that share statistics."""
    return 1 / prod(seen.shape[axis] for axis in norm.axes)


def train(
    weights: Weights,
    x: torch.Tensor,
    y: torch.Tensor,
    order: torch.Tensor,
    lrs: torch.Tensor,
    slices: Sequence[tuple[Norm, slice]],
) -> Iterator[tuple[Weights, Running]]:
    """Train a copy by plain SGD on contexts x [example, context] and characters y [example]; yield after every step.

    `order` [step, seed, batch] says which examples; the members are all seeds for the first learning rate, for the next, and
    so on; `lrs` [member].  `slices` says which norm which members have.  The tensors are changed in place from then on.
    """
    trained = Weights(*(tensor.clone() for tensor in weights))
    members, channels = len(trained.hidden), trained.hidden.shape[2]
    positions = trained.output.shape[1] // channels
    running = Running(torch.zeros(members, 1, channels), torch.ones(members, 1, channels))
    seeds = order.shape[1]
    seen = windows(x).view(len(x), positions, CONTEXT)
    for chosen in order:
        batch = seen[chosen].view(seeds, -1, CONTEXT).repeat(members // seeds, 1, 1)  # [member, example * position, 3]
        add_gradient(trained, -lrs, trained, batch, y[chosen].repeat(members // seeds, 1), slices, running)
        yield trained, running


def add_gradient(
    to: Weights,
    factors: torch.Tensor,
    weights: Weights,
    windows: torch.Tensor,
    y: torch.Tensor,
    slices: Sequence[tuple[Norm, slice]],
    running: Running | None = None,
) -> None:
    """Add each member's gradient, times its factor [member], to tensors that may be the weights themselves.

    The gradient is that of the mean loss over windows [member, example * position, 3] and characters y [member, example].
    A step of gradient descent so passes over the weights once: with few examples that is most of its time.
    Running averages, if given, are moved.
    """
    members, examples = y.shape
    channels = weights.hidden.shape[2]
    positions = weights.output.shape[1] // channels
    rows = mlp.embedding_rows(weights.embedding, windows)
    embedded = mlp.embed(weights.embedding, rows)
    standard = torch.bmm(embedded, weights.hidden)
    inverses = []
    for norm, part in slices:
        mean = standard[part].mean(1, keepdim=True) if running and norm.couples and norm.parts == 1 else None
        inverses.append(standardise(standard[part], norm, positions)[1])  # in place
        if running and mean is not None:
            _move(running, part, mean, inverses[-1].view_as(mean), standard.shape[1])
    hidden = tanh(torch.addcmul(weights.shift, standard, weights.scale))
    flat = hidden.view(members, examples, -1)
    logits_grad = mlp.logits_gradient(torch.baddbmm(weights.output_bias, flat, weights.output), y)
    logits_grad.mul_(factors[:, None, None])
    pre_gradient = torch.bmm(logits_grad, weights.output.mT).view(members, -1, channels)
    to.output.baddbmm_(flat.mT, logits_grad)
    to.output_bias.add_(logits_grad.sum(1, keepdim=True))
    pre_gradient.mul_(torch.addcmul(hidden.new_ones(()), hidden, hidden, value=-1, out=hidden))  # 1 - tanh^2
    shift, scale = pre_gradient.sum(1, keepdim=True), torch.mul(pre_gradient, standard, out=hidden).sum(1, keepdim=True)
    pre_gradient.mul_(weights.scale)
    to.scale.add_(scale)
    to.shift.add_(shift)
    for (norm, part), inverse in zip(slices, inverses, strict=True):
        backward(pre_gradient[part], standard[part], inverse, norm, positions)
    below = torch.bmm(pre_gradient, weights.hidden.mT).view(-1, weights.embedding.shape[2])
    to.hidden.baddbmm_(embedded.mT, pre_gradient)
    to.embedding.view(-1, below.shape[1]).index_add_(0, rows.view(-1), below)


def losses(
    weights: Weights,
    norm: Norm,
    population: Counts,
    data: Sequence[tuple[torch.Tensor, torch.Tensor]],
    mates: int = 0,
    running: Running | None = None,
) -> torch.Tensor:
    """Return each member's mean cross-entropy over each of `data`: [data, member], float64.

    `data` holds places of windows in the population, [example, position], and next characters [example].  Where the norm
    couples examples, its statistics are the population's, at these weights, as for evaluation; or running averages, if
    given; or, with `mates`, those of batches of so many examples, as in training.
    """
    found = []
    positions = data[0][0].shape[1]
    for place, alone in enumerate(mlp.members(weights)):
        table = alone.embedding[0][population.contexts].flatten(1) @ alone.hidden[0]  # [window, channel]
        within = norm  # an example
        if norm.couples and not mates:
            mean, variance = (tensor[place] for tensor in running) if running else _statistics(table, population)
            table, within = (table - mean) * (variance + EPSILON).rsqrt(), Norm(())
        by_window = positions == 1 and not mates  # then windows alone decide, and there are fewer of them than examples
        by_place = _logits(alone, standardise(table[None], within, 1)[0], 1) if by_window else table
        row = []
        for windows, y in data:
            whole = len(y) // mates * mates if mates else len(y)
            chosen = by_place[windows[:whole]].flatten(0, 1)  # [example, character], or [example * position, channel]
            if not by_window:
                parted = within._replace(parts=whole // mates) if mates else within
                chosen = _logits(alone, standardise(chosen[None], parted, positions)[0], positions)
            row.append(torch.nn.functional.cross_entropy(chosen, y[:whole]).double())
        found.append(torch.stack(row))
    return torch.stack(found, 1)


def _logits(alone: Weights, standard: torch.Tensor, positions: int) -> torch.Tensor:
    """Return a single network's logits [example, character] from standardised values [1, example * position, channel]."""
    hidden = tanh(torch.addcmul(alone.shift, standard, alone.scale)).view(1, len(standard[0]) // positions, -1)
    return torch.baddbmm(alone.output_bias, hidden, alone.output)[0]


def gradient_share(weights: Weights, x: torch.Tensor, y: torch.Tensor, norm: Norm) -> torch.Tensor:
    """Return the share of the squared gradient that gets through the norm: [member], float64.

    It is taken on batches x [member, example, context], y [member, example], of the gradient with respect to standardised
    values, whose statistics then move along or are held still; both are divided by the same deviations.
    """
    members, examples = y.shape
    channels = weights.hidden.shape[2]
    positions = weights.output.shape[1] // channels
    embedded = mlp.embed(weights.embedding, mlp.embedding_rows(weights.embedding, windows(x)))
    standard, inverse = standardise(torch.bmm(embedded, weights.hidden), norm, positions)
    hidden = tanh(torch.addcmul(weights.shift, standard, weights.scale))
    logits_grad = mlp.logits_gradient(
        torch.baddbmm(weights.output_bias, hidden.view(members, examples, -1), weights.output), y
    )
    still = (
        torch.bmm(logits_grad, weights.output.mT).view(members, -1, channels) * (1 - hidden.square()) * weights.scale
    )
    moving = backward(still.clone(), standard, inverse.new_ones(()), norm, positions)
    return moving.double().square().sum((1, 2)) / still.double().square().sum((1, 2))


def _statistics(values: torch.Tensor, population: Counts) -> tuple[torch.Tensor, torch.Tensor]:
    share = (population.next_counts.sum(1) / population.next_counts.sum()).to(values.dtype)[:, None]
    mean = (values * share).sum(0, keepdim=True)
    return mean, ((values - mean).square() * share).sum(0, keepdim=True)


def _move(running: Running, part: slice, mean: torch.Tensor, inverse: torch.Tensor, values: int) -> None:
    """Move running averages as PyTorch does: towards the batch's mean and unbiased variance."""
    biased = inverse.pow(-2).sub_(EPSILON)  # what the values were divided by: to find it again takes time
    running.mean[part].lerp_(mean, MOMENTUM)
    running.variance[part].lerp_(biased.mul_(values / (values - 1)), MOMENTUM)
