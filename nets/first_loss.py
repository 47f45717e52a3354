"""What logits that know nothing cost: the price of their spread, and the luck of the draw.

The loss of an example is the logarithm of the sum of exp(logit), less the right letter's logit.  Measure both from the
mean over letters and it has two parts: the price, which grows with the spread of the logits and does not look at the
right letter; and the luck, linear in the logits, which does nothing else.
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


class Parts(NamedTuple):
    """Where a first loss comes from; loss = price - luck."""

    spread: float  # root mean square of the logits about their mean over letters, a mean over examples
    price: float  # log(sum of exp) less the mean logit, in nats
    luck: float  # the right letter's logit less the mean logit, in nats


def parts(logits: torch.Tensor, data: Counts) -> Parts:
    """Take the mean loss of logits [context, letter] over the counted examples apart."""
    about = logits - logits.mean(1, keepdim=True)
    often = data.following.sum(1) / data.following.sum()  # [context]
    spread = (often @ about.square().mean(1)).sqrt()
    price = often @ torch.logsumexp(about, 1)
    luck = (data.following * about).sum() / data.following.sum()
    return Parts(float(spread), float(price), float(luck))


def confidently_wrong(logits: torch.Tensor, data: Counts) -> float:
    """Return the share of examples in which a wrong letter gets more than half of the probability."""
    largest, letter = torch.softmax(logits, 1).max(1)
    right = data.following.gather(1, letter[:, None])[:, 0]
    return float(((largest > 0.5) * (data.following.sum(1) - right)).sum() / data.following.sum())


def mean_probability(logits: torch.Tensor, data: Counts) -> float:
    """Return the probability given to the right letter, on average over the examples."""
    return float((torch.softmax(logits, 1) * data.following).sum() / data.following.sum())


def probability_levels(logits: torch.Tensor, following: torch.Tensor, levels: Array) -> Array:
    """Return ln p of the right letter, below which lie the shares `levels` of the examples: [level]."""
    logarithms, order = torch.log_softmax(logits, 1).flatten().sort()
    below = following.flatten()[order].cumsum(0)
    at = torch.searchsorted(below, torch.from_numpy(levels) * below[-1])
    found: Array = logarithms[at].numpy()
    return found


def expected_price(scale: float, letters: int) -> float:
    """Return E[ln sum exp(scale Z_k)] over independent standard normal Z_k, one a letter, by quadrature.

    Add to each logit a Gumbel number, of distribution exp(-exp(-u)): the largest sum then exceeds ln sum exp(logit) by
    Euler's constant on average.  The largest of independent numbers has a power of their distribution as its own, so a
    mean over 27 dimensions becomes two integrals of one.
    """
    z = np.arange(-FAR, FAR, STEP / max(scale, 1))
    density = np.exp(-(z**2) / 2)
    density /= density.sum()
    heights = np.arange(-FAR * scale - 5, FAR * scale + 45, STEP)
    one = np.array([density @ np.exp(-np.exp(np.minimum(scale * z - x, 700.0))) for x in heights])  # [height]
    return float(heights[0] + STEP * (np.sum(1 - one**letters) - 0.5) - np.euler_gamma)


def expected_largest(letters: int) -> float:
    """Return the mean of the largest of independent standard normal numbers, one a letter."""
    heights = np.arange(-FAR, FAR, STEP / 8)
    return float(heights[0] + STEP / 8 * (np.sum(1 - ndtr(heights) ** letters) - 0.5))


def normal_logits(examples: int, letters: int, seed: int) -> torch.Tensor:
    """Draw logits that come from no network: independent standard normal numbers, [example, letter], float64."""
    return torch.randn(examples, letters, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
