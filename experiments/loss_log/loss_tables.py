"""Losses of several variants of a network, trained on the same seeds: tables of them, and what chance does to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lab.estimate import Estimate

PARTS = ("train", "validation", "test")  # of the data, in the order of a loss's axis
TWO_SIDED = 1.96  # standard deviations that hold 95 % of a normal distribution

Array = NDArray[np.float64]


def runs(losses: Mapping[str, Array]) -> pd.DataFrame:
    """Tabulate every run from losses [look, part, seed] by variant: training loss at first, losses in the end."""
    rows: list[dict[str, object]] = []
    for name, found in losses.items():
        for seed, last in enumerate(found[-1].T):
            ends = {part: float(loss) for part, loss in zip(PARTS, last, strict=True)}
            rows.append({"variant": name, "seed": seed, "first": float(found[0, 0, seed]), **ends})
    return pd.DataFrame(rows)


def table(kind: str, found: Mapping[str, Array], steps: Sequence[int]) -> pd.DataFrame:
    """Tabulate losses, or differences of losses, [look, part, seed] by name: a row a name and step, with intervals."""
    rows: list[dict[str, object]] = []
    for name, values in found.items():
        for step, now in zip(steps, values, strict=True):
            row: dict[str, object] = {kind: name, "step": step}
            for part, seeds in zip(PARTS, now, strict=True):
                row |= Estimate.columns(part, seeds)
            rows.append(row)
    return pd.DataFrame(rows)


def chance(losses: Mapping[str, Array], changes: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Tabulate how far chance takes the final difference of two single runs: a row a change (before, after).

    The variances of the two variants over seeds add up, as for runs that share nothing; 95 % of a normal distribution lie
    within 1.96 standard deviations.
    """
    rows: list[dict[str, object]] = []
    for before, after in changes:
        variances = [losses[name][-1].var(1, ddof=1) for name in (before, after)]  # [part]
        spread = TWO_SIDED * np.sqrt(sum(variances))
        rows.append({"fix": after} | {part: float(by) for part, by in zip(PARTS, spread, strict=True)})
    return pd.DataFrame(rows)
