"""Dead units in plain PyTorch, for the chapter to show."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def dead_units(embedding: nn.Embedding, hidden: nn.Linear, contexts: torch.Tensor) -> torch.Tensor:
    """Return which ReLU units are dead, [unit]; `contexts` are all of the training set, [context, position]."""
    pre = hidden(embedding(contexts).flatten(1))  # [context, unit]
    dead: torch.Tensor = (pre <= 0).all(0)  # ReLU's derivative is zero for every context
    return dead
