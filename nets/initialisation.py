"""Initialisations of the names network, made from standard normal numbers or from nothing."""

from __future__ import annotations

import torch

from nets.mlp import LearningRates, Weights
from nets.names import Counts


def well_scaled(normal: Weights) -> Weights:
    """Scale standard normal numbers: tanh's gain of 5/3 for the hidden layer, small first logits, no biases."""
    fan_in, width = normal.hidden.shape[1:]
    scales = LearningRates(
        embedding=1.0, hidden=5 / 3 / fan_in**0.5, hidden_bias=0.0, output=0.1 / width**0.5, output_bias=0.0
    )
    return Weights(*(scale * tensor for scale, tensor in zip(scales, normal, strict=True)))


def small_last_layer(normal: Weights, size: float) -> Weights:
    """Scale the last layer by `size` and take its bias away, so that the first logits are small; keep all else."""
    return normal._replace(output=size * normal.output, output_bias=torch.zeros_like(normal.output_bias))


def constant(like: Weights, value: float) -> Weights:
    """Give every weight the same value, in the shapes of `like`."""
    return Weights(*(torch.full_like(tensor, value) for tensor in like))


def unigram_bias(like: Weights, data: Counts) -> torch.Tensor:
    """Return the last bias that gives each character its frequency in `data`; one that never comes counts as once."""
    often = data.next_counts.sum(0).clamp_min(1)
    return (often / often.sum()).log().to(like.output_bias).expand_as(like.output_bias)
