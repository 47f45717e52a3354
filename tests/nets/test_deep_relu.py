"""The deep names network against PyTorch's own autograd, and the promise that a seed's bits are its own."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from nets import deep_relu, names
from nets.deep_relu import Network

SEEDS, EXAMPLES = (3, 4), 6


def _variance(fan_in: int) -> float:
    return 2 / fan_in


def _example(depth: int = 3) -> tuple[Network, torch.Tensor, torch.Tensor]:
    network = deep_relu.init(SEEDS, depth, 7, _variance, dimension=2, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    for bias in network.biases:  # as after some training
        bias.copy_(torch.randn(bias.shape, generator=generator, dtype=torch.float64))
    x = torch.randint(27, (len(SEEDS), EXAMPLES, 3), generator=generator)
    return network, x, torch.randint(27, (len(SEEDS), EXAMPLES), generator=generator)


def _plain_loss(leaves: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return one network's loss as anyone would write it, x [example, context]."""
    embedding, *rest = leaves
    signal = embedding[x].flatten(1)
    layers, biases = rest[: len(rest) // 2], rest[len(rest) // 2 :]
    for layer, bias in zip(layers[:-1], biases[:-1], strict=True):
        signal = torch.relu(signal @ layer + bias)
    return cross_entropy(signal @ layers[-1] + biases[-1], y)


def _all(network: Network) -> list[torch.Tensor]:
    return [network.embedding, *network.layers, *network.biases]


@pytest.mark.parametrize("depth", [1, 4])
def test_gradient_by_hand_equals_autograd_of_the_plain_deep_network(depth: int) -> None:
    """Float64: sums of some ten terms differ by 1e-16; a mask of the wrong layer would be off by the gradient itself."""
    network, x, y = _example(depth)
    ours = _all(deep_relu.gradient(network, x, y))
    for seed in range(len(SEEDS)):
        leaves = [kind[seed].clone().requires_grad_() for kind in _all(network)]
        theirs = torch.autograd.grad(_plain_loss(leaves, x[seed], y[seed]), leaves)
        torch.testing.assert_close([kind[seed] for kind in ours], list(theirs), rtol=1e-12, atol=1e-14)


def test_losses_over_counts_are_the_mean_over_examples() -> None:
    network, x, y = _example()
    shared = names.counts(x[0], y[0])
    leaves = [kind[1] for kind in _all(network)]
    assert deep_relu.losses(network, shared)[1].item() == pytest.approx(
        _plain_loss(leaves, x[0], y[0]).item(), rel=1e-12
    )


def test_drawn_weights_have_the_variance_asked_for() -> None:
    network = deep_relu.init((0,), 2, 400, _variance)
    for layer, fan_in in zip(network.layers[:-1], (30, 400), strict=True):
        assert layer.var().item() * fan_in == pytest.approx(2, rel=0.05)  # 12,000 draws: a standard error of 1.3 %


def test_starts_share_their_draws() -> None:
    halved, whole = (deep_relu.init((5,), 3, 8, lambda n, c=c: c / n) for c in (1, 2))
    assert torch.allclose(halved.layers[1] * 2**0.5, whole.layers[1], rtol=1e-6)
    assert torch.equal(halved.layers[-1], whole.layers[-1])


def test_a_deep_network_trains_to_the_same_bits_whichever_others_train_beside_it() -> None:
    alone, both = (deep_relu.init(seeds, 3, 16, _variance) for seeds in ((4,), (3, 4)))
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(27, (20, 2, 8, 3), generator=generator)
    y = torch.randint(27, (20, 2, 8), generator=generator)
    first = deep_relu.train(alone, x[:, 1:], y[:, 1:], 0.1)
    second = deep_relu.train(both, x, y, 0.1)
    assert all(torch.equal(one[0], other[1]) for one, other in zip(_all(first), _all(second), strict=True))
    assert not torch.equal(first.layers[0], alone.layers[0])  # trained a copy, and trained it


def test_training_stops_when_no_number_is_left_and_says_nan() -> None:
    network = deep_relu.init(SEEDS, 6, 64, lambda _: 1.0)
    x, y = names.contexts(["emma", "ava", "olivia"])
    shown, following = (part.expand(10, 2, *part.shape) for part in (x, y))
    assert deep_relu.lr_sweep(network, shown, following, (1.0,), names.counts(x, y)).shape == (1, 2)
    assert deep_relu.losses(deep_relu.train(network, shown, following, 1.0), names.counts(x, y)).isnan().all()


def test_weights_of_any_size_do_the_same_with_other_rates() -> None:
    """The exercise: scale hidden weights by a, the last layer by a^-L, rates by a^2 and a^-2L; biases left out."""
    network, x, y = _example(depth=3)
    for bias in network.biases:
        bias.zero_()
    a, deep = 3.0, 3
    scaled = network._replace(layers=[*(a * layer for layer in network.layers[:-1]), network.layers[-1] / a**deep])
    plain, other = deep_relu.gradient(network, x, y), deep_relu.gradient(scaled, x, y)
    for ours, theirs in zip(plain.layers[:-1], other.layers[:-1], strict=True):
        torch.testing.assert_close(a * ours, a**2 * theirs, rtol=1e-10, atol=1e-14)  # moves by a times as much
    torch.testing.assert_close(plain.layers[-1] / a**deep, other.layers[-1] * a ** (-2 * deep), rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(plain.embedding, other.embedding, rtol=1e-10, atol=1e-14)
