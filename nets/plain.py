"""Every network that the book trains, in plain PyTorch: an `nn.Module`, `F.cross_entropy`, `torch.optim`.

Copy what you need; nothing here depends on the rest of the project.  The other modules of `nets` train many seeds of these
networks at once and faster; tests/nets/test_plain.py holds their logits, gradients and steps against the modules below.
The sizes are the names' own: 27 characters, of which a network sees the last 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import nn


class NamesMLP(nn.Module):
    """The names network: embeddings of the characters seen, one hidden layer, logits for the next character."""

    def __init__(
        self, width: int = 200, dimension: int = 10, activation: Callable[[torch.Tensor], torch.Tensor] = torch.tanh
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(27, dimension)
        self.hidden = nn.Linear(3 * dimension, width)
        self.output = nn.Linear(width, 27)
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        embedded = self.embedding(x).flatten(1)  # [example, 3 * dimension]
        logits: torch.Tensor = self.output(self.activation(self.hidden(embedded)))
        return logits


class NormedMLP(nn.Module):
    """The names network with its hidden layer normalised, by batch norm unless told otherwise."""

    def __init__(
        self, width: int = 200, dimension: int = 10, norm: Callable[[int], nn.Module] = nn.BatchNorm1d
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(27, dimension)
        self.hidden = nn.Linear(3 * dimension, width, bias=False)  # the norm's own bias takes its place
        self.norm = norm(width)
        self.output = nn.Linear(width, 27)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pre_activations = self.hidden(self.embedding(x).flatten(1))
        logits: torch.Tensor = self.output(torch.tanh(self.norm(pre_activations)))
        return logits


class GhostBatchNorm(nn.BatchNorm1d):
    """Batch norm in which each group of `size` examples is normalised as if it were a batch of its own."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__(width)
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        groups = x.split(self.size) if self.training else [x]
        return torch.cat([super(GhostBatchNorm, self).forward(group) for group in groups])


class DeepReLU(nn.Sequential):
    """The names network with many equal ReLU layers."""

    def __init__(self, depth: int, width: int, dimension: int = 10) -> None:
        layers: list[nn.Module] = [nn.Embedding(27, dimension), nn.Flatten()]
        for fan_in in [3 * dimension] + [width] * (depth - 1):
            layers += [nn.Linear(fan_in, width), nn.ReLU()]
        super().__init__(*layers, nn.Linear(width, 27))


class DeepTanh(nn.Module):
    """The names network with many equal tanh layers, with a norm before each tanh or residual connections if wanted."""

    def __init__(
        self,
        depth: int,
        width: int,
        norm: Callable[[int], nn.Module] | None = None,
        residual: bool = False,
        dimension: int = 10,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(27, dimension)
        fan_ins = [3 * dimension] + [width] * (depth - 1)
        self.hidden = nn.ModuleList(nn.Linear(fan_in, width, bias=norm is None) for fan_in in fan_ins)
        self.norms = nn.ModuleList(norm(width) if norm else nn.Identity() for _ in fan_ins)
        self.output = nn.Linear(width, 27)
        self.residual = residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        signal = self.embedding(x).flatten(1)
        for layer, (linear, norm) in enumerate(zip(self.hidden, self.norms, strict=True)):
            hidden = torch.tanh(norm(linear(signal)))
            signal = signal + hidden if self.residual and layer > 0 else hidden
        logits: torch.Tensor = self.output(signal)
        return logits


def train(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    x: torch.Tensor,
    y: torch.Tensor,
    batches: Iterable[torch.Tensor],
) -> None:
    """Train on examples x [example, 3] and y [example]; each of `batches` holds the indices of a step's examples."""
    for batch in batches:
        loss = F.cross_entropy(model(x[batch]), y[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
