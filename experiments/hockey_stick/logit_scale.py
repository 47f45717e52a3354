"""How much of a falling loss is the logits getting smaller: by scale alone, by forgetting the first ones, by aim.

Logits are [context, letter], measured from their mean over letters, and `data` counts what followed each context.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from nets import logit_statistics, mlp
from nets.mlp import Weights
from nets.names import Counts


class Fall(NamedTuple):
    """Where the logits of one network stand, and what its first logits would cost if they had only shrunk."""

    loss: float  # nats
    spread: float  # of the logits about their mean over letters
    left: float  # share of the first logits that is left: the factor that brings them nearest to the present ones
    shrunk: float  # loss of the first logits at the present spread
    forgotten: float  # loss of the first logits times `left`


def centred(weights: Weights, seed: int, data: Counts) -> torch.Tensor:
    """Return one network's logits, by its place in the ensemble, less their mean over letters: float64."""
    alone = Weights(*(kind[seed : seed + 1] for kind in weights))
    logits = mlp.logits(alone, data.contexts)[0].double()
    return logits - logits.mean(1, keepdim=True)


def fall(logits: torch.Tensor, first: torch.Tensor, data: Counts) -> Fall:
    """Compare the logits of a network in training with its `first`, those before the first step."""
    now, then = logit_statistics.decompose(logits, data), logit_statistics.decompose(first, data)
    often = data.next_counts.sum(1)
    left = float(often @ (logits * first).sum(1) / (often @ first.square().sum(1)))
    return Fall(
        loss=now.logsumexp - now.correct_logit,
        spread=now.std,
        left=left,
        shrunk=loss(now.std / then.std * first, data),
        forgotten=loss(left * first, data),
    )


def loss(logits: torch.Tensor, data: Counts) -> float:
    """Return the mean cross-entropy over the counted examples, in nats."""
    found = logit_statistics.decompose(logits, data)
    return found.logsumexp - found.correct_logit


def best(logits: torch.Tensor, data: Counts) -> float:
    """Return the least loss that multiplying all logits by one number can give, by bisection on the slope.

    The loss is convex in the factor, and its slope is the mean of (probability - truth) times logit.
    """
    total = data.next_counts.sum()
    low, high = 0.0, 4.0
    for _ in range(20):
        factor = (low + high) / 2
        wanted = data.next_counts.sum(1, keepdim=True) * torch.softmax(factor * logits, 1) - data.next_counts
        low, high = (low, factor) if float((wanted * logits).sum() / total) > 0 else (factor, high)
    return loss(low * logits, data)


def aim(logits: torch.Tensor, data: Counts) -> float:
    """Return the cosine between the logits and the gradient of the loss by them, over all counted examples.

    At 1 a step against the gradient shrinks the logits and does nothing else; the gradient is probability - truth.
    """
    often = data.next_counts.sum(1)  # [context]
    probabilities = torch.softmax(logits, 1)
    product = often @ (probabilities * logits).sum(1) - (data.next_counts * logits).sum()
    gradient = often @ probabilities.square().sum(1) - 2 * (data.next_counts * probabilities).sum() + often.sum()
    return float(product / (gradient * (often @ logits.square().sum(1))).sqrt())
