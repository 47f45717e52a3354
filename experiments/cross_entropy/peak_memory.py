"""The most memory that a computation holds at any moment, counted while it runs: every tensor that it makes, until it is freed.

What an operation allocates inside and frees before it returns is not seen; those of this question allocate nothing so.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch


def peak_bytes(compute: Callable[[], object]) -> int:
    """Run a computation and return the bytes of the tensors that it made and held at once, at the worst moment."""
    from torch.utils._python_dispatch import TorchDispatchMode  # here: reading a result must not load PyTorch
    from torch.utils._pytree import tree_leaves

    alive: dict[int, int] = {}  # bytes, by address
    peak = 0

    class Allocations(TorchDispatchMode):  # type: ignore[no-untyped-call]
        """Watches every operation, those of the backward pass included, and follows the memory of what it returns."""

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal peak
            given = {_address(tensor) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, torch.Tensor)}
            made = func(*args, **(kwargs or {}))
            for tensor in tree_leaves(made):
                if isinstance(tensor, torch.Tensor) and (address := _address(tensor)) not in alive.keys() | given:
                    storage = tensor.untyped_storage()
                    alive[address] = storage.nbytes()
                    weakref.finalize(storage, alive.pop, address)
                    peak = max(peak, sum(alive.values()))
            return made

    with Allocations():  # type: ignore[no-untyped-call]
        result = compute()
    del result  # held until here: what is returned counts
    return peak


def _address(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage().data_ptr())
