"""A network of an ensemble as a module, for tests that hold what the book ran to plain PyTorch."""

from __future__ import annotations

import torch

from nets import mlp
from nets.plain import NamesMLP


def names_module(weights: mlp.Weights) -> NamesMLP:
    """Return the first network of an ensemble as a module in float64."""
    embedding, hidden, hidden_bias, output, output_bias = (tensor[0] for tensor in weights)
    module = NamesMLP(hidden.shape[1], embedding.shape[1]).double()
    values = (embedding, hidden.T, hidden_bias[0], output.T, output_bias[0])
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), values, strict=True):
            parameter.copy_(value)
    return module
