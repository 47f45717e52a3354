"""Trains the names network by plain SGD: compiled where there is a C++ compiler, in PyTorch elsewhere.

The compiled steps (nets/sgd.cpp) train one network after the other, each for as many steps as are asked for at once,
since a network's weights fit into the processor's cache and an ensemble's do not.  A network is thus the same bits
whichever others are trained with it, in however many processes, and however its steps are portioned out.  The plain
steps train all networks as one batch, as in `nets.mlp` and `nets.normed_mlp`, on a GPU too.  The two differ in the last
bits of every sum.  A well-scaled initialisation keeps them small (1e-8 nats after 10,000 steps of the names network); a
saturated one makes them grow, and after a thousand steps the same seed is another run of the same recipe.

What the C++ saves: a step takes a third of the time of `nets.mlp` and three fifths of JAX's (`python -m benchmarks training`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from lab.compiled import library
from lab.device import PROCESSOR, training_device
from nets import device_transfer, ghost_norm, mlp, normed_mlp
from nets.names import CONTEXT, VOCABULARY

W = TypeVar("W", bound=mlp.Weights | normed_mlp.Weights)

SOURCE = Path("nets/sgd.cpp")
PORTION = 2000  # steps whose examples are chosen at once: few enough to keep, many enough to be worth a call
MOST = 2**25  # examples chosen at once, 256 MB of them: with thousands of networks, fewer steps
VECTOR = 32  # bytes; a batch must fill its vectors to be trained by compiled steps


def train(weights: W, x: torch.Tensor, y: torch.Tensor, order: torch.Tensor, lr: Sequence[float]) -> W:
    """Return a copy trained on examples x [example, context], y [example], in `order` [step, seed, batch].

    One learning rate a step.  `normed_mlp.Weights` train with batch normalisation.  Raises IndexError for an order that
    names examples which are not there, and ValueError for a different number of rates.
    """
    if len(lr) != len(order):
        raise ValueError(f"{len(order)} steps need as many learning rates, got {len(lr)}")
    check(order, x)
    trained = type(weights)(*(tensor.clone(memory_format=torch.contiguous_format) for tensor in weights))
    steps = compiled(SOURCE, "train", trained, order)
    if steps is None:
        _plainly(trained, x, y, order, lr)
    else:
        train_compiled(steps, trained, x, y, order, lr)
    return trained


def check(order: torch.Tensor, x: torch.Tensor) -> None:
    """Raise IndexError for an order that names examples which are not there."""
    if order.numel() and not 0 <= int(order.min()) <= int(order.max()) < len(x):
        raise IndexError(f"the order names examples {int(order.min())} to {int(order.max())}; there are {len(x)}")


def checkpoints(
    weights: W,
    x: torch.Tensor,
    y: torch.Tensor,
    seeds: Sequence[int],
    batch: int,
    lr: Sequence[float],
    eval_steps: Iterable[int],
) -> Iterator[tuple[int, W]]:
    """Train, and yield step and weights at each of the steps `eval_steps`; ends with the last of them.

    Examples x, y as in `train`, chosen as `mlp.batches` chooses them, from each seed alone, but never all at once.
    """
    generators = [torch.Generator().manual_seed(mlp.BATCH_SEED + seed) for seed in seeds]
    step, portion = 0, min(PORTION, max(1, MOST // (len(seeds) * batch)))
    for evaluation in sorted(eval_steps):
        while step < evaluation:
            until = min(evaluation, step + portion)
            order = [torch.randint(len(x), (until - step, batch), generator=generator) for generator in generators]
            weights = train(weights, x, y, torch.stack(order, 1), lr[step:until])
            step = until
        yield evaluation, weights


def _plainly(
    trained: mlp.Weights | normed_mlp.Weights,
    x: torch.Tensor,
    y: torch.Tensor,
    order: torch.Tensor,
    lr: Sequence[float],
) -> None:
    gradients: mlp.Weights | normed_mlp.Weights
    x, y, order = device_transfer.to_device(x, y, order)
    moved = type(trained)(*device_transfer.to_device(*trained))  # the same tensors, on the processor
    for chosen, rate in zip(order, lr, strict=True):
        if isinstance(moved, mlp.Weights):
            gradients = mlp.gradient(moved, x[chosen], y[chosen])
        else:
            gradients = normed_mlp.gradient(moved, x[chosen], y[chosen], ghost_norm.ghost(order.shape[2]))
        for tensor, change in zip(moved, gradients, strict=True):
            tensor.sub_(change, alpha=rate)
    for tensor, found in zip(trained, moved, strict=True):
        tensor.copy_(found)


def train_compiled(
    steps: Any,
    trained: mlp.Weights | normed_mlp.Weights,
    x: torch.Tensor,
    y: torch.Tensor,
    order: torch.Tensor,
    settings: Sequence[float],
) -> None:
    """Train by compiled steps, one network after the other; `settings` are what these read: here a rate for each step."""
    inputs, targets = x.to(torch.uint8).contiguous(), y.to(torch.uint8).contiguous()
    order, read = order.contiguous(), torch.tensor(settings, dtype=torch.float64)
    scale, shift = (
        (trained.hidden_bias,) * 2 if isinstance(trained, mlp.Weights) else (trained.scale, trained.shift)
    )  # the plain network's hidden bias is a shift, and the steps compiled for it leave the scale alone
    kinds = (trained.embedding, trained.hidden, scale, shift, trained.output, trained.output_bias)
    for seed in range(order.shape[1]):
        shown = (*(kind[seed] for kind in kinds), inputs, targets, order[:, seed])
        steps(*(tensor.data_ptr() for tensor in shown), order.stride(0), read.data_ptr(), len(order))


def compiled(
    source: Path, function: str, weights: mlp.Weights | normed_mlp.Weights, order: torch.Tensor, **constants: int
) -> Any:
    """Return compiled steps for networks of this shape, or None where there are none."""
    kind, batch = weights.hidden, order.shape[2]
    real = {"torch.float32": "float", "torch.float64": "double"}.get(str(kind.dtype))
    if training_device() != PROCESSOR or kind.device.type != "cpu" or real is None:
        return None
    if batch == 0 or batch * kind.element_size() % VECTOR:
        return None
    found = library(
        source,
        LETTERS=len(VOCABULARY),
        CONTEXT=CONTEXT,
        DIMENSION=weights.embedding.shape[2],
        WIDTH=kind.shape[2],
        BATCH=batch,
        NORMED=int(isinstance(weights, normed_mlp.Weights)),
        EPSILON=ghost_norm.EPSILON,
        REAL=real,
        **constants,
    )
    if found is None:
        return None
    whole, pointer = ctypes.c_int64, ctypes.c_void_p
    steps = getattr(found, function)
    steps.argtypes = [pointer] * 9 + [whole, pointer, whole]
    steps.restype = None
    return steps
