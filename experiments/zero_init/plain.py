"""The network in plain PyTorch, for the chapter to show."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def zero_gradients(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """Return the norm of each parameter's gradient where all are zero; x [example, context], y [example]."""
    model = nn.Sequential(nn.Embedding(27, 10), nn.Flatten(), nn.Linear(30, 200), nn.Tanh(), nn.Linear(200, 27))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    gradients = torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters()))
    return {
        name: gradient.norm().item() for (name, _), gradient in zip(model.named_parameters(), gradients, strict=True)
    }
