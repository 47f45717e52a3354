"""Exponential moving averages (EMA) of gradients: the notes' update, the sum it stands for, and PyTorch's momentum."""

from __future__ import annotations

import torch

ROUNDING_UNIT = 2.0**-52  # of float64


def update(average: torch.Tensor, gradient: torch.Tensor, beta: float | torch.Tensor) -> torch.Tensor:
    """Return the new average: the notes' line.  `beta` may be a tensor that broadcasts, for many averages at once."""
    return beta * average + (1 - beta) * gradient


def averages(gradients: torch.Tensor, beta: float | torch.Tensor) -> torch.Tensor:
    """Return the average after each of the gradients [step, ...], starting at zero: [step, ...]."""
    found = [torch.zeros_like(gradients[0])]
    for gradient in gradients:
        found.append(update(found[-1], gradient, beta))
    return torch.stack(found[1:])


def weighted_sums(gradients: torch.Tensor, beta: float) -> torch.Tensor:
    """Return what `averages` should: at step t the sum over k <= t of (1 - beta) beta^(t - k) g_k; [step, value]."""
    step = torch.arange(len(gradients))
    age = step[:, None] - step  # [step, gradient]; negative ones are still to come
    weight = torch.where(age >= 0, (1 - beta) * beta ** age.clamp(min=0).to(gradients.dtype), 0.0)
    return weight @ gradients


def buffers(gradients: torch.Tensor, beta: float, dampening: float = 0.0) -> torch.Tensor:
    """Return PyTorch's momentum buffer after each of the gradients [step, ...], from `torch.optim.SGD` itself."""
    parameter = torch.zeros_like(gradients[0])
    optimiser = torch.optim.SGD([parameter], lr=0.0, momentum=beta, dampening=dampening)
    found = []
    for gradient in gradients:
        parameter.grad = gradient
        optimiser.step()
        found.append(optimiser.state[parameter]["momentum_buffer"].clone())
    return torch.stack(found)


def effective_size(weights: torch.Tensor, axis: int) -> torch.Tensor:
    """Return the effective sample size of a weighted sum: of how many values a plain mean is as steady for its size.

    Independent noise of variance 1 leaves a plain mean of n values a variance of 1 / n, and a weighted sum, divided by
    the sum of its weights w, one of sum w^2 / (sum w)^2.
    """
    return weights.sum(axis) ** 2 / weights.square().sum(axis)


def unrolled_error(gradients: torch.Tensor, beta: float) -> float:
    """Return the largest difference of `averages` and `weighted_sums`, in rounding units of the sum of sizes."""
    difference = (averages(gradients, beta) - weighted_sums(gradients, beta)).abs()
    return float((difference / weighted_sums(gradients.abs(), beta)).max()) / ROUNDING_UNIT


def compare_with_pytorch(gradients: torch.Tensor, beta: float) -> dict[str, float]:
    """Compare PyTorch's buffers with the notes' averages of the same gradients, [step, value].

    Returns how many times the average the buffer is; its largest departure from 1 / (1 - beta) times; and the largest
    departure of the dampened buffer from the average plus beta^t times the first gradient.  Both in rounding units.
    """
    ours, theirs = averages(gradients, beta), buffers(gradients, beta)
    size = weighted_sums(gradients.abs(), beta)
    extra = beta ** torch.arange(1, len(gradients) + 1, dtype=gradients.dtype)[:, None] * gradients[0]
    departure = buffers(gradients, beta, dampening=beta) - (ours + extra)
    return {
        "buffer_ratio": float((theirs * ours).sum() / ours.square().sum()),
        "buffer_error": float((((1 - beta) * theirs - ours).abs() / size).max()) / ROUNDING_UNIT,
        "dampened_error": float((departure.abs() / (size + extra.abs())).max()) / ROUNDING_UNIT,
    }
