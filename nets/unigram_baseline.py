"""What stochastic gradient descent does to a softmax that has nothing but its biases.

The loss is L(b) = log(sum exp b) - q.b for characters of frequency q.  Its gradient is p - q with p = softmax(b), its
Hessian H = diag(p) - p p^T; a batch of B independent characters adds noise of covariance S / B, S = diag(q) - q q^T,
whatever b is.  At the optimum p = q, and so H = S: the noise is largest where the loss is steepest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nets import names

Vector = NDArray[np.float64]


def clipped(found: Vector) -> Vector:
    """Return losses with everything above ln 27, NaN too, as ln 27: a uniform guess needs no training."""
    most = float(np.log(len(names.VOCABULARY)))
    return np.minimum(np.nan_to_num(found, nan=most, posinf=most), most)


def entropy(frequencies: Vector) -> float:
    """Return the entropy of frequencies that sum to 1, in nats; a frequency of 0 counts for nothing."""
    present = frequencies[frequencies > 0]
    return float(-np.sum(present * np.log(present)))


def conditional_entropy(counts: Vector) -> float:
    """Return the entropy of the next character given what came before, in nats, from counts [what, character]."""
    shares = counts.sum(1) / counts.sum()
    return float(sum(share * entropy(row / row.sum()) for share, row in zip(shares, counts, strict=True)))


def expected_loss(frequencies: Vector, lr: float, batch: int, steps: int) -> Vector:
    """Return the expected loss at each step from biases of zero, in nats: [step], steps + 1 of them.

    The mean of the biases follows plain gradient descent and their covariance C the linearised noise:
    C' = (1 - lr H) C (1 - lr H) + lr^2 S / B.  The loss is L(mean) + tr(H C) / 2, to first order in lr / B.
    """
    noise = lr**2 / batch * _covariance(frequencies)
    biases, covariance, losses = np.zeros_like(frequencies), np.zeros_like(noise), []
    for _ in range(steps + 1):
        top = biases.max()
        total = top + np.log(np.sum(np.exp(biases - top)))
        probabilities = np.exp(biases - total)
        hessian = _covariance(probabilities)
        losses.append(total - frequencies @ biases + np.sum(hessian * covariance) / 2)
        contraction = np.eye(len(frequencies)) - lr * hessian
        covariance = contraction @ covariance @ contraction + noise
        biases = biases - lr * (probabilities - frequencies)
    return np.array(losses)


def stationary_excess(frequencies: Vector, lr: float, batch: int) -> float:
    """Return how far above the entropy the loss settles on average: lr / 2B times the sum of s / (2 - lr s).

    `s` are the eigenvalues of S.  For small rates this is lr (1 - sum q^2) / 4B.
    """
    s = np.linalg.eigvalsh(_covariance(frequencies))
    return float(lr / (2 * batch) * np.sum(s / (2 - lr * s)))


def _covariance(probabilities: Vector) -> Vector:
    return np.diag(probabilities) - np.outer(probabilities, probabilities)
