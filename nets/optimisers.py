"""Plain SGD and Adam on lists of tensors, for ensembles whose members may each have a learning rate of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

BETA1, BETA2, EPSILON = (
    0.9,
    0.999,
    1e-8,
)  # Adam's two betas and epsilon, as Kingma and Ba chose them and PyTorch has them
Tensors = Sequence["torch.Tensor"]
Step = Callable[[Tensors, Tensors], None]  # changes weights in place, given their gradients


def sgd(lr: Tensors) -> Step:
    """Return the step that takes rate times gradient away; each of `lr` broadcasts against one of the weights."""

    def step(weights: Tensors, gradients: Tensors) -> None:
        for weight, gradient, rate in zip(weights, gradients, lr, strict=True):
            weight.addcmul_(gradient, rate, value=-1)

    return step


def adam(lr: Tensors) -> Step:
    """Return Adam's step (Kingma and Ba 2015), which remembers its averages from call to call; `lr` as in `sgd`."""
    means: list[torch.Tensor] = []
    squares: list[torch.Tensor] = []
    taken = 0

    def step(weights: Tensors, gradients: Tensors) -> None:
        nonlocal taken
        if not taken:
            means.extend(torch.zeros_like(weight) for weight in weights)
            squares.extend(torch.zeros_like(weight) for weight in weights)
        taken += 1
        for weight, gradient, rate, mean, square in zip(weights, gradients, lr, means, squares, strict=True):
            mean.lerp_(gradient, 1 - BETA1)
            square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            std = (square / (1 - BETA2**taken)).sqrt_().add_(EPSILON)
            weight.addcdiv_(mean * (rate / (1 - BETA1**taken)), std, value=-1)

    return step
