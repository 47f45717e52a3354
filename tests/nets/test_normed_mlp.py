"""The normalised names network against autograd and PyTorch's layers, and what examples of a batch do to each other."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
import torch
from torch.nn import functional

from lab.device import VARIABLE
from nets import ghost_norm, mlp, names, normed_mlp
from nets.ghost_norm import LAYER, NONE, Norm, ghost, imaginary
from nets.normed_mlp import Weights

SEEDS, BATCH, WIDTH = range(3), 12, 7
NORMS = [NONE, LAYER, ghost(12), ghost(4), imaginary(12, 4)]
IDS = ["none", "layer", "whole", "ghost", "imaginary"]


def _weights(seeds: range | list[int] = SEEDS) -> Weights:
    """Start, in float64, with scale and shift moved off 1 and 0, so that a forgotten one shows."""
    weights = Weights(*(kind.double() for kind in normed_mlp.init(seeds, WIDTH, 4)))
    generator = torch.Generator().manual_seed(9)
    moved = torch.randn(2, 1, WIDTH, generator=generator, dtype=torch.float64)
    return weights._replace(scale=weights.scale + 0.3 * moved[0], shift=weights.shift + moved[1])


def _examples(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(27, (*shape, 3), generator=generator), torch.randint(27, shape, generator=generator)


def _theirs(values: torch.Tensor, norm: Norm) -> torch.Tensor:
    if norm.axis is None:
        return values
    if norm == LAYER:
        return functional.layer_norm(values, values.shape[1:])
    return torch.cat([functional.batch_norm(group, None, None, training=True) for group in values.split(norm.size)])


def _loss(alone: Weights, x: torch.Tensor, y: torch.Tensor, norm: Norm, mates: torch.Tensor | None) -> torch.Tensor:
    """Write one seed's loss as one would with PyTorch: weights without a seed axis, x [batch, context]."""
    values = _theirs(alone.embedding[x].flatten(1) @ alone.hidden, norm)
    if mates is not None:  # [2, group, 1, unit]: the mates' mean and their squares about it
        mean, squares = mates.repeat_interleave(norm.imaginary, 1)[:, :, 0]
        own = (values + (norm.imaginary - 1) * mean) / norm.imaginary
        variance = (squares + (norm.imaginary - 1) * (mean - own) ** 2 + (values - own) ** 2) / norm.imaginary
        values = (values - own) / variance.sqrt()
    logits = (alone.scale * values + alone.shift).tanh() @ alone.output + alone.output_bias
    return functional.cross_entropy(logits, y)


@pytest.mark.parametrize("norm", NORMS, ids=IDS)
def test_gradient_by_hand_equals_autograd(norm: Norm) -> None:
    """Float64: 1e-9 is far above rounding, and any missing term is of the gradient's own size."""
    weights, (x, y) = _weights(), _examples(len(SEEDS), BATCH)
    mates = None
    if norm.imaginary:
        shape = (len(SEEDS), BATCH // norm.imaginary, 1, WIDTH)
        mates = ghost_norm.imaginary_mates(norm.imaginary, shape, np.random.default_rng(5)).double()
    found = normed_mlp.gradient(weights, x, y, norm, mates)
    for seed in SEEDS:
        alone = Weights(*(kind[seed].clone().requires_grad_() for kind in weights))
        loss = _loss(alone, x[seed], y[seed], norm, None if mates is None else mates[:, seed])
        for ours, expected in zip(found, torch.autograd.grad(loss, alone), strict=True):
            torch.testing.assert_close(ours[seed], expected.view(ours[seed].shape), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("norm", [NONE, LAYER, ghost(256), ghost(4), imaginary(256, 16)], ids=IDS)
def test_a_network_of_the_book_s_size_is_the_same_bits_whichever_others_train_beside_it(norm: Norm) -> None:
    x, y = _examples(500)

    def trained(seeds: list[int]) -> Weights:
        start, order = normed_mlp.init(seeds, 200, 10), mlp.batches(seeds, len(x), 256, 3)
        *_, (_, weights) = normed_mlp.checkpoints(start, x, y, order, 0.5, norm, seeds)
        return weights

    together, alone = trained([4, 5, 6]), trained([5])
    assert all(torch.equal(many[1], one[0]) for many, one in zip(together, alone, strict=True))


def test_descent_subtracts_rate_times_gradient() -> None:
    x, y = _examples(50)
    weights, order = _weights(), mlp.batches(SEEDS, len(x), BATCH, 1)
    *_, (_, trained) = normed_mlp.checkpoints(weights, x, y, order, 0.25, ghost(4), SEEDS)
    slope = normed_mlp.gradient(weights, x[order[0]], y[order[0]], ghost(4))
    for before, after, change in zip(weights, trained, slope, strict=True):
        torch.testing.assert_close(after, before - 0.25 * change, rtol=1e-12, atol=1e-15)


def test_descent_shows_the_steps_that_are_asked_for() -> None:
    x, y = _examples(50)
    weights, order = _weights(), mlp.batches(SEEDS, len(x), BATCH, 4)
    every = dict(_steps_of(weights, x, y, order, None))
    asked = dict(_steps_of(weights, x, y, order, [3, 1]))
    assert list(every) == list(range(5)) and list(asked) == [1, 3]
    assert all(torch.equal(*pair) for step in asked for pair in zip(asked[step], every[step], strict=True))


def _steps_of(
    weights: Weights, x: torch.Tensor, y: torch.Tensor, order: torch.Tensor, looks: list[int] | None
) -> Iterator[tuple[int, list[torch.Tensor]]]:
    for step, now in normed_mlp.checkpoints(weights, x, y, order, 0.25, imaginary(12, 4), SEEDS, looks):
        yield step, [kind.clone() for kind in now]


@pytest.mark.parametrize("norm", NORMS, ids=IDS)
def test_on_another_device_every_tensor_of_a_step_lies_there(norm: Norm, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in tests/nets/test_sgd.py: a step that mixes two devices is an error on PyTorch's device without numbers."""
    monkeypatch.setenv(VARIABLE, "meta")
    products: list[str] = []
    product = torch.bmm
    monkeypatch.setattr(torch, "bmm", lambda *both: products.append(both[0].device.type) or product(*both))
    x, y = _examples(50)
    start, order = normed_mlp.init(SEEDS, WIDTH, 4), mlp.batches(SEEDS, len(x), BATCH, 2)
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):  # what was trained, at the look
        next(normed_mlp.checkpoints(start, x, y, order, 0.25, norm, SEEDS, [2]))
    assert len(products) >= 8 and set(products) == {"meta"}


def _losses_agree() -> None:
    """Batch norm's own evaluation mode, with running averages set to the training set's mean and biased variance."""
    weights = _weights()
    (x, y), other = _examples(300), names.contexts(["anna", "bob", "annabel"])
    population = names.counts(x, y)
    for norm in (ghost(4), LAYER, NONE):
        found = normed_mlp.losses(weights, norm, population, population, names.counts(*other))
        for seed in SEEDS:
            alone = Weights(*(kind[seed] for kind in weights))
            values = alone.embedding[x].flatten(1) @ alone.hidden
            mean, variance = values.mean(0), values.var(0, correction=0)
            for row, (letters, following) in zip(found, ((x, y), other), strict=True):
                values = alone.embedding[letters].flatten(1) @ alone.hidden
                standard = functional.batch_norm(values, mean, variance) if norm == ghost(4) else _theirs(values, norm)
                logits = (alone.scale * standard + alone.shift).tanh() @ alone.output + alone.output_bias
                assert row[seed].item() == pytest.approx(functional.cross_entropy(logits, following).item(), rel=1e-10)


def test_losses_use_the_statistics_of_the_whole_training_set() -> None:
    _losses_agree()


@pytest.mark.parametrize("mutant", ["batch_statistics", "every_context_once"])
def test_named_mutants_of_the_evaluation_are_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mutant == "batch_statistics":  # those of whatever is being evaluated
        monkeypatch.setattr(normed_mlp, "EXAMPLES", -1)
        monkeypatch.setattr(
            ghost_norm,
            "standardise",
            lambda values, norm: (_theirs(values[0], norm if norm.size == 1 else ghost(len(values[0])))[None], None),
        )
    else:
        statistics = normed_mlp._statistics
        monkeypatch.setattr(
            normed_mlp,
            "_statistics",
            lambda v, data: statistics(v, data._replace(next_counts=torch.ones_like(data.next_counts))),
        )
    with pytest.raises(AssertionError):
        _losses_agree()


@pytest.fixture(scope="module")
def batchnorm_regularization() -> ModuleType:
    """The question's own code, while the book has the question."""
    module: ModuleType = pytest.importorskip("experiments.batchnorm_regularization")
    return module


def test_jitter_is_the_standard_deviation_over_mates(batchnorm_regularization: ModuleType) -> None:
    weights, (x, _) = _weights(), _examples(40)
    found = batchnorm_regularization.jitter(weights, x, ghost(4), SEEDS, probes=5, mate_sets=6)
    for seed in SEEDS:
        generator = torch.Generator().manual_seed(batchnorm_regularization.MATES + seed)
        probes, mates = (torch.randint(40, shape, generator=generator) for shape in ((5,), (6, 3)))
        values = weights.embedding[seed][x].flatten(1) @ weights.hidden[seed]
        variances = []
        for probe in values[probes]:
            among = [torch.cat([probe[None], values[row]]) for row in mates]
            first = torch.stack([functional.batch_norm(group, None, None, training=True)[0] for group in among])
            variances.append(first.var(0, correction=1).mean())
        assert found[seed].item() == pytest.approx(torch.stack(variances).mean().sqrt().item(), rel=1e-9)


def test_jitter_of_normal_values_follows_its_law(batchnorm_regularization: ModuleType) -> None:
    """Sums of 30 normal numbers with normal weights, in 100 units: 5 % of noise pass (the square of a spread from

    30 letters' lengths); a group of 7 or 9 in place of 8 is 6 % off, a forgotten spread 20 %.
    """
    weights = normed_mlp.init(range(8), 100, 100)
    x, _ = _examples(1000)
    measured = batchnorm_regularization.jitter(weights, x, ghost(8), range(8), probes=32, mate_sets=32).mean().item()
    assert measured == pytest.approx(ghost_norm.jitter_law(8), rel=0.05)


@pytest.mark.parametrize("norm", NORMS[:4], ids=IDS[:4])
def test_mates_matter_to_batch_norm_and_to_nothing_else(batchnorm_regularization: ModuleType, norm: Norm) -> None:
    weights, (x, _) = _weights(), _examples(2, len(SEEDS), BATCH)
    change = batchnorm_regularization.change(weights, norm, x[0], x[1])
    if norm in (NONE, LAYER):
        assert torch.equal(change, torch.zeros(3, dtype=torch.float64))  # not one bit
    else:
        assert (change > 1e-3).all()


def test_loss_as_training_sees_it_is_the_loss_with_the_batch_s_own_statistics(
    batchnorm_regularization: ModuleType,
) -> None:
    weights, (x, y) = _weights(), _examples(2, len(SEEDS), BATCH)
    found = batchnorm_regularization.loss_with_mates(weights, ghost(4), x, y)
    for seed in SEEDS:
        alone = Weights(*(kind[seed] for kind in weights))
        losses = [
            _loss(alone, letters[seed], following[seed], ghost(4), None).item()
            for letters, following in zip(x, y, strict=True)
        ]
        assert found[seed].item() == pytest.approx(np.mean(losses), rel=1e-10)
