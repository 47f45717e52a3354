"""Normalisation over ghost groups against PyTorch's own layers, and the law of its jitter against a simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional

from nets import ghost_norm
from nets.ghost_norm import LAYER, NONE, Norm, ghost, imaginary

NORMS = [ghost(12), ghost(4), LAYER]
EXACT = {"rtol": 1e-10, "atol": 1e-12}  # float64: rounding is 1e-16 an operation; another variance would be off by 1/24


def theirs(values: torch.Tensor, norm: Norm) -> torch.Tensor:
    """Normalise [seed, batch, unit] with PyTorch's layers, one seed and one group at a time."""
    if norm.axis is None:
        return values
    if norm is LAYER:
        return functional.layer_norm(values, values.shape[2:])
    groups = [
        functional.batch_norm(group, None, None, training=True) for seed in values for group in seed.split(norm.size)
    ]
    return torch.cat(groups).view(values.shape)


@pytest.fixture
def values() -> torch.Tensor:
    """Three seeds, 12 examples, 5 units, neither centred nor of unit spread."""
    return 2 + 3 * torch.randn(3, 12, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def _forward_agrees(values: torch.Tensor) -> None:
    for norm in [*NORMS, NONE]:
        torch.testing.assert_close(ghost_norm.standardise(values, norm)[0], theirs(values, norm), **EXACT)


def _backward_agrees(values: torch.Tensor) -> None:
    for norm in [*NORMS, NONE]:
        slope = torch.randn(values.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        leaf = values.clone().requires_grad_()
        (expected,) = torch.autograd.grad(theirs(leaf, norm), leaf, slope)
        standard, inverse = ghost_norm.standardise(values, norm)
        found = ghost_norm.backward(slope, standard, inverse, norm, torch.empty_like(slope))
        torch.testing.assert_close(found, expected, **EXACT)


def test_one_group_is_batch_norm_many_are_many_batch_norms_and_across_units_it_is_layer_norm(
    values: torch.Tensor,
) -> None:
    _forward_agrees(values)


def test_gradient_by_hand_is_that_of_autograd_through_the_layers_of_pytorch(values: torch.Tensor) -> None:
    _backward_agrees(values)


def test_values_go_in_unharmed(values: torch.Tensor) -> None:
    before = values.clone()
    ghost_norm.standardise(values, ghost(4))
    assert torch.equal(values, before)


def test_drawn_jitter_leaves_the_statistics_to_the_whole_batch(values: torch.Tensor) -> None:
    ours, whole = (ghost_norm.standardise(values, norm)[0] for norm in (imaginary(12, 4), ghost(12)))
    assert torch.equal(ours, whole)


@pytest.mark.parametrize("size", [3, 4, 16])
def test_law_of_jitter_agrees_with_a_simulation(size: int) -> None:
    """One value, twice among new mates: 1 less the mean product is the squared jitter.  Four standard errors of it are

    1 % at most, and would tell m from m - 1 (25 % of 0.34 at m = 4, 6 % at 16).
    """
    generator = np.random.default_rng(size)
    value = generator.standard_normal((400_000, 1))
    twice = []
    for _ in range(2):
        group = np.concatenate([value, generator.standard_normal((len(value), size - 1))], 1)
        twice.append((value[:, 0] - group.mean(1)) / group.std(1))
    product = twice[0] * twice[1]
    error = product.std() / len(product) ** 0.5
    assert ghost_norm.jitter_law(size) ** 2 == pytest.approx(1 - product.mean(), abs=4 * error)


def test_jitter_falls_with_the_root_of_the_group_size() -> None:
    """1 / m from the mean and, over z of mean square 1, z^2 / 2m from the spread; the next term is of order 1 / m^2."""
    for size in (256, 1024):
        assert size * ghost_norm.jitter_law(size) ** 2 == pytest.approx(1.5, rel=2 / size)


def test_imaginary_mates_have_the_mean_and_squares_of_real_ones() -> None:
    """Moments of 40,000 groups of 8: five standard errors of each pass; 6 or 8 mates in place of 7 are off by ten."""
    mean, squares = ghost_norm.imaginary_mates(8, (40_000,), np.random.default_rng(0)).double().numpy()
    error = 5 * np.sqrt(2 / 40_000)
    assert abs(mean.mean()) < 5 / np.sqrt(7 * 40_000)
    assert mean.var() == pytest.approx(1 / 7, rel=error)
    assert squares.mean() == pytest.approx(6, rel=error)  # 7 numbers about their own mean
    assert squares.var() == pytest.approx(12, rel=5 * np.sqrt((2 + 12 / 6) / 40_000))
    assert np.corrcoef(mean, squares)[0, 1] == pytest.approx(0, abs=5 / 200)


def test_a_value_among_mates_becomes_what_batch_norm_makes_of_it_with_its_derivative() -> None:
    """Mates that can be written down, so that PyTorch can normalise the whole group; ours leaves epsilon out."""
    generator = torch.Generator().manual_seed(4)
    values = torch.randn(20, generator=generator, dtype=torch.float64, requires_grad=True)
    mates = torch.randn(20, 6, generator=generator, dtype=torch.float64)
    groups = torch.cat([values[:, None], mates], 1).T  # [member, value]
    expected = functional.batch_norm(groups, None, None, training=True, eps=1e-300)[0]
    statistics = mates.mean(1), mates.var(1, correction=0) * 6
    torch.testing.assert_close(ghost_norm.joined(values, *statistics, 7), expected, **EXACT)
    (slope,) = torch.autograd.grad(expected.sum(), values)
    torch.testing.assert_close(ghost_norm.joined_derivative(values.detach(), *statistics, 7), slope, **EXACT)


def _unbiased(
    standardise: Callable[..., tuple[torch.Tensor, torch.Tensor]],
) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    def mutant(values: torch.Tensor, norm: Norm) -> tuple[torch.Tensor, torch.Tensor]:
        standard, inverse = standardise(values, norm)
        factor = 1.0 if norm.axis is None else (1 - 1 / ghost_norm.grouped(values, norm.size).shape[norm.axis]) ** 0.5
        return standard * factor, inverse * factor

    return mutant


@pytest.mark.parametrize("mutant", ["unbiased_variance", "wrong_axis", "no_epsilon"])
def test_named_mutants_of_the_statistics_are_caught(
    mutant: str, values: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    standardise = ghost_norm.standardise
    if mutant == "unbiased_variance":
        monkeypatch.setattr(ghost_norm, "standardise", _unbiased(standardise))
    elif mutant == "wrong_axis":
        swapped = {ghost_norm.EXAMPLES: ghost_norm.UNITS, ghost_norm.UNITS: ghost_norm.EXAMPLES}
        monkeypatch.setattr(
            ghost_norm, "standardise", lambda v, norm: standardise(v, norm._replace(axis=swapped.get(norm.axis)))
        )
    else:
        monkeypatch.setattr(ghost_norm, "EPSILON", 0.0)
    with pytest.raises(AssertionError):
        _forward_agrees(values)


def test_a_gradient_that_takes_the_statistics_for_constants_is_caught(
    values: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ghost_norm,
        "backward",
        lambda slope, standard, inverse, norm, scratch: (ghost_norm.grouped(slope, norm.size) * inverse).view(
            slope.shape
        ),
    )
    with pytest.raises(AssertionError):
        _backward_agrees(values)
