"""The names network against PyTorch's own layers and autograd, and the promise that a seed's bits are its own."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from lab.device import VARIABLE
from nets import device_transfer, mlp, names
from nets.activations import FAST_TANH, LEAKY_RELU, RELU, TANH, Activation
from nets.mlp import Weights

SEEDS, EXAMPLES = (3, 4), 6


def _example(width: int = 5) -> tuple[Weights, torch.Tensor, torch.Tensor]:
    weights = mlp.init(SEEDS, width, dimension=2, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(27, (len(SEEDS), EXAMPLES, 3), generator=generator)
    return weights, x, torch.randint(27, (len(SEEDS), EXAMPLES), generator=generator)


def plain_loss(weights: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return one network's loss as anyone would write it, x [example, context]."""
    embedding, hidden, hidden_bias, output, output_bias = weights
    return cross_entropy(torch.tanh(embedding[x].flatten(1) @ hidden + hidden_bias) @ output + output_bias, y)


def autograd(weights: Weights, x: torch.Tensor, y: torch.Tensor) -> Weights:
    """Differentiate each network by itself."""
    alone = []
    for seed in range(len(x)):
        leaves = [kind[seed].clone().requires_grad_() for kind in weights]
        alone.append(torch.autograd.grad(plain_loss(leaves, x[seed], y[seed]), leaves))
    return Weights(*(torch.stack(kind) for kind in zip(*alone, strict=True)))


def assert_same(ours: Weights, theirs: Weights) -> None:
    torch.testing.assert_close(list(ours), list(theirs), rtol=1e-12, atol=1e-14)


def test_gradient_by_hand_equals_autograd_of_the_plain_network() -> None:
    """Float64: sums of some ten terms differ by 1e-16; a letter that stands twice in a context, counted once, by 1e-1."""
    example = _example()
    assert_same(mlp.gradient(*example), autograd(*example))


@pytest.mark.parametrize("mutant", ["a sum for the mean", "tanh's slope forgotten", "one embedding for two letters"])
def test_wrong_gradients_are_caught(mutant: str) -> None:
    weights, x, y = _example()
    ours, theirs = mlp.gradient(weights, x, y), autograd(weights, x, y)
    if mutant == "a sum for the mean":
        ours = Weights(*(EXAMPLES * kind for kind in ours))
    elif mutant == "tanh's slope forgotten":
        ours = ours._replace(hidden_bias=mlp.gradient(weights._replace(hidden=0 * weights.hidden), x, y).hidden_bias)
    else:
        ours = ours._replace(embedding=ours.embedding.roll(1, 1))
    with pytest.raises(AssertionError):
        assert_same(ours, theirs)


def test_loss_over_counts_equals_cross_entropy_over_all_examples() -> None:
    x, y = names.contexts(["anna", "ann", "bob", "annabel"])
    weights = mlp.init(SEEDS, 5, dimension=2, dtype=torch.float64)
    expected = [plain_loss([kind[seed] for kind in weights], x, y).item() for seed in range(len(SEEDS))]
    assert mlp.losses(weights, *names.counts(x, y)).tolist() == pytest.approx(expected, rel=1e-12)


def test_descent_takes_plain_steps_and_leaves_its_start_alone() -> None:
    weights, x, y = _example()
    before = [kind.clone() for kind in weights]
    rates = mlp.LearningRates(0.1, 0.2, 0.3, 0.4, 0.5)
    trail = [(step, [kind.clone() for kind in now]) for step, now in mlp.checkpoints(weights, x[None], y[None], rates)]
    assert [step for step, _ in trail] == [0, 1]
    for kind, start, slope, rate, end in zip(weights, before, autograd(weights, x, y), rates, trail[1][1], strict=True):
        torch.testing.assert_close(end, start - rate * slope, rtol=1e-12, atol=1e-14)
        assert torch.equal(kind, start)


def test_descent_shows_the_steps_that_are_asked_for_and_ends_with_the_last_of_them() -> None:
    """As bits: what is looked at, and when, changes nothing."""
    weights = mlp.init(SEEDS, 5)
    x, y = names.contexts(["anna", "bob", "annabel", "eve"])
    order = mlp.batches(SEEDS, len(x), batch=4, steps=6)
    rates = mlp.same_lr(0.1)
    every = {step: [kind.clone() for kind in now] for step, now in mlp.checkpoints(weights, x[order], y[order], rates)}
    asked = [
        (step, [k.clone() for k in now]) for step, now in mlp.checkpoints(weights, x[order], y[order], rates, [4, 0])
    ]
    assert list(every) == list(range(7)) and [step for step, _ in asked] == [0, 4]
    assert all(torch.equal(one, other) for step, now in asked for one, other in zip(now, every[step], strict=True))


@pytest.mark.parametrize("activation", [RELU, LEAKY_RELU, TANH, FAST_TANH], ids=["relu", "leaky", "tanh", "fast tanh"])
def test_on_another_device_every_tensor_of_a_step_lies_there(
    activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in tests/nets/test_sgd.py: a step that mixes two devices is an error on PyTorch's device without numbers."""
    monkeypatch.setenv(VARIABLE, "meta")
    products: list[str] = []
    product = torch.bmm
    monkeypatch.setattr(torch, "bmm", lambda *both: products.append(both[0].device.type) or product(*both))
    weights, x, y = _example()
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):  # what was trained, at the look
        next(mlp.checkpoints(weights, x.expand(2, *x.shape), y.expand(2, *y.shape), mlp.same_lr(0.1), [2], activation))
    assert len(products) >= 8 and set(products) == {"meta"}


@pytest.mark.parametrize("mutant", ["rows that stay behind", "batches that stay behind", "weights that stay behind"])
def test_a_step_that_mixes_two_devices_is_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mutant.startswith("rows"):
        monkeypatch.setattr(
            mlp, "embedding_rows", lambda embedding, x: 27 * torch.arange(len(embedding))[:, None, None] + x
        )
    elif mutant.startswith("batches"):
        monkeypatch.setattr(device_transfer, "to_device", lambda *tensors: tensors)
    else:
        monkeypatch.setattr(
            device_transfer, "copy_to_device", lambda weights: Weights(*(kind.clone() for kind in weights))
        )
    with pytest.raises((AssertionError, RuntimeError)):
        test_on_another_device_every_tensor_of_a_step_lies_there(FAST_TANH, monkeypatch)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here: what one computes was not compared")
@pytest.mark.parametrize("activation", [RELU, LEAKY_RELU, TANH, FAST_TANH], ids=["relu", "leaky", "tanh", "fast tanh"])
def test_a_gpu_and_the_processor_differ_by_rounding_only(
    activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Float64: rounding is 1e-16 a step, so 1e-12 passes; any wrong term would not."""
    weights, x, y = _example()
    found = []
    for device in ("cpu", "cuda"):
        monkeypatch.setenv(VARIABLE, device)
        steps = mlp.checkpoints(
            weights, x.expand(9, *x.shape), y.expand(9, *y.shape), mlp.same_lr(0.1), [9], activation
        )
        found.append(next(steps)[1])
    for one, other in zip(*found, strict=True):
        assert (one - other).abs().max() < 1e-12


def test_a_network_has_the_same_bits_whichever_others_train_beside_it() -> None:
    x, y = names.contexts(["anna", "bob", "annabel", "eve"])

    def trained(seeds: tuple[int, ...]) -> list[torch.Tensor]:
        order = mlp.batches(seeds, len(x), batch=8, steps=5)
        *_, (_, weights) = mlp.checkpoints(mlp.init(seeds, 8), x[order], y[order], mlp.same_lr(0.1))
        return [kind[seeds.index(7)] for kind in weights]

    alone, among = trained((7,)), trained((1, 7, 2, 9))
    assert all(torch.equal(one, other) for one, other in zip(alone, among, strict=True))


def test_batches_reach_every_example_and_differ_between_seeds() -> None:
    order = mlp.batches((0, 1), examples=10, batch=20, steps=30)
    assert order.shape == (30, 2, 20) and set(order.flatten().tolist()) == set(range(10))
    assert not torch.equal(order[:, 0], order[:, 1])
