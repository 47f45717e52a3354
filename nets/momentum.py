"""Trains the names network by SGD with momentum or by Adam: compiled where there is a C++ compiler, in PyTorch elsewhere.

One network after the other, as in `nets.sgd`, and for the same reason.  Any `torch.optim.SGD` or `torch.optim.Adam` will do;
what the compiled steps do not have, such as weight decay, trains in PyTorch.  A step takes three fifths of JAX's time with
momentum and two thirds with Adam (`python -m benchmarks training`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from lab.compiled import library
from lab.device import PROCESSOR, training_device
from nets import ghost_norm, mlp, sgd
from nets.mlp import Weights
from nets.names import CONTEXT, VOCABULARY

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
    if order.numel() and not 0 <= int(order.min()) <= int(order.max()) < len(x):
        raise IndexError(f"the order names examples {int(order.min())} to {int(order.max())}; there are {len(x)}")
    trained = Weights(*(tensor.clone(memory_format=torch.contiguous_format) for tensor in weights))
    update = optimiser(trained)
    steps = _compiled(trained, order, update) if training_device() == PROCESSOR else None
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
    rule = torch.tensor([group["lr"], *betas, group.get("eps", 0.0)], dtype=torch.float64)
    inputs, targets, order = x.to(torch.uint8).contiguous(), y.to(torch.uint8).contiguous(), order.contiguous()
    for seed in range(order.shape[1]):
        shown = (*(tensor[seed] for tensor in trained), inputs, targets, order[:, seed])
        steps(*(tensor.data_ptr() for tensor in shown), order.stride(0), rule.data_ptr(), len(order))
    return trained


def _compiled(weights: Weights, order: torch.Tensor, optimiser: torch.optim.Optimizer) -> Any:
    """Return the compiled steps of an optimiser for networks of this shape, or None."""
    group, batch, adam = optimiser.param_groups[0], order.shape[2], type(optimiser) is torch.optim.Adam
    real = {"torch.float32": "float", "torch.float64": "double"}.get(str(weights.hidden.dtype))
    if len(optimiser.param_groups) > 1 or not (adam or type(optimiser) is torch.optim.SGD):
        return None
    if any(group.get(option) for option in PYTORCH_ONLY):
        return None
    if real is None or batch == 0 or batch * weights.hidden.element_size() % sgd.VECTOR:
        return None
    found = library(
        SOURCE,
        LETTERS=len(VOCABULARY),
        CONTEXT=CONTEXT,
        DIMENSION=weights.embedding.shape[2],
        WIDTH=weights.hidden.shape[2],
        BATCH=batch,
        NORMED=0,
        EPSILON=ghost_norm.EPSILON,
        REAL=real,
        ADAM=int(adam),
        NESTEROV=int(group.get("nesterov", False)),
    )
    if found is None:
        return None
    whole, pointer = ctypes.c_int64, ctypes.c_void_p
    found.train_by.argtypes = [pointer] * 8 + [whole, pointer, whole]
    found.train_by.restype = None
    return found.train_by
