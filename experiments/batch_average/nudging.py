"""Tables of nudges over several networks: how near their differences come to the derivative, and how often they agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import torch

from experiments.batch_average import finite_differences
from lab.estimate import Estimate
from nets.mlp import Weights

CHOICE = 3_000_017  # added to a seed for which weights are nudged, so that it repeats neither draws nor batches


class Table(NamedTuple):
    """What became of the nudges."""

    table: pd.DataFrame  # per precision and size: error, low, high, error_predicted; wrong, low, high and predicted too
    errors: dict[str, torch.Tensor]  # by precision: [size, network]
    agree: dict[str, torch.Tensor]  # by precision: share of right directions, [size, network]
    sizes: torch.Tensor


class Best(NamedTuple):
    """The best that a precision allows."""

    size: float  # of the nudge that comes nearest
    error: Estimate  # there
    agree: float  # share of right directions at the size where it is largest


def sizes(smallest: float, largest: float, many: int) -> torch.Tensor:
    """Return `many` sizes of nudges between the two, in equal ratios."""
    return torch.logspace(torch.tensor(smallest).log10(), torch.tensor(largest).log10(), many, dtype=torch.float64)


def measure(
    weights: Weights, x: torch.Tensor, y: torch.Tensor, seed: int, nudged: int, sizes: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Nudge `nudged` weights of one network, without [seed], by all sizes, on its batch x [example, context].

    Returns by precision [measure, size]: error of all nudged weights' central differences together, as a share of their
    gradient's length; that error as predicted; share of wrong directions; that share as predicted.
    """
    total = sum(kind.numel() for kind in weights)
    chosen = torch.randperm(total, generator=torch.Generator().manual_seed(CHOICE + seed))[:nudged]
    nudger = finite_differences.Nudger(weights, x, y, chosen)
    slopes = nudger.slopes()
    length = slopes.first.square().sum().sqrt()
    found = {}
    for name, dtype in (("float64", torch.float64), ("float32", torch.float32)):
        losses = nudger.nudge(sizes, dtype)
        rounding = finite_differences.noise(losses.at, dtype)
        error = (finite_differences.central(losses, sizes) - slopes.first).square().sum(1).sqrt()
        predicted = finite_differences.central_error(slopes, sizes, rounding)
        wrong, expected = (
            finite_differences.wrong(losses, slopes),
            finite_differences.wrong_predicted(slopes, sizes, rounding),
        )
        found[name] = torch.stack([error / length, predicted / length, wrong, expected])
    return found


def table(found: Sequence[dict[str, torch.Tensor]], sizes: torch.Tensor) -> Table:
    """Tabulate what `measure` found in each network."""
    stacked = {name: torch.stack([each[name] for each in found], 2) for name in found[0]}  # [measure, size, network]
    rows = [
        {"precision": name, "size": size.item()} | _row(measures[:, index])
        for name, measures in stacked.items()
        for index, size in enumerate(sizes)
    ]
    errors = {name: measures[0] for name, measures in stacked.items()}
    return Table(pd.DataFrame(rows), errors, {name: 1 - measures[2] for name, measures in stacked.items()}, sizes)


def best(nudged: Table) -> dict[str, Best]:
    """Return the nearest that each precision comes."""
    found = {}
    for name, errors in nudged.errors.items():
        index = int(errors.mean(1).argmin())
        agree = nudged.agree[name].mean(1).max().item()
        found[name] = Best(nudged.sizes[index].item(), Estimate.of(errors[index].tolist()), agree)
    return found


def _row(measures: torch.Tensor) -> dict[str, float]:
    error, wrong = Estimate.of(measures[0].tolist()), Estimate.of(measures[2].tolist())
    return {
        "error": error.mean,
        "error_low": error.low,
        "error_high": error.high,
        "error_predicted": measures[1].mean().item(),
        "wrong": wrong.mean,
        "wrong_low": wrong.low,
        "wrong_high": wrong.high,
        "wrong_predicted": measures[3].mean().item(),
    }
