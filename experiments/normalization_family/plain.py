"""The family in plain PyTorch: one function for all of its members, the two networks, and the layers that go into them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from experiments.normalization_family.networks import EPSILON, Weights
from nets.plain import NormedMLP

Layer = Callable[[int], nn.Module]


def normalise(x: torch.Tensor, kind: str, groups: int = 8) -> torch.Tensor:
    """Standardise x [example, channel, position] over the values that share statistics."""
    seen = x.view(len(x), groups, -1, x.shape[2])  # [example, group, channel of the group, position]
    axes = {"batch": (0, 3), "layer": (1, 2, 3), "group": (2, 3), "instance": (3,), "RMS": (1, 2, 3)}[kind]
    if kind != "RMS":
        seen = seen - seen.mean(axes, keepdim=True)
    standard: torch.Tensor = seen / (seen.square().mean(axes, keepdim=True) + 1e-5).sqrt()
    return standard.view(x.shape)


class NormedConv(nn.Module):
    """The names network as a convolution: the same hidden layer at several positions of a longer context."""

    def __init__(
        self, channels: int, positions: int, dimension: int = 10, norm: Callable[[int], nn.Module] = nn.BatchNorm1d
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(27, dimension)
        self.hidden = nn.Conv1d(dimension, channels, kernel_size=3, bias=False)
        self.norm = norm(channels)
        self.output = nn.Linear(positions * channels, 27)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pre_activations = self.hidden(self.embedding(x).mT)  # [example, channel, position]
        hidden = torch.tanh(self.norm(pre_activations))
        logits: torch.Tensor = self.output(hidden.mT.flatten(1))
        return logits


def layers(groups: int, positions: int) -> dict[str, Layer]:
    """Return PyTorch's layer for each norm: of [example, unit] for one position, else of [example, channel, position]."""
    family: dict[str, Layer] = {
        "none": lambda channels: nn.Identity(),
        "batch": nn.BatchNorm1d,
        "layer": lambda channels: nn.GroupNorm(1, channels, EPSILON),
        "group": lambda channels: nn.GroupNorm(groups, channels, EPSILON),
        "RMS": lambda channels: nn.RMSNorm([channels, positions], EPSILON),
        "instance": lambda channels: nn.InstanceNorm1d(channels, affine=True),
    }
    if positions == 1:
        family["layer"] = nn.LayerNorm
        family["RMS"] = lambda channels: nn.RMSNorm(channels, EPSILON)
        family["instance"] = lambda channels: nn.Sequential(
            nn.Unflatten(1, (channels, 1)), nn.InstanceNorm1d(channels, affine=True), nn.Flatten()
        )
    return family


def module(weights: Weights, norm: Layer) -> nn.Module:
    """Return the first member of an ensemble at initialisation, whose scale is 1 and shift 0, as a module."""
    fan_in, channels = weights.hidden.shape[1:]
    dimension = weights.embedding.shape[2]
    positions = weights.output.shape[1] // channels
    model: NormedMLP | NormedConv
    if positions == 1:
        model = NormedMLP(channels, dimension, norm)
        hidden = weights.hidden[0].T
    else:
        model = NormedConv(channels, positions, dimension, norm)
        hidden = weights.hidden[0].view(fan_in // dimension, dimension, channels).permute(2, 1, 0)
    tensors = {
        "embedding.weight": weights.embedding[0],
        "hidden.weight": hidden,
        "output.weight": weights.output[0].T,
        "output.bias": weights.output_bias[0, 0],
    }
    model.load_state_dict({**model.state_dict(), **tensors})
    return model
