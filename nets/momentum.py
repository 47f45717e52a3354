"""Trains the names network by SGD with momentum or by Adam: compiled where there is a C++ compiler, in PyTorch elsewhere.

One network after the other, as in `nets.sgd`, and for the same reason.  Any `torch.optim.SGD` or `torch.optim.Adam` will do;
what the compiled steps do not have, such as weight decay, trains in PyTorch.  A step takes three fifths of JAX's time with
momentum and two thirds with Adam (`python -m benchmarks training`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nets import mlp, sgd
from nets.mlp import Weights

SOURCE = Path("nets/momentum.cpp")
PYTORCH_ONLY = ("weight_decay", "dampening", "maximize", "amsgrad")  # options of which the compiled steps know nothing


def train(
    weights: Weights,
    x: torch.Tensor,
    y: torch.Tensor,
    order: torch.Tensor,
    optimiser: Callable[[Weights], torch.optim.Optimizer],
) -> Weights:
    """Return a copy trained on examples x [example, context], y [example], in `order` [step, seed, batch].

    `optimiser` makes an optimiser for the weights, such as `functools.partial(torch.optim.Adam, lr=0.003)`.
    Raises IndexError for an order that names examples which are not there.
    """
    sgd.check(order, x)
    trained = Weights(*(tensor.clone(memory_format=torch.contiguous_format) for tensor in weights))
    update = optimiser(trained)
    steps = _compiled(trained, order, update)
    if steps is None:
        for chosen in order:
            for tensor, gradient in zip(trained, mlp.gradient(trained, x[chosen], y[chosen]), strict=True):
                tensor.grad = gradient
            update.step()
        for tensor in trained:
            tensor.grad = None
        return trained
    group = update.param_groups[0]
    betas = group.get("betas", (group.get("momentum"), 0.0))
    sgd.train_compiled(steps, trained, x, y, order, [group["lr"], *betas, group.get("eps", 0.0)])
    return trained


def _compiled(weights: Weights, order: torch.Tensor, optimiser: torch.optim.Optimizer) -> Any:
    """Return the compiled steps of an optimiser for networks of this shape, or None."""
    group, adam = optimiser.param_groups[0], type(optimiser) is torch.optim.Adam
    if len(optimiser.param_groups) > 1 or not (adam or type(optimiser) is torch.optim.SGD):
        return None
    if any(group.get(option) for option in PYTORCH_ONLY):
        return None
    return sgd.compiled(SOURCE, "train_by", weights, order, ADAM=int(adam), NESTEROV=int(group.get("nesterov", False)))
