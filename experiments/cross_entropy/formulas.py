"""Cross-entropy of logits, written in four ways: three by hand, as a learner would, and the library's.

Each takes logits [example, letter] and the right letters y [example], and returns the mean loss, or each example's
[example] with average=False.  In exact arithmetic all four are one function.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Loss = Callable[..., "torch.Tensor"]  # in quotes: reading a result must not load PyTorch


def three_lines(logits: torch.Tensor, y: torch.Tensor, *, average: bool = True) -> torch.Tensor:
    """Exponentiate, divide by the sum, take the logarithm: the formula as it is printed."""
    counts = logits.exp()
    probabilities = counts / counts.sum(1, keepdim=True)
    losses = -probabilities[torch.arange(len(y)), y].log()
    return losses.mean() if average else losses


def shifted_lines(logits: torch.Tensor, y: torch.Tensor, *, average: bool = True) -> torch.Tensor:
    """Subtract each example's largest logit, then go on as in `three_lines`."""
    return three_lines(logits - logits.max(1, keepdim=True).values, y, average=average)


def softmax_then_log(logits: torch.Tensor, y: torch.Tensor, *, average: bool = True) -> torch.Tensor:
    """Take the library's softmax, then its logarithm."""
    losses = -torch.softmax(logits, 1).log()[torch.arange(len(y)), y]
    return losses.mean() if average else losses


def library(logits: torch.Tensor, y: torch.Tensor, *, average: bool = True) -> torch.Tensor:
    """Leave it to PyTorch, which never forms a probability: it takes largest and log of the sum off the logits."""
    return torch.nn.functional.cross_entropy(logits, y, reduction="mean" if average else "none")


FORMULAS: dict[str, Loss] = {
    "three lines": three_lines,
    "largest subtracted": shifted_lines,
    "softmax, then log": softmax_then_log,
    "library": library,
}
