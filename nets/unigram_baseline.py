"""What stochastic gradient descent does to a softmax that has nothing but its biases.

The loss is L(b) = log(sum exp b) - q.b for letters of frequency q.  Its gradient is p - q with p = softmax(b), its
Hessian H = diag(p) - p p^T; a batch of B independent letters adds noise of covariance S / B, S = diag(q) - q q^T,
whatever b is.  At the optimum p = q, and so H = S: the noise is largest where the loss is steepest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def entropy(frequencies: Vector) -> float:
    """Return the entropy of frequencies that sum to 1, in nats; a frequency of 0 counts for nothing."""
    present = frequencies[frequencies > 0]
    return float(-np.sum(present * np.log(present)))


def entropy_given(counts: Vector) -> float:
    """Return the entropy of the next letter given what came before, in nats, from counts [what, letter]."""
    shares = counts.sum(1) / counts.sum()
    return float(sum(share * entropy(row / row.sum()) for share, row in zip(shares, counts, strict=True)))


def settling(frequencies: Vector, rate: float, batch: int, steps: int) -> Vector:
    """Return the expected loss at each step from biases of zero, in nats: [step], steps + 1 of them.

    The mean of the biases follows plain gradient descent and their covariance C the linearised noise:
    C' = (1 - rate H) C (1 - rate H) + rate^2 S / B.  The loss is L(mean) + tr(H C) / 2, to first order in rate / B.
    """
    noise = rate**2 / batch * _covariance(frequencies)
    biases, covariance, losses = np.zeros_like(frequencies), np.zeros_like(noise), []
    for _ in range(steps + 1):
        top = biases.max()
        total = top + np.log(np.sum(np.exp(biases - top)))
        probabilities = np.exp(biases - total)
        hessian = _covariance(probabilities)
        losses.append(total - frequencies @ biases + np.sum(hessian * covariance) / 2)
        shrink = np.eye(len(frequencies)) - rate * hessian
        covariance = shrink @ covariance @ shrink + noise
        biases = biases - rate * (probabilities - frequencies)
    return np.array(losses)


def resting_noise(frequencies: Vector, rate: float, batch: int) -> float:
    """Return how far above the entropy the loss hovers in the end: rate / 2B times the sum of s / (2 - rate s).

    `s` are the eigenvalues of S.  For small rates this is rate (1 - sum q^2) / 4B.
    """
    s = np.linalg.eigvalsh(_covariance(frequencies))
    return float(rate / (2 * batch) * np.sum(s / (2 - rate * s)))


def _covariance(probabilities: Vector) -> Vector:
    return np.diag(probabilities) - np.outer(probabilities, probabilities)
