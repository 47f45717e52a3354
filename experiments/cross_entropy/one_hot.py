"""Cross-entropy with a one-hot target, in the notes' two spellings and the library's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from lab.estimate import Estimate

SMALLEST = 2.0**-150  # half the smallest float32 above zero: a probability below it is stored as 0


def sum_over_letters(probabilities: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Add up -gt * log(pv) over the letters, for probabilities and one-hot targets [example, letter]: [example]."""
    return (-target * probabilities.log()).sum(1)


def one_term(probabilities: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Take -log of the probability at which the target is 1: [example]."""
    return -probabilities[target == 1].log()


class Comparison(NamedTuple):
    """How far the spellings are from each other."""

    apart: float  # largest relative difference of sum and one term, and of the library given one-hot and given indices
    rough: float  # largest relative difference of the one term from the library, where it is a number
    lost: Estimate  # share of examples in which the sum is no number and the one term is, at the worst spread
    table: pd.DataFrame  # per spread: that share (lost, low, high), and the one predicted


def compare(letters: int, examples: int, spreads: Sequence[float], seeds: int) -> Comparison:
    """Take the loss of normal logits of several spreads, in float32, in each spelling."""
    apart, rough, lost, predictions = [0.0], [0.0], [], []
    for spread in spreads:
        shares, predicted = [], []
        for seed in range(seeds):
            generator = torch.Generator().manual_seed(seed)
            logits = spread * torch.randn(examples, letters, generator=generator)
            y = torch.randint(letters, (examples,), generator=generator)
            target = torch.nn.functional.one_hot(y, letters).float()  # [example, letter]
            probabilities = torch.softmax(logits, 1)
            total, term = sum_over_letters(probabilities, target), one_term(probabilities, target)
            library, by_index = (
                torch.nn.functional.cross_entropy(logits, given, reduction="none") for given in (target, y)
            )
            apart += [_difference(total, term), _difference(library, by_index)]
            rough.append(_difference(term, library))
            shares.append(float((term.isfinite() & total.isnan()).double().mean()))
            predicted.append(_predicted(logits, y))
        lost.append(Estimate.of(shares))
        predictions.append(float(np.mean(predicted)))
    rows = [
        {"spread": spread, "lost": share.mean, "low": share.low, "high": share.high, "predicted": prediction}
        for spread, share, prediction in zip(spreads, lost, predictions, strict=True)
    ]
    return Comparison(max(apart), max(rough), max(lost, key=lambda share: share.mean), pd.DataFrame(rows))


def _difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Return the largest difference where both are numbers: relative, or in nats below one nat."""
    both = ours.isfinite() & theirs.isfinite()
    return max(((ours - theirs).abs() / theirs.clamp_min(1))[both].tolist(), default=0.0)


def _predicted(logits: torch.Tensor, y: torch.Tensor) -> float:
    """Return the share of examples in which a wrong letter's probability is too small to store, and the right one's is not."""
    gone = torch.log_softmax(logits.double(), 1) < np.log(SMALLEST)  # [example, letter]
    right = gone.gather(1, y[:, None])[:, 0]
    return float((gone.any(1) & ~right).double().mean())
