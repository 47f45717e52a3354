"""Where a computation stops working, found by bisection down to two neighbouring floating-point numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch


def largest_passing(works: Callable[[float], bool], high: float, dtype: torch.dtype) -> float:
    """Return the largest number of a dtype between 0 and `high` up to which `works` is true; inf if it is at `high`.

    `works` must turn from true to false once.  Raises ValueError if it is false at 0.
    """
    if not works(0.0):
        raise ValueError("nothing to search: it does not even work at 0")
    if works(high):
        return math.inf
    good, bad = 0.0, 1.0
    while bad < high and works(
        bad
    ):  # doubling first: halving down from the largest float64 alone takes a thousand steps
        good, bad = bad, 2 * bad
    bad = min(bad, high)
    while True:
        middle = torch.tensor(good / 2 + bad / 2, dtype=dtype).item()
        if middle in (good, bad):  # neighbours: nothing lies between them
            return good
        good, bad = (middle, bad) if works(middle) else (good, middle)
