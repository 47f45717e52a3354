"""Nudges: what a loss does when one weight moves a little, measured, and as its derivatives and rounding predict."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.special import ndtr

from experiments.batch_average.per_example_gradients import batch_loss
from nets.mlp import Weights


class Slopes(NamedTuple):
    """Derivatives of the loss by each of the chosen weights, each [weight], float64."""

    first: torch.Tensor
    second: torch.Tensor
    third: torch.Tensor


class Nudged(NamedTuple):
    """The loss with each chosen weight nudged by each size, in one precision, all in float64."""

    at: float  # the loss where it stands
    up: torch.Tensor  # [size, weight]
    down: torch.Tensor  # [size, weight]


class Nudger:
    """One network's loss over one batch, as a function of how far one weight is moved."""

    def __init__(self, weights: Weights, x: torch.Tensor, y: torch.Tensor, chosen: torch.Tensor):
        """Take weights without [seed], a batch, and the chosen weights' places in all of them laid end to end."""
        self.shapes = [kind.shape for kind in weights]
        self.flat = torch.cat([kind.flatten() for kind in weights])
        self.x, self.y, self.chosen = x, y, chosen

    def slopes(self) -> Slopes:
        """Differentiate three times by each chosen weight."""
        flat, stand = self.flat.double(), torch.zeros(len(self.chosen), dtype=torch.float64)

        def moved(far: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
            return self._loss(flat, far, place)

        first = torch.func.grad(moved)
        second = torch.func.grad(first)
        found = [torch.func.vmap(slope)(stand, self.chosen) for slope in (first, second, torch.func.grad(second))]
        return Slopes(*(slope.detach() for slope in found))

    def nudge(self, sizes: torch.Tensor, dtype: torch.dtype) -> Nudged:
        """Move each chosen weight up and down by each of `sizes`, computing in `dtype`."""
        flat = self.flat.to(dtype)

        def losses(far: torch.Tensor) -> torch.Tensor:
            every: torch.Tensor = torch.func.vmap(lambda place: self._loss(flat, far, place))(self.chosen)
            return every.double()

        up, down = (torch.stack([losses(sign * size) for size in sizes.to(dtype)]) for sign in (1, -1))
        return Nudged(losses(torch.zeros((), dtype=dtype))[0].item(), up, down)

    def _loss(self, flat: torch.Tensor, far: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        moved = flat + far * (torch.arange(len(flat)) == place)
        kinds = torch.split(moved, [shape.numel() for shape in self.shapes])
        weights = Weights(*(kind.view(shape) for kind, shape in zip(kinds, self.shapes, strict=True)))
        return batch_loss(weights, self.x, self.y)


def central(nudged: Nudged, sizes: torch.Tensor) -> torch.Tensor:
    """Return the central differences, [size, weight]."""
    return (nudged.up - nudged.down) / (2 * sizes[:, None])


def noise(loss: float, dtype: torch.dtype) -> float:
    """Return the standard deviation of a difference of two losses by the rounding of each to the nearest number.

    Each is off by up to half a unit in the last place, uniformly: a variance of a twelfth of its square.
    """
    unit = torch.finfo(dtype).eps * 2.0 ** np.floor(np.log2(loss))
    return float(unit / 6**0.5)


def central_error(slopes: Slopes, sizes: torch.Tensor, rounding: float) -> torch.Tensor:
    """Return the error to be expected of all central differences together, root of the sum of squares: [size].

    The series leaves out a sixth of the third derivative times the size squared; rounding adds noise over twice the size.
    """
    left_out = slopes.third.square().sum().sqrt() * sizes**2 / 6
    added = len(slopes.first) ** 0.5 * rounding / (2 * sizes)
    return torch.hypot(left_out, added)


def wrong(nudged: Nudged, slopes: Slopes) -> torch.Tensor:
    """Return the share of nudges, up and down, in which the loss does not go where the slope says: [size]."""
    expected = slopes.first.sign()
    up, down = (nudged.up - nudged.at).sign(), (nudged.down - nudged.at).sign()
    return torch.stack([up != expected, down != -expected]).double().mean((0, 2))


def wrong_predicted(slopes: Slopes, sizes: torch.Tensor, rounding: float) -> torch.Tensor:
    """Return the same share by three derivatives and the rounding: [size].

    A change must come out of the rounding on the right side of zero by half a unit, or it is stored as none.
    """
    first, second, third = (slope[None] for slope in slopes)
    half = rounding * 6**0.5 / 2
    shares = []
    for sign in (1, -1):
        far = sign * sizes[:, None]
        change = first * far + second * far**2 / 2 + third * far**3 / 6  # [size, weight]
        rightward = change * sign * first.sign()
        risk = torch.tensor(ndtr(((half - rightward) / rounding).numpy()))
        shares.append(torch.where(first == 0, 0.0, risk).mean(1))
    return (shares[0] + shares[1]) / 2
