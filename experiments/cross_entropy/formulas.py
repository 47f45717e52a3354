"""Cross-entropy of logits, written in four ways: three by hand, as a learner would, and the library's.

Each takes logits [example, class] and the target classes y [example], and returns the mean loss, or each example's
[example] with reduction="none".  In exact arithmetic all four are one function.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Loss = Callable[..., "torch.Tensor"]  # in quotes: reading a result must not load PyTorch


def three_lines(logits: torch.Tensor, y: torch.Tensor, *, reduction: str = "mean") -> torch.Tensor:
    """Exponentiate, divide by the sum, take the logarithm: the formula as it is printed."""
    counts = logits.exp()
    probabilities = counts / counts.sum(1, keepdim=True)
    losses = -probabilities[torch.arange(len(y)), y].log()
    return losses.mean() if reduction == "mean" else losses


def largest_subtracted(logits: torch.Tensor, y: torch.Tensor, *, reduction: str = "mean") -> torch.Tensor:
    """Subtract each example's largest logit, then go on as in `three_lines`."""
    return three_lines(logits - logits.max(1, keepdim=True).values, y, reduction=reduction)


def softmax_then_log(logits: torch.Tensor, y: torch.Tensor, *, reduction: str = "mean") -> torch.Tensor:
    """Take the library's softmax, then its logarithm."""
    losses = -torch.softmax(logits, 1).log()[torch.arange(len(y)), y]
    return losses.mean() if reduction == "mean" else losses


def log_softmax_by_hand(logits: torch.Tensor, y: torch.Tensor, *, reduction: str = "mean") -> torch.Tensor:
    """Do what the library does, an operation at a time: it takes no logarithm of a probability, and nothing is fused."""
    shifted = logits - logits.max(1, keepdim=True).values
    log_probabilities = shifted - shifted.exp().sum(1, keepdim=True).log()
    losses = -log_probabilities[torch.arange(len(y)), y]
    return losses.mean() if reduction == "mean" else losses


def log_softmax_then_nll(logits: torch.Tensor, y: torch.Tensor, *, reduction: str = "mean") -> torch.Tensor:
    """Call the two functions that `cross_entropy` consists of."""
    log_probabilities = torch.nn.functional.log_softmax(logits, 1)
    return torch.nn.functional.nll_loss(log_probabilities, y, reduction=reduction)


def library(logits: torch.Tensor, y: torch.Tensor, *, reduction: str = "mean") -> torch.Tensor:
    """Leave it to PyTorch, which takes no probability's logarithm: it takes largest and log of the sum off the logits."""
    return torch.nn.functional.cross_entropy(logits, y, reduction=reduction)


THREE_LINES, LARGEST_SUBTRACTED = "three lines", "largest subtracted"
SOFTMAX_THEN_LOG, LIBRARY = "softmax, then log", "library"
LOG_SOFTMAX_BY_HAND, LOG_SOFTMAX_THEN_NLL = "log-softmax by hand", "log_softmax, then nll_loss"
FORMULAS: dict[str, Loss] = {
    THREE_LINES: three_lines,
    LARGEST_SUBTRACTED: largest_subtracted,
    SOFTMAX_THEN_LOG: softmax_then_log,
    LIBRARY: library,
}
COSTED: dict[str, Loss] = FORMULAS | {  # controls for what the library owes to its formula, and what to fusing it
    LOG_SOFTMAX_BY_HAND: log_softmax_by_hand,
    LOG_SOFTMAX_THEN_NLL: log_softmax_then_nll,
}
