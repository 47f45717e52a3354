"""Cross-entropy with a one-hot target, in the notes' two spellings and the library's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from lab.estimate import Estimate

SMALLEST = 2.0**-150  # half the smallest float32 above zero: a probability below it is stored as 0


def sum_over_classes(probabilities: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Add up -gt * log(pv) over the classes, for probabilities and one-hot targets [example, class]: [example]."""
    return (-target * probabilities.log()).sum(1)


def one_term(probabilities: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Take -log of the probability at which the target is 1: [example]."""
    return -probabilities[target == 1].log()


class Comparison(NamedTuple):
    """How far the spellings are from each other."""

    difference: float  # largest, relative, of sum and one term, and of the library given one-hot and given indices
    one_term_error: float  # largest relative difference of the one term from the library, where it is finite
    nan_share: Estimate  # of examples in which the sum is NaN and the one term is finite, at the worst std
    table: pd.DataFrame  # per std of the logits: nan_share (with low and high), and the one predicted


def compare(classes: int, examples: int, stds: Sequence[float], seeds: int) -> Comparison:
    """Take the loss of normal logits of several standard deviations, in float32, in each spelling."""
    differences, errors, nan_shares, rows = [0.0], [0.0], [], []
    for std in stds:
        shares, predicted = [], []
        for seed in range(seeds):
            generator = torch.Generator().manual_seed(seed)
            logits = std * torch.randn(examples, classes, generator=generator)
            y = torch.randint(classes, (examples,), generator=generator)
            target = torch.nn.functional.one_hot(y, classes).float()  # [example, class]
            probabilities = torch.softmax(logits, 1)
            total, term = sum_over_classes(probabilities, target), one_term(probabilities, target)
            library, by_index = (
                torch.nn.functional.cross_entropy(logits, given, reduction="none") for given in (target, y)
            )
            differences += [_difference(total, term), _difference(library, by_index)]
            errors.append(_difference(term, library))
            shares.append(float((term.isfinite() & total.isnan()).double().mean()))
            predicted.append(_predicted(logits, y))
        nan_shares.append(Estimate.of(shares))
        rows.append({"std": std, **Estimate.columns("nan_share", shares), "predicted": float(np.mean(predicted))})
    worst = max(nan_shares, key=lambda share: share.mean)
    return Comparison(max(differences), max(errors), worst, pd.DataFrame(rows))


def _difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Return the largest difference where both are finite: relative, or in nats below one nat."""
    both = ours.isfinite() & theirs.isfinite()
    return max(((ours - theirs).abs() / theirs.clamp_min(1))[both].tolist(), default=0.0)


def _predicted(logits: torch.Tensor, y: torch.Tensor) -> float:
    """Return the share of examples in which a wrong class's probability is too small to store, and the target's is not."""
    zero = torch.log_softmax(logits.double(), 1) < np.log(SMALLEST)  # [example, class]
    target = zero.gather(1, y[:, None])[:, 0]
    return float((zero.any(1) & ~target).double().mean())
