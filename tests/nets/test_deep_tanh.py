"""Deep tanh networks and their remedies against autograd, PyTorch's layers and optimisers; windows; the first step."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from nets import deep_tanh, ghost_norm, optimisers
from nets.deep_tanh import Architecture, Network

BUILDS = {
    "plain": Architecture(),
    "batch norm": Architecture(ghost_norm.ghost(8)),
    "layer norm": Architecture(ghost_norm.LAYER),
    "residual": Architecture(residual=True),
}
EXACT = {"rtol": 1e-9, "atol": 1e-12}  # float64: rounding is 1e-16 an operation, a wrong term is of order 1


def _example(
    build: Architecture, gains: tuple[float, ...] = (0.5, 1.0, 3.0)
) -> tuple[Network, torch.Tensor, torch.Tensor]:
    network = deep_tanh.init(3, gains, 4, 6, build, dimension=2, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    for tensor in (*network.shifts, *network.scales):  # zero and one would hide mistakes
        tensor.add_(
            0.3 * torch.randn(tensor.shape[1:], generator=generator, dtype=torch.float64)
        )  # alike for all members
    x = torch.randint(27, (8, 3), generator=generator)
    return network, x, torch.randint(27, (8,), generator=generator)


def _by_torch(network: Network, member: int, x: torch.Tensor, build: Architecture) -> torch.Tensor:
    """Logits of one member, from PyTorch's functions."""
    signal = functional.embedding(x, network.embedding[member]).flatten(1)
    for depth in range(len(network.layers) - 1):
        values = signal @ network.layers[depth][member]
        if build.norm == ghost_norm.LAYER:
            scale, shift = network.scales[depth][member, 0], network.shifts[depth][member, 0]
            values = functional.layer_norm(values, values.shape[1:], scale, shift)
        elif build.norm.axis is not None:
            scale, shift = network.scales[depth][member, 0], network.shifts[depth][member, 0]
            values = functional.batch_norm(values, None, None, scale, shift, training=True)
        else:
            values = values + network.shifts[depth][member]
        signal = signal + values.tanh() if build.residual and depth else values.tanh()
    return signal @ network.layers[-1][member] + network.shifts[-1][member]


@pytest.mark.parametrize("name", BUILDS)
def test_gradients_of_every_build_equal_autograd_on_torch_s_own_layers(name: str) -> None:
    network, x, y = _example(BUILDS[name])
    ours = deep_tanh.gradient(network, x, y, BUILDS[name])
    weights = [tensor.requires_grad_() for tensor in network.tensors()]
    loss = sum(functional.cross_entropy(_by_torch(network, member, x, BUILDS[name]), y) for member in range(3))
    for mine, theirs in zip(ours.tensors(), torch.autograd.grad(loss, weights), strict=True):
        torch.testing.assert_close(mine, theirs, **EXACT)


@pytest.mark.parametrize("name", ["residual", "batch norm", "layer norm"])
def test_a_build_called_plain_is_caught(name: str) -> None:
    """Mutant: the remedy forgotten.  The gradients of the first layer differ by far more than rounding."""
    network, x, y = _example(BUILDS[name])
    ours = deep_tanh.gradient(network, x, y, BUILDS[name])
    other = deep_tanh.gradient(network._replace(scales=[]), x, y, Architecture())
    assert not torch.allclose(ours.layers[0], other.layers[0], rtol=1e-2)


@pytest.mark.parametrize("adam", [False, True])
def test_steps_equal_torch_optim(adam: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    theirs = weight.clone().requires_grad_()
    optimiser = (torch.optim.Adam if adam else torch.optim.SGD)([theirs], lr=0.03)
    step = (optimisers.adam if adam else optimisers.sgd)([torch.tensor(0.03, dtype=torch.float64)])
    for scale in (1.0, 1e-3, 1e-9, 5.0, 1.0):  # one of them below Adam's epsilon
        theirs.grad = scale * torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
        step([weight], [theirs.grad])
        optimiser.step()
    torch.testing.assert_close(weight, theirs.detach(), rtol=1e-12, atol=1e-14)


def test_a_member_may_have_a_rate_of_its_own() -> None:
    weights, slope = [torch.ones(2, 1, 1)], [torch.ones(2, 1, 1)]
    optimisers.sgd([torch.tensor([0.1, 0.5])[:, None, None]])(weights, slope)
    assert weights[0].flatten().tolist() == pytest.approx([0.9, 0.5])


@pytest.mark.parametrize("name", ["batch norm", "layer norm"])
def test_a_normalised_network_trains_alike_from_every_gain_once_hidden_rates_grow_with_its_square(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exact without epsilon; ten steps of rounding.  With one rate for all the two are apart at once."""
    monkeypatch.setattr(ghost_norm, "EPSILON", 0.0)
    for power, alike in ((2, True), (0, False), (1, False)):
        network, x, y = _example(BUILDS[name], (1.0, 4.0))
        weights = network.tensors()
        gain = torch.tensor([1.0, 4.0], dtype=torch.float64)[:, None, None]
        rates = [0.1 * gain ** (power if 1 <= place <= 4 else 0) for place in range(len(weights))]
        step = optimisers.sgd(rates)
        for _ in range(10):
            step(weights, deep_tanh.gradient(network, x, y, BUILDS[name]).tensors())
        first, second = deep_tanh.forward(network, x, BUILDS[name]).inputs[-1]
        assert torch.allclose(first, second, rtol=1e-8, atol=1e-10) is alike


def test_batch_norm_is_evaluated_with_the_shares_statistics() -> None:
    """Shares of a half and a half on two contexts, none on the third, are a batch of the first two."""
    network, x, _ = _example(BUILDS["batch norm"])
    share = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64)
    weighed = deep_tanh.forward(network, x[:3], BUILDS["batch norm"], share).inputs[-1]
    pair = Architecture(ghost_norm.ghost(2))
    torch.testing.assert_close(weighed[:, :2], deep_tanh.forward(network, x[:2], pair).inputs[-1], **EXACT)


def test_members_share_their_draws_and_differ_by_the_gain() -> None:
    network = deep_tanh.init(5, (1.0, 2.0), 3, 400, Architecture())
    for layer, fan_in in zip(network.layers[:-1], (30, 400, 400), strict=True):
        assert torch.equal(2 * layer[0], layer[1])
        assert layer[0].var().item() * fan_in == pytest.approx(1, rel=0.05)  # 12,000 draws: a standard error of 1.3 %
    assert torch.equal(*network.layers[-1])
