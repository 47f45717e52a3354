"""Trains many seeds of any network at once: any `nn.Module`, any optimiser of `torch.optim`, any learning-rate schedule.

The parameters of all members are stacked, so that each step is one batched computation (`torch.func`) and one step of a
real `torch.optim` optimiser, which treats every number by itself.  A member is the same bits whichever others train
beside it: fused optimisers, which compute the last few numbers of a tensor in another way, are refused.  So is dropout,
whose random numbers would depend on the others.

A step takes half of the time of plain training, one seed at a time.  `compiled` has `torch.compile` fuse the forward and
the backward pass, for about a quarter less; that takes 5 to 40 seconds to start, once for each network and number of
members, and so pays from some ten thousand steps on.  `python -m benchmarks training` measures it beside the ensembles
whose gradient is written out (`nets.mlp`, `nets.deep_tanh`, ...) and beside the C++ of `nets.sgd`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch.optim.lr_scheduler import LRScheduler
    from torch.overrides import TorchFunctionMode

Tensors = Mapping[str, "torch.Tensor"]  # in quotes: reading a result must not load PyTorch
SHAPES = 64  # networks and numbers of members that one process may compile


def checkpoints(
    models: Sequence[nn.Module],
    x: torch.Tensor,
    y: torch.Tensor,
    order: torch.Tensor,
    optimiser: Callable[[Tensors], torch.optim.Optimizer],
    schedule: Callable[[torch.optim.Optimizer], LRScheduler] | None = None,
    eval_steps: Iterable[int] | None = None,
    compiled: bool = False,
) -> Iterator[tuple[int, Sequence[nn.Module]]]:
    """Train `models`, one a seed, in place on examples x [example, ...], y [example] in `order` [step, seed, batch].

    `optimiser` makes an optimiser for the named parameters, such as `lambda p: torch.optim.Adam(p.values(), lr=0.01)`;
    parameter groups give each layer a learning rate of its own, and `schedule` each step.

    Yields step and models at each of the steps `eval_steps`, or after the last one.
    """
    wanted = {len(order)} if eval_steps is None else set(eval_steps)
    parameters, buffers = torch.func.stack_module_state(list(models))
    _share_memory(models, parameters, buffers)
    losses = _losses(models[0], compiled)
    update = optimiser(parameters)
    if any(group.get("fused") for group in update.param_groups):
        raise ValueError("a fused optimiser: a member's last bits would depend on which others train beside it")
    rates = schedule(update) if schedule else None
    for step in range(max(wanted) + 1):
        if step:
            batch = order[step - 1]
            update.zero_grad()
            losses(
                parameters, buffers, x[batch], y[batch]
            ).sum().backward()  # members share nothing, so neither do gradients
            update.step()
            if rates:
                rates.step()
        if step in wanted:
            yield step, models


def _losses(model: nn.Module, compiled: bool) -> Callable[..., torch.Tensor]:
    """Return the function from stacked parameters, buffers, x and y, each [seed, ...], to losses [seed]."""
    written_out = _batch_norm_written_out()
    skeleton = copy.deepcopy(model)  # in training mode for ever, whatever becomes of the model between evaluations

    def loss(parameters: Tensors, buffers: Tensors, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        with written_out():
            return F.cross_entropy(torch.func.functional_call(skeleton, (dict(parameters), dict(buffers)), (x,)), y)

    losses: Callable[..., torch.Tensor] = torch.func.vmap(loss)
    if not compiled:
        return losses
    fused: Callable[..., torch.Tensor] = torch.compile(losses, fullgraph=True, dynamic=False)

    def patient(*inputs: Any) -> torch.Tensor:
        with torch._dynamo.config.patch(recompile_limit=SHAPES):
            return fused(*inputs)

    return patient


@cache
def _batch_norm_written_out() -> type[TorchFunctionMode]:
    """Return the context in which batch norm is computed by the operations that it consists of.

    PyTorch's own routine would take the units of all members for one layer, and its last bits depend on how many there are.
    """
    from torch.overrides import TorchFunctionMode  # here: reading a result must not load PyTorch

    class WrittenOut(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return (_batch_norm if func is F.batch_norm else func)(*args, **(kwargs or {}))

    return WrittenOut


def _batch_norm(
    x: torch.Tensor,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    weight: torch.Tensor,
    bias: torch.Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> torch.Tensor:
    mean = x.mean(0)
    centred = x - mean
    var = centred.square().mean(0)
    if running_mean is not None and running_var is not None:
        running_mean.mul_(1 - momentum).add_(mean.detach(), alpha=momentum)
        running_var.mul_(1 - momentum).add_(var.detach(), alpha=momentum * len(x) / (len(x) - 1))
    return centred * (var + eps).rsqrt() * weight + bias


def _share_memory(models: Sequence[nn.Module], parameters: Tensors, buffers: Tensors) -> None:
    """Have each model look at its part of the stacked tensors, so that it is up to date at any time."""
    for place, model in enumerate(models):
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            stacked = parameters if name in parameters else buffers
            tensor.data = stacked[name].data[place]
