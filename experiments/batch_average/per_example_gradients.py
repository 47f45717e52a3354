"""One names network and a single example, by PyTorch's own functions, for torch.func to differentiate.

It shares no line with `nets.mlp`, whose gradient is written out and for ensembles: each checks the other.
"""

from __future__ import annotations

import torch

from nets.mlp import Weights


def loss(weights: Weights, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return minus the log probability of character `y` [] after the characters `x` [context]; weights without [seed]."""
    hidden = (weights.embedding[x].flatten() @ weights.hidden + weights.hidden_bias[0]).tanh()  # [unit]
    logits = hidden @ weights.output + weights.output_bias[0]  # [character]
    return torch.nn.functional.cross_entropy(logits, y)


def batch_loss(weights: Weights, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of a batch, x [example, context] and y [example]."""
    losses: torch.Tensor = torch.func.vmap(loss, in_dims=(None, 0, 0))(weights, x, y)
    return losses.mean()


def gradients(weights: Weights, x: torch.Tensor, y: torch.Tensor) -> Weights:
    """Return each example's own gradient, every tensor with a leading [example]."""
    found: Weights = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(weights, x, y)
    return found
