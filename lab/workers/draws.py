"""The global generators of random numbers, which every run and every task finds in the same state."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

Kept = list[tuple[Callable[[Any], None], Any]]

_imported: Kept = []  # as they were when the project's code had been imported


def seed(libraries: Iterable[str]) -> None:
    """Seed the generators that are seeded by chance; PyTorch's is not."""
    random.seed(0)
    if libraries:
        with suppress(ImportError):
            import numpy as np

            np.random.seed(0)


def remember() -> None:
    """Let tasks begin with the generators as they are now."""
    global _imported
    _imported = _states()


@contextmanager
def of_task() -> Iterator[None]:
    """Compute a task whose numbers depend on no other task, and that leaves the experiment's own as they were."""
    before = _states()
    _put_back(_imported)
    try:
        yield
    finally:
        _put_back(before)


def _states() -> Kept:
    kept: Kept = [(random.setstate, random.getstate())]
    if numpy := sys.modules.get("numpy.random"):
        kept.append((numpy.set_state, numpy.get_state()))
    if "torch._C" in sys.modules:
        torch = sys.modules["torch"]
        kept.append((torch.set_rng_state, torch.get_rng_state()))
    return kept


def _put_back(kept: Kept) -> None:
    for put, state in kept:
        put(state)
