"""Takes an ensemble and its examples to where it trains (`lab run --device`), and brings it back to be evaluated."""

from __future__ import annotations

from typing import TypeVar

import torch

from lab.device import PROCESSOR, training_device

W = TypeVar("W", bound=tuple["torch.Tensor", ...])  # weights of any kind; in quotes: reading must not load PyTorch


def copy_to_device(weights: W) -> W:
    """Return a copy of the weights where they train."""
    return type(weights)(*(kind.to(training_device(), copy=True) for kind in weights))


def to_device(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the tensors where ensembles train: themselves, on the processor."""
    return tuple(tensor.to(training_device()) for tensor in tensors)


def to_cpu(weights: W) -> W:
    """Return the weights on the processor: themselves, if they are there."""
    return type(weights)(*(kind.to(PROCESSOR) for kind in weights))
