"""The columns in which tables of results keep a measured number."""

from __future__ import annotations

from collections.abc import Iterable

from lab.estimate import Estimate


def interval(name: str, seeds: Iterable[float]) -> dict[str, float]:
    """Return the mean over independent runs, and the ends of its 95 % interval: `name`, `name`_low, `name`_high."""
    found = Estimate.of(seeds)
    return {name: found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
