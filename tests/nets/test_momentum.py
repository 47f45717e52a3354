"""Momentum and Adam in compiled code: the steps of torch.optim, on networks whose gradient autograd finds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial

import pytest
import torch

from lab import compiled
from nets import mlp, momentum, names

SEEDS, STEPS = (3, 1, 4), 10
X, Y = names.contexts(["emma", "olivia", "ava", "isabella", "sophia", "zoe"])
OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, lr=0.3),
    "momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "nesterov": partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
    "adam": partial(torch.optim.Adam, lr=0.01),
    "adam, other betas": partial(torch.optim.Adam, lr=0.01, betas=(0.5, 0.9), eps=1e-3),
}
needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, compiled.COMPILERS)), reason="no C++ compiler: all training is plain"
)


def _start(dtype: torch.dtype) -> mlp.Weights:
    return mlp.Weights(*(0.5 * kind for kind in mlp.init(SEEDS, 24, 3, dtype)))


def _autograd(start: mlp.Weights, order: torch.Tensor, make: Callable[..., torch.optim.Optimizer]) -> mlp.Weights:
    """Train by autograd on the forward pass alone, one seed after another."""
    members = []
    for seed in range(order.shape[1]):
        kinds = [kind[seed].clone().requires_grad_() for kind in start]
        embedding, hidden, bias, output, output_bias = kinds
        optimiser = make(kinds)
        for chosen in order[:, seed]:
            values = (embedding[X[chosen]].flatten(1) @ hidden + bias).tanh()
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(values @ output + output_bias, Y[chosen]).backward()
            optimiser.step()
        members.append([kind.detach() for kind in kinds])
    return mlp.Weights(*(torch.stack(kind) for kind in zip(*members, strict=True)))


@pytest.mark.parametrize("with_compiler", [pytest.param(True, marks=needs_compiler), False])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_ten_steps_are_those_of_autograd_and_torch_optim(
    optimiser: str, with_compiler: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adam divides by gradients that may be tiny: in float64 that leaves 1e-9, and leaving anything out 1e-4."""
    if not with_compiler:
        monkeypatch.setattr(compiled, "COMPILERS", ())
    start, order, make = _start(torch.float64), mlp.batches(SEEDS, len(X), 8, STEPS), OPTIMISERS[optimiser]
    assert (momentum._compiled(start, order, make(start)) is not None) == with_compiler
    found = momentum.train(start, X, Y, order, make)
    for ours, theirs, before in zip(found, _autograd(start, order, make), start, strict=True):
        assert (ours - theirs).abs().max() < 1e-8 < 1e-4 < (ours - before).abs().max()


@needs_compiler
def test_single_precision_is_the_same_to_its_rounding() -> None:
    order, make = mlp.batches(SEEDS, len(X), 8, STEPS), OPTIMISERS["momentum"]
    exact = _start(torch.float64)
    rounded = mlp.Weights(*(tensor.float() for tensor in exact))
    ours, exact = (momentum.train(start, X, Y, order, make) for start in (rounded, exact))
    for one, other in zip(ours, exact, strict=True):
        assert one.dtype == torch.float32 and (one - other).abs().max() < 1e-5


def test_what_the_compiled_steps_do_not_have_trains_in_pytorch() -> None:
    start, order = _start(torch.float64), mlp.batches(SEEDS, len(X), 8, STEPS)
    decaying = partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.5)
    for ours, theirs in zip(
        momentum.train(start, X, Y, order, decaying), _autograd(start, order, decaying), strict=True
    ):
        assert (ours - theirs).abs().max() < 1e-12


def test_an_order_that_names_what_is_not_there_is_refused() -> None:
    order = torch.full((1, len(SEEDS), 8), len(X))
    with pytest.raises(IndexError, match=f"there are {len(X)}"):
        momentum.train(_start(torch.float32), X, Y, order, OPTIMISERS["adam"])
