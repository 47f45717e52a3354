"""What a computation keeps for its backward pass, counted while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch


class Saved(NamedTuple):
    """What the forward pass left behind."""

    nodes: int  # of the graph, without the one that collects the gradient of the input
    tensors: int  # kept for the backward pass; two that share their memory count as one
    bytes: int  # that they occupy


def count_saved(compute: Callable[[], torch.Tensor]) -> Saved:
    """Run a forward pass that returns a scalar, and count what autograd keeps of it."""
    kept: list[torch.Tensor] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = compute()
    # All tensors are still alive, so equal addresses mean the same memory.
    sizes = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in kept}
    return Saved(_count_nodes(loss), len(sizes), sum(sizes.values()))


def _count_nodes(loss: torch.Tensor) -> int:
    seen = set()
    todo = [loss.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen or not node.next_functions:  # the collector of a gradient leads nowhere
            continue
        seen.add(node)
        todo += [following for following, _ in node.next_functions]
    return len(seen)
