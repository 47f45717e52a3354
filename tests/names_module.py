"""A network of an ensemble as a module, for tests that hold what the book ran to plain PyTorch."""

from __future__ import annotations

import torch

from nets import mlp


def names_module(weights: mlp.Weights) -> torch.nn.Sequential:
    """Return the first network of an ensemble as a module."""
    embedding, hidden, hidden_bias, output, output_bias = (tensor[0].clone() for tensor in weights)
    model = torch.nn.Sequential(
        torch.nn.Embedding.from_pretrained(embedding, freeze=False),
        torch.nn.Flatten(),
        torch.nn.Linear(*hidden.shape),
        torch.nn.Tanh(),
        torch.nn.Linear(*output.shape),
    ).double()
    with torch.no_grad():
        for parameter, value in zip(
            model.parameters(), (embedding, hidden.T, hidden_bias[0], output.T, output_bias[0]), strict=True
        ):
            parameter.copy_(value)
    return model
