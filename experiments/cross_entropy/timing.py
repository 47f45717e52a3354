"""How many times as long one computation takes as another, in the same run.

Seconds say more about a machine than about a computation, so only ratios are kept.  Processor time is counted rather
than the clock on the wall, so that a busy machine does not count what others do; and the computations take turns, so
that what slows the machine down for a while slows them all.  Still, no ratio of times is the same twice: what is
reported is a median over rounds with an interval, and whoever draws a line draws it far away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from lab.stopwatch import processor_seconds


class Median(NamedTuple):
    """A median with the interval that covers the true one in 95 of 100 repetitions, whatever the distribution."""

    median: float
    low: float
    high: float


def time_ratios(
    tasks: Mapping[str, Callable[[], object]], reference: str, rounds: int, calls: int
) -> dict[str, NDArray[np.float64]]:
    """Return each task's processor time over that of the task named `reference`, round by round: [round].

    A round times `calls` calls of every task, one task after the other; before the first, each is called once untimed.
    """
    seconds: dict[str, NDArray[np.float64]] = {name: np.zeros(rounds) for name in tasks}
    for task in tasks.values():
        task()
    for turn in range(rounds):
        for name, task in tasks.items():
            start = processor_seconds()
            for _ in range(calls):
                task()
            seconds[name][turn] = processor_seconds() - start
    return {name: spent / seconds[reference] for name, spent in seconds.items()}


def median(values: NDArray[np.float64]) -> Median:
    """Return the median of independent values, between the two of them that a sign test at 5 % would not reject.

    Below six values there are no such two, and the interval is the whole range.
    """
    ordered = np.sort(values)
    rejected = bdtr(np.arange(len(ordered)), len(ordered), 0.5) <= 0.025  # so few, or fewer, below the true median
    first = max(int(rejected.sum()) - 1, 0)
    return Median(float(np.median(ordered)), float(ordered[first]), float(ordered[-1 - first]))
