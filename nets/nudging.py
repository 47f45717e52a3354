"""Tables of nudges over several networks: how near their differences come to the derivative, and how often they agree."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import torch

from lab.estimate import Estimate
from lab.progress import track
from nets import nudges
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


def table(
    start: Weights, x: torch.Tensor, y: torch.Tensor, nudged: int, smallest: float, largest: float, many: int
) -> Table:
    """Nudge `nudged` weights of each network by `many` sizes, on its batch x [seed, example, context].

    Errors are of all nudged weights' central differences together, as a share of their gradient's length.
    """
    sizes = torch.logspace(torch.tensor(smallest).log10(), torch.tensor(largest).log10(), many, dtype=torch.float64)
    precisions = {"float64": torch.float64, "float32": torch.float32}
    found: dict[str, list[torch.Tensor]] = {name: [] for name in precisions}  # [measure, size], network by network
    total = sum(kind[0].numel() for kind in start)
    for seed in track(range(len(x)), "networks nudged"):
        chosen = torch.randperm(total, generator=torch.Generator().manual_seed(CHOICE + seed))[:nudged]
        nudger = nudges.Nudger(Weights(*(kind[seed] for kind in start)), x[seed], y[seed], chosen)
        slopes = nudger.slopes()
        length = slopes.first.square().sum().sqrt()
        for name, dtype in precisions.items():
            losses = nudger.nudge(sizes, dtype)
            rounding = nudges.noise(losses.at, dtype)
            error = (nudges.central(losses, sizes) - slopes.first).square().sum(1).sqrt()
            predicted = nudges.central_error(slopes, sizes, rounding)
            wrong, expected = nudges.wrong(losses, slopes), nudges.wrong_predicted(slopes, sizes, rounding)
            found[name].append(torch.stack([error / length, predicted / length, wrong, expected]))
    stacked = {name: torch.stack(each, 2) for name, each in found.items()}  # [measure, size, network]
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
