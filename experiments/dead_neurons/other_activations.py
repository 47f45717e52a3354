"""Units of other activations, which are dead only where float32 rounds a derivative to zero.

The derivatives are autograd's, so that a unit is dead where PyTorch's training would leave it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from experiments.dead_neurons.runs import Examples
from nets import initialisation, mlp
from nets.mean_field import gaussian_mean
from nets.mlp import Weights

Array = NDArray[np.float64]


class Smooth(NamedTuple):
    """An activation without a flat part, and where float32 gives it one."""

    function: Callable[[torch.Tensor], torch.Tensor]
    flat: float  # below this pre-activation its derivative rounds to zero, on any machine


OTHERS = {
    "tanh": Smooth(lambda pre: torch.tanh(pre), -9.1),  # the output rounds to -1 at -9.01
    "sigmoid": Smooth(lambda pre: torch.sigmoid(pre), -104.0),  # exp(-104) is less than the least number
    "SiLU": Smooth(lambda pre: F.silu(pre), -104.0),
    "GELU": Smooth(lambda pre: pre * torch.special.ndtr(pre), -14.6),  # exp(-14.6² / 2) is, too
}


class Found(NamedTuple):
    """What became of one activation's units at one learning rate."""

    died: Array  # share of units dead at some evaluation, [seed]; nan where the network diverged
    diverged: int  # networks
    loss: Array  # over the training set after the last step, nats, [seed]


def init(normal: Weights, activation: str, shift: float = 0.0) -> Weights:
    """Scale standard normal weights by the gain that keeps unit mean square, with biases `shift` std below `flat` if any."""
    function, flat = OTHERS[activation]
    gain = gaussian_mean(lambda z: function(torch.from_numpy(np.asarray(z, np.float64))).numpy() ** 2) ** -0.5
    bias = torch.full_like(normal.hidden_bias, flat - shift * gain if shift else 0.0)
    return initialisation.well_scaled(normal)._replace(
        hidden=gain / normal.hidden.shape[1] ** 0.5 * normal.hidden, hidden_bias=bias
    )


def dead(weights: Weights, activation: str, contexts: torch.Tensor) -> NDArray[np.bool_]:
    """Return which units' derivatives are zero for every context: [seed, unit]."""
    function = OTHERS[activation].function
    found = []
    for one in mlp.members(weights):
        pre = mlp.pre_activations(one, contexts)[0].requires_grad_()
        (derivative,) = torch.autograd.grad(function(pre).sum(), pre)
        found.append((derivative == 0).all(0) & pre.isfinite().all(0))
    return torch.stack(found).numpy()


def train(activation: str, lr: float, init: Weights, examples: Examples, eval_steps: Sequence[int]) -> Found:
    """Train an ensemble by plain SGD, and count the units that are dead at one of the steps `eval_steps`."""
    function = OTHERS[activation].function
    weights = Weights(*(tensor.clone().requires_grad_() for tensor in init))
    ever = np.zeros(init.hidden_bias[:, 0].shape, dtype=bool)
    for step in range(len(examples.x) + 1):
        if step in eval_steps:
            ever |= dead(Weights(*(tensor.detach() for tensor in weights)), activation, examples.counts.contexts)
        if step == len(examples.x):
            break
        x, y = examples.x[step], examples.y[step]
        logits = torch.baddbmm(weights.output_bias, function(mlp.pre_activations(weights, x)), weights.output)
        loss = (
            F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="sum") / y.shape[1]
        )  # of each seed: its mean
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for tensor, gradient in zip(weights, gradients, strict=True):
                tensor.sub_(gradient, alpha=lr)
    end = Weights(*(tensor.detach() for tensor in weights))
    diverged = ~torch.stack([tensor.isfinite().flatten(1).all(1) for tensor in end]).all(0).numpy()
    return Found(
        died=np.where(diverged, np.nan, ever.mean(1)),
        diverged=int(diverged.sum()),
        loss=np.where(diverged, np.nan, _losses(end, function, examples)),
    )


def _losses(weights: Weights, function: Callable[[torch.Tensor], torch.Tensor], examples: Examples) -> Array:
    contexts, next_counts = examples.counts
    found = []
    for one in mlp.members(weights):
        logits = torch.baddbmm(one.output_bias, function(mlp.pre_activations(one, contexts)), one.output)
        found.append(-float((torch.log_softmax(logits[0], 1) * next_counts).sum() / next_counts.sum()))
    return np.array(found)
