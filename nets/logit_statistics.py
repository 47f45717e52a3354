"""What the logits of an untrained network cost, taken apart: their logsumexp, and the correct character's logit.

The loss of an example is the logarithm of the sum of exp(logit), less the correct character's logit.  Measure both from
the mean over the vocabulary.  The first grows with the standard deviation of the logits and does not depend on the
target; the second is linear in the logits, and zero on average where they are independent of the target.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr

from nets.names import Counts

Array = NDArray[np.float64]

STEP = 0.4  # of the integrals: the trapezoidal rule then errs by exp(-pi^2 / STEP), 2e-11, on functions like these
FAR = 9  # standard deviations: a normal number lies further out once in 1e19


class Decomposition(NamedTuple):
    """The two parts of a loss; loss = logsumexp - correct logit."""

    std: float  # of the logits over the vocabulary, as a root mean square over examples
    logsumexp: float  # log(sum of exp) less the mean logit, in nats
    correct_logit: float  # the correct character's logit less the mean logit, in nats


def decompose(logits: torch.Tensor, data: Counts) -> Decomposition:
    """Decompose the mean loss of logits [context, character] over the counted examples."""
    centred = logits - logits.mean(1, keepdim=True)
    often = data.next_counts.sum(1) / data.next_counts.sum()  # [context]
    std = (often @ centred.square().mean(1)).sqrt()
    logsumexp = often @ torch.logsumexp(centred, 1)
    correct_logit = (data.next_counts * centred).sum() / data.next_counts.sum()
    return Decomposition(float(std), float(logsumexp), float(correct_logit))


def confidently_wrong(logits: torch.Tensor, data: Counts) -> float:
    """Return the share of examples in which a wrong character gets more than half of the probability."""
    largest, letter = torch.softmax(logits, 1).max(1)
    right = data.next_counts.gather(1, letter[:, None])[:, 0]
    return float(((largest > 0.5) * (data.next_counts.sum(1) - right)).sum() / data.next_counts.sum())


def mean_correct_probability(logits: torch.Tensor, data: Counts) -> float:
    """Return the probability given to the correct character, on average over the examples."""
    return float((torch.softmax(logits, 1) * data.next_counts).sum() / data.next_counts.sum())


def log_probability_quantiles(logits: torch.Tensor, next_counts: torch.Tensor, levels: Array) -> Array:
    """Return ln p of the correct character, below which lie the shares `levels` of the examples: [level]."""
    logarithms, order = torch.log_softmax(logits, 1).flatten().sort()
    below = next_counts.flatten()[order].cumsum(0)
    at = torch.searchsorted(below, torch.from_numpy(levels) * below[-1])
    found: Array = logarithms[at].numpy()
    return found


def expected_logsumexp(scale: float, vocabulary: int) -> float:
    """Return E[ln sum exp(scale Z_k)] over independent standard normal Z_k, one a character, by quadrature.

    Add to each logit a Gumbel number, of distribution exp(-exp(-u)): the largest sum then exceeds ln sum exp(logit) by
    Euler's constant on average.  The largest of independent numbers has a power of their distribution as its own, so a
    mean over 27 dimensions becomes two integrals of one.
    """
    z = np.arange(-FAR, FAR, STEP / max(scale, 1))
    density = np.exp(-(z**2) / 2)
    density /= density.sum()
    heights = np.arange(-FAR * scale - 5, FAR * scale + 45, STEP)
    one = np.array([density @ np.exp(-np.exp(np.minimum(scale * z - x, 700.0))) for x in heights])  # [height]
    return float(heights[0] + STEP * (np.sum(1 - one**vocabulary) - 0.5) - np.euler_gamma)


def expected_maximum(vocabulary: int) -> float:
    """Return the mean of the largest of independent standard normal numbers, one a character."""
    heights = np.arange(-FAR, FAR, STEP / 8)
    return float(heights[0] + STEP / 8 * (np.sum(1 - ndtr(heights) ** vocabulary) - 0.5))


def normal_logits(examples: int, vocabulary: int, seed: int) -> torch.Tensor:
    """Draw logits that come from no network: independent standard normal numbers, [example, character], float64."""
    return torch.randn(examples, vocabulary, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
