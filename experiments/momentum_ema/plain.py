"""The same computations for one network, in plain PyTorch: what the chapter shows, and a test holds the fast forms to."""

from __future__ import annotations

import torch


def gradient(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the mean loss, all parameters in one row."""
    loss = torch.nn.functional.cross_entropy(model(x), y)
    return torch.cat([each.flatten() for each in torch.autograd.grad(loss, list(model.parameters()))])


def squared_distance(gradients: torch.Tensor, full: torch.Tensor, beta: float) -> float:
    """Return how far the corrected average of the gradients [step, weight] is from the full gradient [weight]."""
    average = torch.zeros_like(full)
    for each in gradients:
        average = beta * average + (1 - beta) * each
    corrected = average / (1 - beta ** len(gradients))
    return float((corrected - full).square().sum())


def train(model: torch.nn.Module, batches: list[tuple[torch.Tensor, torch.Tensor]], alpha: float, beta: float) -> None:
    """Train by the notes' two lines."""
    momentum = [torch.zeros_like(weight) for weight in model.parameters()]
    for x, y in batches:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        grad_update = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for index, weight in enumerate(model.parameters()):
                momentum[index] = beta * momentum[index] + (1 - beta) * grad_update[index]
                weight.sub_(alpha * momentum[index])
