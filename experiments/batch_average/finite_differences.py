"""What a loss does when one weight is perturbed, measured, and as its derivatives and rounding predict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.special import ndtr

from experiments.batch_average.per_example_gradients import batch_loss
from lab.estimate import Estimate
from nets.mlp import Weights

ROUNDED_ONCE = "float64, rounded once"  # to float32 at the end: control for what rounding on the way to the loss adds
CHOICE_SEED = (
    3_000_017  # added to a seed for which weights are perturbed, so that it repeats neither weights nor batches
)


class Derivatives(NamedTuple):
    """Derivatives of the loss with respect to each of the chosen weights, each [weight], float64."""

    first: torch.Tensor
    second: torch.Tensor
    third: torch.Tensor


class PerturbedLosses(NamedTuple):
    """The loss with each chosen weight perturbed by each h, in one precision, all in float64."""

    unperturbed: float
    up: torch.Tensor  # [h, weight]
    down: torch.Tensor  # [h, weight]


class PerturbedNetwork:
    """One network's loss over one batch, as a function of how far one weight is moved."""

    def __init__(self, weights: Weights, x: torch.Tensor, y: torch.Tensor, chosen: torch.Tensor):
        """Take weights without [seed], a batch, and the chosen weights' places in all of them laid end to end."""
        self.shapes = [tensor.shape for tensor in weights]
        self.flat = torch.cat([tensor.flatten() for tensor in weights])
        self.x, self.y, self.chosen = x, y, chosen

    def derivatives(self) -> Derivatives:
        """Differentiate three times with respect to each chosen weight."""
        flat, unmoved = self.flat.double(), torch.zeros(len(self.chosen), dtype=torch.float64)

        def loss(h: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
            return self._loss(flat, h, place)

        first = torch.func.grad(loss)
        second = torch.func.grad(first)
        found = [torch.func.vmap(each)(unmoved, self.chosen) for each in (first, second, torch.func.grad(second))]
        return Derivatives(*(each.detach() for each in found))

    def perturb(self, h: torch.Tensor, dtype: torch.dtype) -> PerturbedLosses:
        """Move each chosen weight up and down by each of `h`, computing in `dtype`."""
        flat = self.flat.to(dtype)

        def losses(moved_by: torch.Tensor) -> torch.Tensor:
            each: torch.Tensor = torch.func.vmap(lambda place: self._loss(flat, moved_by, place))(self.chosen)
            return each.double()

        up, down = (torch.stack([losses(sign * size) for size in h.to(dtype)]) for sign in (1, -1))
        return PerturbedLosses(losses(torch.zeros((), dtype=dtype))[0].item(), up, down)

    def _loss(self, flat: torch.Tensor, h: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        moved = flat + h * (torch.arange(len(flat)) == place)
        tensors = torch.split(moved, [shape.numel() for shape in self.shapes])
        weights = Weights(*(tensor.view(shape) for tensor, shape in zip(tensors, self.shapes, strict=True)))
        return batch_loss(weights, self.x, self.y)


def round_once(losses: PerturbedLosses) -> PerturbedLosses:
    """Round losses to float32, as they would be stored there."""
    up, down = (each.float().double() for each in (losses.up, losses.down))
    return PerturbedLosses(torch.tensor(losses.unperturbed, dtype=torch.float32).item(), up, down)


def central_differences(losses: PerturbedLosses, h: torch.Tensor) -> torch.Tensor:
    """Return the central differences, [h, weight]."""
    return (losses.up - losses.down) / (2 * h[:, None])


def rounding_noise(loss: float, dtype: torch.dtype) -> float:
    """Return the standard deviation of a difference of two losses by the rounding of each to the nearest number.

    Each is off by up to half a unit in the last place, uniformly: a variance of a twelfth of its square.
    """
    unit = torch.finfo(dtype).eps * 2.0 ** np.floor(np.log2(loss))
    return float(unit / 6**0.5)


def predicted_error(derivatives: Derivatives, h: torch.Tensor, noise: float) -> torch.Tensor:
    """Return the error to be expected of all central differences together, root of the sum of squares: [h].

    The series leaves out a sixth of the third derivative times h squared; rounding adds its noise over 2 h.
    """
    left_out = derivatives.third.square().sum().sqrt() * h**2 / 6
    added = len(derivatives.first) ** 0.5 * noise / (2 * h)
    return torch.hypot(left_out, added)


def wrong_directions(losses: PerturbedLosses, derivatives: Derivatives) -> torch.Tensor:
    """Return the share of perturbations, up and down, after which the loss does not go where the derivative says: [h]."""
    expected = derivatives.first.sign()
    up, down = (losses.up - losses.unperturbed).sign(), (losses.down - losses.unperturbed).sign()
    return torch.stack([up != expected, down != -expected]).double().mean((0, 2))


def predicted_wrong_directions(derivatives: Derivatives, h: torch.Tensor, noise: float) -> torch.Tensor:
    """Return the same share by three derivatives and the rounding: [h].

    A change must come out of the rounding on the right side of zero by half a unit, or it is stored as none.
    """
    first, second, third = (each[None] for each in derivatives)
    half_unit = noise * 6**0.5 / 2
    shares = []
    for sign in (1, -1):
        moved_by = sign * h[:, None]
        change = first * moved_by + second * moved_by**2 / 2 + third * moved_by**3 / 6  # [h, weight]
        in_the_right_direction = change * sign * first.sign()
        risk = torch.tensor(ndtr(((half_unit - in_the_right_direction) / noise).numpy()))
        shares.append(torch.where(first == 0, 0.0, risk).mean(1))
    return (shares[0] + shares[1]) / 2


# All networks


def h_values(smallest: float, largest: float, count: int) -> torch.Tensor:
    """Return `count` sizes of perturbations between the two, in equal ratios."""
    return torch.logspace(torch.tensor(smallest).log10(), torch.tensor(largest).log10(), count, dtype=torch.float64)


class Measured(NamedTuple):
    """What becomes of one network's perturbations in one precision, each [h]."""

    error: torch.Tensor  # of all its central differences together, as a share of their gradient's length
    error_predicted: torch.Tensor
    wrong: torch.Tensor  # share of wrong directions
    wrong_predicted: torch.Tensor


def measure(
    weights: Weights, x: torch.Tensor, y: torch.Tensor, seed: int, perturbed: int, h: torch.Tensor
) -> dict[str, Measured]:
    """Perturb some weights of one network, without [seed], by each of `h`, on its batch x [example, context].

    `perturbed` is their number.  Returns what is measured by precision.
    """
    total = sum(tensor.numel() for tensor in weights)
    chosen = torch.randperm(total, generator=torch.Generator().manual_seed(CHOICE_SEED + seed))[:perturbed]
    network = PerturbedNetwork(weights, x, y, chosen)
    derivatives = network.derivatives()
    length = derivatives.first.square().sum().sqrt()
    exact = network.perturb(h, torch.float64)
    found = {}
    for name, losses, dtype in (
        ("float64", exact, torch.float64),
        ("float32", network.perturb(h, torch.float32), torch.float32),
        (ROUNDED_ONCE, round_once(exact), torch.float32),
    ):
        noise = rounding_noise(losses.unperturbed, dtype)
        error = (central_differences(losses, h) - derivatives.first).square().sum(1).sqrt()
        found[name] = Measured(
            error=error / length,
            error_predicted=predicted_error(derivatives, h, noise) / length,
            wrong=wrong_directions(losses, derivatives),
            wrong_predicted=predicted_wrong_directions(derivatives, h, noise),
        )
    return found


def stack(networks: Sequence[dict[str, Measured]]) -> dict[str, Measured]:
    """Put together what was measured in each network, by precision: [h, network]."""
    return {
        name: Measured(*(torch.stack(each, 1) for each in zip(*(found[name] for found in networks), strict=True)))
        for name in networks[0]
    }


def error_table(measured: dict[str, Measured], h: torch.Tensor) -> pd.DataFrame:
    """Table what was measured: a row for each precision and h, with error and wrong directions, and as predicted."""
    return pd.DataFrame(
        [
            {"precision": name, "h": size}
            | Estimate.columns("error", found.error[index].tolist())
            | {"error_predicted": found.error_predicted[index].mean().item()}
            | Estimate.columns("wrong", found.wrong[index].tolist())
            | {"wrong_predicted": found.wrong_predicted[index].mean().item()}
            for name, found in measured.items()
            for index, size in enumerate(h.tolist())
        ]
    )


class Best(NamedTuple):
    """The best that a precision allows."""

    h: float  # of the central differences that come nearest
    error: Estimate  # there
    right: float  # share of right directions at the h where it is largest


def best(measured: Measured, h: torch.Tensor) -> Best:
    """Return the nearest that the central differences come to the gradient, and the largest share of right directions."""
    index = int(measured.error.mean(1).argmin())
    right = (1 - measured.wrong).mean(1).max().item()
    return Best(h[index].item(), Estimate.of(measured.error[index].tolist()), right)
