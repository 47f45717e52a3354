"""Trains many seeds of any network at once: any `nn.Module`, any optimiser of `torch.optim`, any learning-rate schedule.

The parameters of all members are stacked, so that each step is one batched computation (`torch.func`) and one step of a
real `torch.optim` optimiser, which treats every number by itself.  A member is the same bits whichever others train
beside it.  Dropout is refused, as its random numbers would depend on the others.

What a step computes is found out once, before the first: a list of batched operations for the gradient (`make_fx`), and
one tensor that holds all that an optimiser trains, so that its step is one fused pass.  That takes about 0.2 seconds; then
a step takes a third of the time of plain training, one seed at a time, with Adam a quarter.  `compiled` has `torch.compile`
fuse the operations, for about a fifth less; that takes up to a minute, once for each network and number of members, and so
pays from some ten thousand steps on.  `python -m benchmarks training` measures it beside plain training, the
ensembles whose gradient is written out (`nets.mlp`, `nets.deep_tanh`, ...) and the C++ of `nets.sgd`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import fx
    from torch.optim.lr_scheduler import LRScheduler
    from torch.overrides import TorchFunctionMode

Tensors = Mapping[str, "torch.Tensor"]  # in quotes: reading a result must not load PyTorch
SHAPES = 64  # networks and numbers of members that one process may compile
ALIGNED = 16  # numbers in the longest vector of any processor


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
    update = _one_tensor_a_group(optimiser(parameters))
    _share_memory(models, parameters, buffers)
    chosen = order.new_zeros(order.shape[1:])  # any batch: which operations a step takes depends on its size alone
    backward = _backward(models[0], parameters, buffers, x[chosen], y[chosen], compiled)
    rates = schedule(update) if schedule else None
    for step in range(max(wanted) + 1):
        if step:
            chosen = order[step - 1]
            backward(x[chosen], y[chosen])
            update.step()
            if rates:
                rates.step()
        if step in wanted:
            yield step, models


def _one_tensor_a_group(optimiser: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Lay what each group of an optimiser trains end to end, and return one of its kind that sees one tensor a group.

    A step is then one pass over memory, where PyTorch has a fused one.  What was laid end to end, and its gradients, are
    views from then on.  Each begins at a multiple of `ALIGNED` numbers, for every member, so that no vector of the
    processor holds numbers of two members: the last bits of one would depend on which others there are.
    """
    groups = []
    for group in optimiser.param_groups:
        tensors = [tensor for tensor in group["params"] if tensor.requires_grad]
        sizes = [-(-tensor[0].numel() // ALIGNED) * ALIGNED for tensor in tensors]
        first = group["params"][0]
        flat = first.new_zeros(len(first), sum(sizes)).requires_grad_()
        flat.grad = torch.zeros_like(flat)
        parts = zip(flat.detach().split(sizes, 1), flat.grad.split(sizes, 1), strict=True)
        for tensor, (values, gradient) in zip(tensors, parts, strict=True):
            size = tensor[0].numel()
            tensor.data = values[:, :size].view(tensor.shape).copy_(tensor.detach())
            tensor.grad = gradient[:, :size].view(tensor.shape)
        fused = "fused" in group and not group["foreach"]
        groups.append({**group, "params": [flat], **({"fused": True} if fused else {})})
    kind: Any = type(optimiser)
    found: torch.optim.Optimizer = kind(groups)
    return found


def _backward(
    model: nn.Module, parameters: Tensors, buffers: Tensors, x: torch.Tensor, y: torch.Tensor, compiled: bool
) -> Callable[[torch.Tensor, torch.Tensor], None]:
    """Return the function that puts the gradients over x and y, each [seed, ...], where those of `parameters` are.

    It is traced once: the operations that `vmap` and autograd come to, which take less time than finding them.
    """
    written_out = _batch_norm_written_out()
    skeleton = copy.deepcopy(model)  # in training mode for ever, whatever becomes of the model between evaluations
    trained = [name for name, tensor in parameters.items() if tensor.grad is not None]

    def loss(parameters: Tensors, buffers: Tensors, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        with written_out():
            logits: torch.Tensor = torch.func.functional_call(skeleton, (dict(parameters), dict(buffers)), (x,))
        # F.cross_entropy would also look for targets to ignore, which takes as many operations as all else
        return -logits.log_softmax(1).gather(1, y[:, None]).mean()

    def gradients(*inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named, batch = dict(zip(names, inputs, strict=False)), inputs[-2:]
        now = {name: named[name] for name in parameters}
        losses = torch.func.vmap(loss)(now, {name: named[name] for name in buffers}, *batch)
        # Members share nothing: the gradient of the sum of their losses is each member's own.
        return torch.autograd.grad(losses, [now[name] for name in trained], torch.ones_like(losses))

    from torch.fx.experimental.proxy_tensor import make_fx  # here: reading a result must not load PyTorch

    names = [*parameters, *buffers]
    copies = [buffer.clone() for buffer in buffers.values()]  # which batch norm changes
    traced = _pruned(make_fx(gradients)(*parameters.values(), *copies, x, y))
    run = torch.compile(traced, fullgraph=True, dynamic=False) if compiled else traced
    inputs = [*(tensor.detach() for tensor in parameters.values()), *buffers.values()]
    places = [gradient for tensor in parameters.values() if (gradient := tensor.grad) is not None]

    def backward(x: torch.Tensor, y: torch.Tensor) -> None:
        with torch.no_grad(), torch._dynamo.config.patch(recompile_limit=SHAPES) if compiled else nullcontext():
            torch._foreach_copy_(places, run(*inputs, x, y))

    return backward


def _pruned(traced: fx.GraphModule) -> fx.GraphModule:
    """Take operations out of a traced function that return what they are given, such as views of the same shape."""
    aten = torch.ops.aten
    views = (aten.view, aten._unsafe_view, aten.expand, aten.permute, aten.detach)
    for node in traced.graph.nodes:
        packet = getattr(node.target, "overloadpacket", None)
        if packet in views or (packet is aten.mul and node.args[1] == 1):
            given = node.args[0]
            if _layout(node) == _layout(given):
                node.replace_all_uses_with(given)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    return traced


def _layout(node: fx.Node) -> tuple[object, ...]:
    """Return shape, strides and type of what an operation returns."""
    found = node.meta["val"]
    return found.shape, found.stride(), found.dtype


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
    mean = x.sum(0) / len(x)
    centred = x - mean
    # Sums, not means, whose gradient would be divided after it is repeated for every example.
    var = centred.square().sum(0) / len(x)
    if running_mean is not None and running_var is not None:
        running_mean.mul_(1 - momentum).add_(mean.detach(), alpha=momentum)
        running_var.mul_(1 - momentum).add_(var.detach(), alpha=momentum * len(x) / (len(x) - 1))
    return torch.addcmul(bias, centred, (var + eps).rsqrt() * weight)


def _share_memory(models: Sequence[nn.Module], parameters: Tensors, buffers: Tensors) -> None:
    """Have each model look at its part of the stacked tensors, so that it is up to date at any time."""
    for place, model in enumerate(models):
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            stacked = parameters if name in parameters else buffers
            tensor.data = stacked[name].data[place]
