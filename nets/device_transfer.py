"""Takes an ensemble and its examples to where it trains (`lab run --device`), and brings it back to be looked at."""

from __future__ import annotations

from typing import TypeVar

import torch

from lab.device import PROCESSOR, training_device

W = TypeVar("W", bound=tuple["torch.Tensor", ...])  # weights of any kind; in quotes: reading must not load PyTorch


def copied(weights: W) -> W:
    """Return a copy of the weights where they train."""
    return type(weights)(*(kind.to(training_device(), copy=True) for kind in weights))


def there(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the tensors where ensembles train: themselves, on the processor."""
    return tuple(tensor.to(training_device()) for tensor in tensors)


def back(weights: W) -> W:
    """Return the weights on the processor: themselves, if they are there."""
    return type(weights)(*(kind.to(PROCESSOR) for kind in weights))
