"""The network whose loss is looked at, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


class Network(nn.Module):
    """The names network; `keep` multiplies the hidden activations of each example: dropout's mask, over what it keeps."""

    def __init__(
        self, width: int, dimension: int, activation: Callable[[torch.Tensor], torch.Tensor], norm: bool
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(27, dimension)
        self.hidden = nn.Linear(3 * dimension, width)
        self.norm = nn.BatchNorm1d(width) if norm else nn.Identity()
        self.output = nn.Linear(width, 27)
        self.activation = activation
        self.keep: torch.Tensor
        self.register_buffer("keep", torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits [example, character]."""
        hidden = self.activation(self.norm(self.hidden(self.embedding(x).flatten(1))))
        logits: torch.Tensor = self.output(hidden * self.keep)
        return logits
