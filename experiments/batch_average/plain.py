"""The same gradients for one network, in plain PyTorch: what the chapter shows, and a test holds the fast forms to."""

from __future__ import annotations

from copy import deepcopy

import torch


def data_parallel_gradients(
    model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, replicas: int
) -> list[torch.Tensor]:
    """Share a batch among replicas of a model, and average their gradients."""
    gradients = []
    for x_share, y_share in zip(x.chunk(replicas), y.chunk(replicas), strict=True):
        replica = deepcopy(model)
        loss = torch.nn.functional.cross_entropy(replica(x_share), y_share)
        gradients.append(torch.autograd.grad(loss, list(replica.parameters())))
    return [torch.stack(each).mean(0) for each in zip(*gradients, strict=True)]


def per_example_gradients(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return each example's own gradient: every parameter's with a leading [example]."""

    def loss(parameters: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        logits = torch.func.functional_call(model, parameters, x[None])
        return torch.nn.functional.cross_entropy(logits, y[None])

    every_example = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))
    found: dict[str, torch.Tensor] = every_example(dict(model.named_parameters()), x, y)
    return found
