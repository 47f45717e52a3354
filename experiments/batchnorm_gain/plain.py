"""What the chapter shows in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def update_ratios(loss: torch.Tensor, weights: Sequence[torch.Tensor], lr: float) -> list[float]:
    """Return the RMS of a step of SGD over the RMS of the weights that it changes, layer by layer."""
    gradients = torch.autograd.grad(loss, weights)
    return [(lr * gradient.norm() / weight.norm()).item() for gradient, weight in zip(gradients, weights, strict=True)]
