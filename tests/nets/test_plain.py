"""Every fast ensemble against the plain module that a chapter shows: logits, gradients, ten steps of training.

Everything is in float64, where the two differ by the order of their sums: some 1e-15 in a gradient, and no more than a
hundredfold of that after ten steps.  Anything that is left out is off by a share of the number itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nets import deep_relu, deep_tanh, ghost_norm, mlp, names, normed_mlp, optimisers, plain, sgd
from nets.activations import FAST_TANH, LEAKY_RELU, RELU, TANH, Activation
from nets.deep_tanh import Architecture
from nets.ghost_norm import Norm

SEEDS, STEPS, BATCH, LR = (3, 8), 10, 16, 0.3
X, Y = names.contexts(["emma", "olivia", "ava", "isabella", "sophia", "charlotte", "mia", "amelia", "harper", "evelyn"])
ORDER = mlp.batches(SEEDS, len(X), BATCH, STEPS)
DOUBLE = torch.float64
Tensors = Sequence[torch.Tensor]


def _as_parameters(model: nn.Module, tensors: Tensors) -> Iterator[tuple[str, nn.Parameter, torch.Tensor]]:
    """Yield a module's parameters with an ensemble's tensors for them; its weights multiply from the other side."""
    for (name, parameter), tensor in zip(model.named_parameters(), tensors, strict=True):
        weight = isinstance(model.get_submodule(name.rpartition(".")[0]), nn.Linear) and name.endswith("weight")
        yield name, parameter, (tensor.T if weight else tensor).reshape(parameter.shape)


def _load(model: nn.Module, tensors: Tensors) -> nn.Module:
    """Give a module the tensors of one member of an ensemble."""
    model.double()
    with torch.no_grad():
        for _, parameter, tensor in _as_parameters(model, tensors):
            parameter.copy_(tensor)
    return model


def _alternating(*lists: Tensors) -> list[torch.Tensor]:
    return [tensor for together in zip(*lists, strict=True) for tensor in together]


def _deep_relu(network: deep_relu.Network) -> list[torch.Tensor]:
    """Return all tensors in the order of a `DeepReLU`'s parameters."""
    return [network.embedding, *_alternating(network.layers, network.biases)]


def _deep_tanh(network: deep_tanh.Network) -> list[torch.Tensor]:
    """Return all tensors in the order of a `DeepTanh`'s parameters."""
    *hidden, output = network.layers
    *shifts, bias = network.shifts
    between = [*hidden, *_alternating(network.scales, shifts)] if network.scales else _alternating(hidden, shifts)
    return [network.embedding, *between, output, bias]


def _disturbed(tensors: Tensors) -> list[torch.Tensor]:
    """Return tensors of which none is zero or constant, so that none can be left out unnoticed."""
    generator = torch.Generator().manual_seed(5)
    return [tensor + 0.1 * torch.randn(tensor.shape, generator=generator, dtype=DOUBLE) for tensor in tensors]


def _assert_same(plain_model: nn.Module, seed: int, logits: torch.Tensor, gradient: Tensors, ended: Tensors) -> None:
    """Compare a member's logits and gradient of the first batch, and its tensors after all steps, with a module's."""
    order = ORDER[:, seed]
    x, y = X[order[0]], Y[order[0]]
    torch.testing.assert_close(logits, plain_model(x), rtol=0, atol=1e-12)
    F.cross_entropy(plain_model(x), y).backward()
    theirs = [parameter.grad for parameter in plain_model.parameters()]
    _assert_close(plain_model, gradient, theirs, 1e-13)
    plain.train(plain_model, torch.optim.SGD(plain_model.parameters(), lr=LR), X, Y, order)
    _assert_close(plain_model, ended, [parameter.detach() for parameter in plain_model.parameters()], 1e-11)


def _assert_close(model: nn.Module, ours: Tensors, theirs: Iterable[torch.Tensor | None], tolerance: float) -> None:
    for (name, _, our), their in zip(_as_parameters(model, ours), theirs, strict=True):
        assert their is not None and their.abs().max() > 1e-4, name  # not the agreement of zeros
        assert (our - their).abs().max() < tolerance, name


@pytest.mark.parametrize("activation", [TANH, FAST_TANH, RELU, LEAKY_RELU], ids=["tanh", "fast", "relu", "leaky"])
def test_the_names_network_is_the_plain_one(activation: Activation) -> None:
    function = {RELU: torch.relu, LEAKY_RELU: F.leaky_relu}.get(activation, torch.tanh)
    weights = mlp.Weights(*_disturbed([0.3 * tensor for tensor in mlp.init(SEEDS, 24, 5, dtype=DOUBLE)]))
    x, y = X[ORDER], Y[ORDER]
    logits = mlp.logits(weights, x[0], activation)
    gradient = mlp.gradient(weights, x[0], y[0], activation)
    ((_, ended),) = mlp.checkpoints(weights, x, y, mlp.same_lr(LR), [STEPS], activation)
    for seed in range(len(SEEDS)):
        model = _load(plain.NamesMLP(24, 5, function), [tensor[seed] for tensor in weights])
        _assert_same(model, seed, logits[seed], [t[seed] for t in gradient], [t[seed] for t in ended])


def test_the_compiled_steps_are_the_plain_ones() -> None:
    weights = mlp.Weights(*_disturbed([0.3 * tensor for tensor in mlp.init(SEEDS, 24, 5, dtype=DOUBLE)]))
    ended = sgd.train(weights, X, Y, ORDER, [LR] * STEPS)
    for seed in range(len(SEEDS)):
        model = _load(plain.NamesMLP(24, 5), [tensor[seed] for tensor in weights])
        plain.train(model, torch.optim.SGD(model.parameters(), lr=LR), X, Y, ORDER[:, seed])
        _assert_close(model, [t[seed] for t in ended], [p.detach() for p in model.parameters()], 1e-11)


@pytest.mark.parametrize(
    ("norm", "layer"),
    [
        (ghost_norm.ghost(BATCH), nn.BatchNorm1d),
        (ghost_norm.ghost(4), partial(plain.GhostBatchNorm, size=4)),
        (ghost_norm.LAYER, nn.LayerNorm),
    ],
    ids=["batch norm", "ghost groups", "layer norm"],
)
def test_the_normalised_network_is_the_plain_one(norm: Norm, layer: Callable[[int], nn.Module]) -> None:
    started = normed_mlp.init(SEEDS, 24, 5)
    weights = normed_mlp.Weights(*_disturbed([tensor.double() for tensor in started]))
    logits = normed_mlp.logits(weights, X[ORDER[0]], norm)
    gradient = normed_mlp.gradient(weights, X[ORDER[0]], Y[ORDER[0]], norm)
    ((_, ended),) = normed_mlp.checkpoints(weights, X, Y, ORDER, LR, norm, SEEDS, [STEPS])
    for seed in range(len(SEEDS)):
        model = _load(plain.NormedMLP(24, 5, layer), [tensor[seed] for tensor in weights])
        _assert_same(model, seed, logits[seed], [t[seed] for t in gradient], [t[seed] for t in ended])


def test_the_deep_relu_network_is_the_plain_one() -> None:
    started = deep_relu.init(SEEDS, 3, 12, lambda fan_in: 2 / fan_in, dimension=5, dtype=DOUBLE)
    network = deep_relu.Network(started.embedding, _disturbed(started.layers), _disturbed(started.biases))
    logits = deep_relu.forward(network, X[ORDER[0]])[-1]
    gradient = deep_relu.gradient(network, X[ORDER[0]], Y[ORDER[0]])
    ended = deep_relu.train(network, X[ORDER], Y[ORDER], LR)
    for seed in range(len(SEEDS)):
        model = _load(plain.DeepReLU(3, 12, 5), [tensor[seed] for tensor in _deep_relu(network)])
        found = [[tensor[seed] for tensor in _deep_relu(part)] for part in (gradient, ended)]
        _assert_same(model, seed, logits[seed], *found)


@pytest.mark.parametrize(
    ("norm", "residual", "layer"),
    [
        (ghost_norm.NONE, False, None),
        (ghost_norm.NONE, True, None),
        (ghost_norm.ghost(BATCH), False, nn.BatchNorm1d),
        (ghost_norm.LAYER, False, nn.LayerNorm),
    ],
    ids=["plain", "residual", "batch norm", "layer norm"],
)
def test_the_deep_tanh_network_is_the_plain_one(
    norm: Norm, residual: bool, layer: Callable[[int], nn.Module] | None
) -> None:
    architecture = Architecture(norm, residual)
    network = deep_tanh.init(3, (0.7, 1.4), 3, 12, architecture, dimension=5, dtype=DOUBLE)
    network = deep_tanh.Network(network.embedding, *(_disturbed(tensors) for tensors in network[1:]))
    x, y = X[ORDER[:, 0]], Y[ORDER[:, 0]]  # the same for both members
    logits = deep_tanh.forward(network, x[0], architecture).inputs[-1]
    gradient = deep_tanh.gradient(network, x[0], y[0], architecture)
    ended, step = network.clone(), optimisers.sgd([torch.tensor(LR, dtype=DOUBLE)] * len(network.tensors()))
    for inputs, targets in zip(x, y, strict=True):
        step(ended.tensors(), deep_tanh.gradient(ended, inputs, targets, architecture).tensors())
    for member in range(2):
        model = _load(plain.DeepTanh(3, 12, layer, residual, 5), [tensor[member] for tensor in _deep_tanh(network)])
        found = [[tensor[member] for tensor in _deep_tanh(part)] for part in (gradient, ended)]
        _assert_same(model, 0, logits[member], *found)
