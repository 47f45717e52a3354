"""The loss along a line in plain PyTorch, for the chapter to show."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import nn


def along(
    model: nn.Module, direction: torch.Tensor, distances: Iterable[float], x: torch.Tensor, y: torch.Tensor
) -> list[float]:
    """Return the loss on examples x, y at points of a line through the weights of a model."""
    weights = nn.utils.parameters_to_vector(model.parameters()).detach()
    losses = []
    for distance in distances:
        nn.utils.vector_to_parameters(weights + distance * direction, model.parameters())
        losses.append(F.cross_entropy(model(x), y).item())
    nn.utils.vector_to_parameters(weights, model.parameters())
    return losses
