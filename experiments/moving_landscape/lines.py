"""The loss along straight lines through the weights, and the parabolas that are fitted to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from experiments.moving_landscape.networks import NORM, TANH, Running, Weights
from nets.ghost_norm import EPSILON
from nets.names import VOCABULARY, Counts

Array = NDArray[np.float64]

LANES = 32  # a matrix product with so many columns takes three fifths of the time of one with 27


class Examples(NamedTuple):
    """Batches of contexts and what follows them: one batch of all data, or many small ones."""

    x: torch.Tensor  # [batch, context, position]
    shares: torch.Tensor  # [batch, context, character]: of the batch's examples, so that they add up to 1

    @classmethod
    def all_of(cls, counts: Counts) -> Examples:
        """Make one batch of all data; the loss depends on nothing but how often what follows what."""
        return cls(counts.contexts[None], (counts.next_counts / counts.next_counts.sum())[None])

    @classmethod
    def batches(cls, x: torch.Tensor, y: torch.Tensor, chosen: torch.Tensor) -> Examples:
        """Make batches of the examples chosen [batch, example]."""
        return cls(x[chosen], F.one_hot(y[chosen], len(VOCABULARY)) / chosen.shape[1])

    def next(self) -> Examples:
        """Put each batch in the place of the one before it."""
        return Examples(self.x.roll(-1, 0), self.shares.roll(-1, 0))


@dataclass(frozen=True)
class Loss:
    """The loss of one variant as a function of its weights, with all else that it depends on."""

    variant: str
    penalty: float = 0.0  # weight decay's λ
    keep: torch.Tensor | None = None  # dropout's masks, [batch, example, unit]
    running: Running | None = None  # batch norm's running averages, in evaluation mode; None: the batch's own

    def pre_activations(self, weights: Weights, examples: Examples) -> torch.Tensor:
        """Return what goes into the activation function, [batch, context, unit]."""
        # What each character adds at each position, looked up: a quarter of the time of a product for each context.
        embedding, (*batch, positions) = weights["embedding.weight"], examples.x.shape
        hidden = weights["hidden.weight"].view(-1, positions, embedding.shape[1])
        parts = torch.einsum("cd,upd->pcu", embedding, hidden) + weights["hidden.bias"] / positions
        rows = examples.x + len(embedding) * torch.arange(positions)
        values = F.embedding_bag(rows.flatten(0, 1), parts.flatten(0, 1), mode="sum").view(*batch, -1)
        if self.variant != NORM:
            return values
        if self.running:
            mean, variance = self.running
        else:
            share = examples.shares.sum(2, keepdim=True).to(values)
            mean = (share * values).sum(1, keepdim=True)
            variance = (share * (values - mean).square()).sum(1, keepdim=True)
        return (values - mean) * (variance + EPSILON).rsqrt() * weights["norm.weight"] + weights["norm.bias"]

    def each(self, weights: Weights, examples: Examples, active: torch.Tensor | None = None) -> torch.Tensor:
        """Return minus the logarithm of every character's probability, [batch, context, character].

        `active` says which ReLU units are, in place of the signs of their pre-activations.
        """
        values = self.pre_activations(weights, examples)
        activation = torch.tanh_ if self.variant == TANH else torch.relu_
        hidden = activation(values) if active is None else values * active
        if self.keep is not None:
            hidden = hidden * self.keep
        more = LANES - len(VOCABULARY)
        output, bias = F.pad(weights["output.weight"], (0, 0, 0, more)), F.pad(weights["output.bias"], (0, more))
        return -torch.log_softmax(F.linear(hidden, output, bias)[..., : len(VOCABULARY)], 2)

    def __call__(self, weights: Weights, examples: Examples, active: torch.Tensor | None = None) -> torch.Tensor:
        """Return each batch's loss, summed in float64."""
        losses = (self.each(weights, examples, active).double() * examples.shares).sum((1, 2))
        return losses + self.penalty / 2 * squares(weights) if self.penalty else losses


class Shape(NamedTuple):
    """What parabolas say of curves, one number each: second derivative, and where the minimum lies."""

    curvature: Array
    place: Array  # distance from the weights


class Line:
    """A line in weight space: a direction of unit length, and the points at which a loss is evaluated."""

    def __init__(self, direction: Weights, reach: float, points: int) -> None:
        length = float(squares(direction)) ** 0.5
        self.direction = {name: tensor / length for name, tensor in direction.items()}
        self.distances = torch.linspace(-reach, reach, points, dtype=torch.float64)
        powers = torch.stack([self.distances**2, self.distances, self.distances**0], 1)
        self.fit = torch.linalg.pinv(powers)  # [coefficient, point]: least squares

    def points(self, weights: Weights) -> list[dict[str, torch.Tensor]]:
        """Return the weights at each point of the line through these weights."""
        return [
            {name: tensor + distance * self.direction[name] for name, tensor in weights.items()}
            for distance in self.distances.tolist()
        ]

    def curves(self, loss: Loss, weights: Weights, examples: Examples, switched: Weights | None = None) -> torch.Tensor:
        """Return each batch's loss along the line through these weights, [point, batch].

        With `switched`, those ReLU units are active that would be on the line through these other weights.
        """
        active: list[torch.Tensor | None] = [None] * len(self.distances)
        if switched:
            active = [loss.pre_activations(there, examples) > 0 for there in self.points(switched)]
        points = zip(self.points(weights), active, strict=True)
        return torch.stack([loss(there, examples, units) for there, units in points])

    def parabolas(self, curves: torch.Tensor) -> Shape:
        """Fit a parabola to each of the curves [point, batch]."""
        square, slope, _ = (self.fit @ curves).numpy()
        return Shape(2 * square, -slope / (2 * square))

    def misfit(self, curve: torch.Tensor) -> float:
        """Return the share of a curve's variance over its points that its parabola leaves."""
        powers = torch.stack([self.distances**2, self.distances, self.distances**0], 1)
        return float((curve - powers @ (self.fit @ curve)).var() / curve.var())

    def each(self, loss: Loss, weights: Weights, data: Examples) -> torch.Tensor:
        """Return every character's loss along the line through these weights, [point, context, character], float64."""
        return torch.stack([loss.each(there, data)[0].double() for there in self.points(weights)])

    def law(self, each: torch.Tensor, data: Examples) -> tuple[float, float]:
        """Return standard deviations over single examples: of the curvature over its mean, of the pull on the minimum.

        A batch's parabola is the mean of its examples' parabolas, so its numbers vary less by the root of its size: the
        curvature's exactly, the place's to first order.
        """
        square, slope, _ = torch.einsum("cp,pnk->cnk", self.fit, each)  # of each context and character
        share = data.shares[0]
        mean_square, mean_slope = (share * square).sum(), (share * slope).sum()
        place = -mean_slope / (2 * mean_square)
        pull = (2 * square * place + slope) / (2 * mean_square)
        curvature = ((share * (square / mean_square - 1).square()).sum()).sqrt()
        return float(curvature), float((share * pull.square()).sum().sqrt())


def squares(weights: Weights) -> torch.Tensor:
    """Return the sum of all weights' squares, in float64."""
    return torch.stack([tensor.double().square().sum() for tensor in weights.values()]).sum()


def difference(one: Weights, other: Weights) -> dict[str, torch.Tensor]:
    """Return the way from `other` to `one`."""
    return {name: tensor - other[name] for name, tensor in one.items()}


def gradient(loss: Loss, weights: Weights, examples: Examples) -> dict[str, torch.Tensor]:
    """Differentiate the loss of the first batch with respect to each parameter."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
    found = torch.autograd.grad(loss(leaves, examples)[0], list(leaves.values()))
    return dict(zip(weights, found, strict=True))
