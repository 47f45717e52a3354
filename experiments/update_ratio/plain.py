"""The ratio, and learning rates that make it the same in every layer, in plain PyTorch."""

from __future__ import annotations

import torch
from torch import nn


def step_and_log(model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, float]:
    """Take a step, and return log10 of update over data for each weight matrix."""
    before = {name: p.detach().clone() for name, p in model.named_parameters() if p.ndim == 2}
    optimiser.step()
    after = dict(model.named_parameters())
    return {name: ((after[name] - old).std() / old.std()).log10().item() for name, old in before.items()}


def equalise(model: nn.Module, lr: float, logged: dict[str, float]) -> torch.optim.SGD:
    """Return SGD whose every layer should get the median ratio, given what one learning rate for all has logged."""
    middle = torch.tensor(list(logged.values())).median().item()
    groups = []
    for layer, module in model.named_modules():
        if own := list(module.parameters(recurse=False)):
            faster = 10 ** (middle - logged.get(f"{layer}.weight", middle))
            groups.append({"params": own, "lr": lr * faster})
    return torch.optim.SGD(groups)
