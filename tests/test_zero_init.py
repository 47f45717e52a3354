"""What the chapter on zero weights says is so: the algebra in float64, the same code at SMOKE size, the numbers, mutants."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import zero_init
from experiments.zero_init import CLAIMS, SMOKE, Params, Result, escape_time, initialisations, plain, symmetry
from lab.claims import Verdict
from lab.read import read
from nets import initialisation, mlp, names, threshold_crossing, unigram_baseline
from nets.mlp import Weights


@pytest.fixture(scope="module")
def result() -> Result:
    return read(zero_init)


@pytest.fixture(scope="module")
def smoke() -> Result:
    return zero_init.run(SMOKE)


def _training_letters() -> Counter[str]:
    return Counter("".join(f"{name}." for name in names.split(names.load(Params().data)).train))


def _final(init: Weights, lr: mlp.LearningRates, steps: int = 50) -> Weights:
    """Train on the first names of the book, in float64."""
    x, y = names.contexts(names.load(Params().data)[:50])
    order = mlp.batches(range(len(init.embedding)), len(x), batch=8, steps=steps)
    *_, (_, weights) = mlp.checkpoints(init, x[order], y[order], lr)
    return weights


# The algebra


def test_entropy_agrees_with_letters_counted_in_the_file(result: Result) -> None:
    letters = _training_letters()
    total = letters.total()
    expected = -sum(many / total * math.log(many / total) for many in letters.values())
    assert result.entropy == pytest.approx(expected, rel=1e-12)
    assert unigram_baseline.entropy(np.full(27, 1 / 27)) == pytest.approx(math.log(27), rel=1e-14)
    assert unigram_baseline.entropy(np.array([0.5, 0, 0.5])) == pytest.approx(math.log(2), rel=1e-14)
    assert unigram_baseline.conditional_entropy(np.array([[2.0, 2.0], [4.0, 0.0]])) == pytest.approx(
        math.log(2) / 2, rel=1e-14
    )


def test_from_zero_only_the_last_bias_has_a_gradient() -> None:
    """By autograd on a network written with PyTorch's own layers, which shares nothing with nets/mlp.py."""
    net = torch.nn.Sequential(
        torch.nn.Embedding(27, 10),
        torch.nn.Flatten(),
        torch.nn.Linear(30, 200),
        torch.nn.Tanh(),
        torch.nn.Linear(200, 27),
    )
    for weight in net.parameters():
        torch.nn.init.zeros_(weight)
    x, y = names.contexts(["emma", "ava"])
    torch.nn.functional.cross_entropy(net(x), y).backward()
    sizes = {name: weight.grad.abs().max().item() for name, weight in net.named_parameters() if weight.grad is not None}
    assert sizes.pop("4.bias") > 0.1
    assert set(sizes.values()) == {0.0} and len(sizes) == 4


def test_the_code_that_the_chapter_shows_agrees() -> None:
    x, y = names.contexts(["emma", "ava"])
    norms = plain.zero_gradients(x, y)
    assert norms.pop("4.bias") > 0.1 and set(norms.values()) == {0.0} and len(norms) == 4


def test_constant_units_stay_equal_to_rounding() -> None:
    normal = mlp.init((1, 2), 24, 4, dtype=torch.float64)
    for embedding in (normal.embedding, torch.full_like(normal.embedding, 0.1)):
        weights = _final(initialisation.constant(normal, 0.1)._replace(embedding=embedding), mlp.same_lr(0.1))
        for tensor, axis in ((weights.hidden, 2), (weights.hidden_bias, 2), (weights.output, 1)):
            difference = tensor.amax(axis) - tensor.amin(axis)
            assert (
                difference.max() < 1e-12
            )  # 1e-16 a step; units that differ at all would differ by their updates, 1e-2


@pytest.mark.parametrize(("width", "dimension"), [(7, 3), (40, 1), (1, 5)])
def test_single_unit_equals_a_constant_network_of_any_width(width: int, dimension: int) -> None:
    _assert_one_unit(width, dimension)


def _assert_one_unit(width: int, dimension: int) -> None:
    like = mlp.init((1, 2), width, dimension, dtype=torch.float64)
    wide = _final(initialisation.constant(like, 0.1), mlp.same_lr(0.1))
    single = _final(*initialisations.single_unit(like, 0.1, 0.1))
    x, _ = names.contexts(["emma", "olivia"])
    assert torch.allclose(mlp.logits(wide, x), mlp.logits(single, x), rtol=1e-10, atol=1e-12)
    dependence = mlp.logits(single, x).std(1).max()
    assert (
        dependence > 1e-4
    )  # far above what was allowed for rounding: it uses the context, so that equality means something


def test_settling_without_noise_is_plain_gradient_descent() -> None:
    frequencies = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    losses = []
    for _ in range(20):
        loss = bias.logsumexp(0) - frequencies @ bias
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, bias)
        bias = (bias - 0.7 * gradient).detach().requires_grad_()
    found = unigram_baseline.expected_loss(frequencies.numpy(), lr=0.7, batch=10**12, steps=19)
    assert found == pytest.approx(losses, abs=1e-11)


def test_settling_ends_at_the_entropy_and_the_noise_that_algebra_gives() -> None:
    frequencies = np.array([0.5, 0.3, 0.2])
    noise = unigram_baseline.stationary_excess(frequencies, lr=0.1, batch=8)
    ends = unigram_baseline.expected_loss(frequencies, lr=0.1, batch=8, steps=4000)[-1]
    assert ends == pytest.approx(unigram_baseline.entropy(frequencies) + noise, abs=1e-9)
    small = unigram_baseline.stationary_excess(frequencies, lr=1e-4, batch=8)  # the docstring's limit
    assert small == pytest.approx(1e-4 * (1 - np.sum(frequencies**2)) / 32, rel=1e-4)


def test_units_are_counted_as_a_reader_would() -> None:
    one, other = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([3.0, -1.0, 0.5])
    hidden = torch.stack([one, one * (1 + 1e-7), other, one + other], 1)[None]
    assert symmetry.distinct_units(hidden).tolist() == [3] and symmetry.numerical_rank(hidden).tolist() == [2]
    silent = torch.zeros(1, 3, 4)
    assert symmetry.distinct_units(silent).tolist() == [1] and symmetry.numerical_rank(silent).tolist() == [0]
    assert symmetry.relative_distance(silent).tolist() == [0] and symmetry.relative_distance(
        one[None, :, None].expand(1, 3, 4)
    ).tolist() == [0]


def test_crossing_is_exact_for_exponential_growth() -> None:
    steps = np.array([0, 10, 20, 30])
    values = np.exp(0.2 * steps)[:, None] * np.array([[1e-3, 1e-30, 5.0]])
    assert threshold_crossing.first_crossing(steps, values, 0.1) == pytest.approx([np.log(100) / 0.2, 30, 0])


def test_small_layers_of_a_linear_problem_grow_by_the_covariance() -> None:
    """Two contexts, two letters, each context with its own: cov(x, y) has one singular value that can be written down."""
    counts = names.Counts(torch.tensor([[1, 0, 0], [2, 0, 0]]), torch.zeros(2, 27, dtype=torch.float64))
    counts.next_counts[0, 1] = counts.next_counts[1, 2] = 1
    embedding = torch.zeros(1, 27, 1)
    embedding[0, 1], embedding[0, 2] = 1.0, -1.0  # x = ±1 in the first position; cov = (1/2, -1/2), of norm 1/sqrt 2
    assert escape_time.small_layers_growth(embedding, counts, lr=0.1).item() == pytest.approx(
        1 + 0.1 / np.sqrt(2), rel=1e-12
    )


# The committed result


def test_all_zero_network_ends_where_theory_says(result: Result) -> None:
    assert result.largest_change == 0
    assert abs(result.zero.mean - result.zero_predicted) < 2 * result.zero.half_width  # more than four standard errors
    _assert_settles(result)


def _assert_settles(result: Result) -> None:
    """Three half-widths of 95 % pass for 11 evaluations; a batch taken for one example would miss by ten times the noise."""
    rows = result.excess_loss[result.excess_loss["step"] > 0]
    slack = 1.5 * (rows["excess_high"] - rows["excess_low"])
    assert ((rows["excess"] - rows["predicted"]).abs() < slack).all()


def test_a_right_first_loss_is_no_proof_of_a_good_initialisation(result: Result) -> None:
    first = result.curves[result.curves["step"] == 0].set_index("init")["loss"]
    assert first["zero"] == pytest.approx(math.log(27), rel=1e-6)  # float32
    assert first["zero"] < first["good"] < 1.01 * math.log(27)
    assert result.good.high < result.zero.low - 0.3


def test_growth_follows_its_laws(result: Result) -> None:
    """Within 5 %; a fourth factor in the product would give -2, and the second moment for the covariance 1.5 or more."""
    assert abs(result.escape_exponent.mean + 1) < 0.05 and abs(result.steps_per_decade_ratio.mean - 1) < 0.05
    assert result.noise_steps_per_decade.low > 0


def test_losses_come_in_the_order_that_the_chapter_tells(result: Result) -> None:
    end = result.curves[result.curves["step"] == Params().steps].set_index("init")["loss"]
    order = ["good", "tiny 0.1", "constant layers", "constant", "zero"]
    assert list(end[order]) == sorted(end[order])
    assert result.conditional_entropy < result.good.low and result.constant.high < result.entropy
    assert result.tiniest.high < result.constant.low and result.tiny_distinct_share == 1  # broken, and put to use


def test_the_tiniest_initialisation_sits_on_the_entropy_until_it_escapes(result: Result) -> None:
    tiniest = result.curves[result.curves["init"] == f"tiny {Params().tiny_scales[-1]:g}"].set_index("step")["loss"]
    before = tiniest[(tiniest.index >= 1500) & (tiniest.index < 0.7 * result.tiniest_escape.mean)]
    assert len(before) >= 3 and (abs(before - result.entropy) < 0.01).all()
    last = result.escapes[(result.escapes["small"] == "all weights")].iloc[-1]
    assert last["scale"] == Params().tiny_scales[-1] and last["step"] == result.tiniest_escape.mean < Params().steps


def test_rounding_parts_the_units_through_the_bias_and_into_few(result: Result) -> None:
    """Which step, and how many seeds in time, depends on the processor's order of summing; that it is few units does not."""
    assert result.constant_units.mean == result.frozen_bias_units.mean == 1 < result.constant_layers_units.mean < 3


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    verdicts = {claim.name: claim.verdict(result) for claim in CLAIMS}
    holds = ("no-gradient", "entropy", "identical", "width", "last-layer", "tiny")
    assert verdicts == dict.fromkeys(holds, Verdict.HOLDS) | {"identical-layers": Verdict.CAVEAT}


# The same code, small


def test_smoke_run_keeps_zeros_still_and_constants_equal(smoke: Result) -> None:
    assert (
        smoke.largest_change == 0
        and smoke.early_distance < 1e-5
        and smoke.constant_units.mean == smoke.constant_layers_units.mean == 1
    )
    assert abs(smoke.width_gap.mean) < 1e-5
    assert not any(
        table.isna().any().any() for table in (smoke.curves, smoke.gradients, smoke.excess_loss, smoke.escapes)
    )


def test_another_readers_names_can_be_used(tmp_path: Path) -> None:
    """Ten names, few letters, Windows line ends: nothing but the numbers changes."""
    mine = tmp_path / "mine.txt"
    mine.write_bytes(
        b"\r\n".join([b"bo", b"abba", b"cab", b"bob", b"abe", b"eva", b"ada", b"bea", b"deb", b"ed"]) + b"\r\n"
    )
    found = zero_init.run(dataclasses.replace(SMOKE, data=mine))
    assert found.largest_change == 0 and 0 < found.conditional_entropy < found.entropy < math.log(27)


@pytest.fixture(scope="module")
def size(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """Return a setting with enough seeds for narrow intervals, and few names."""
    some = tmp_path_factory.mktemp("names") / "some.txt"
    some.write_text("\n".join(names.load(Params().data)[:2000]), encoding="ascii")
    return dataclasses.replace(SMOKE, data=some, seeds=8, steps=60, eval_steps=(10, 30))


def test_an_all_zero_run_of_another_size_follows_theory_too(size: Params) -> None:
    _assert_zero(zero_init.run(size))


@pytest.mark.parametrize("mutant", ["first layer not zero", "sum for mean", "every context counts alike"])
def test_named_mutants_of_the_all_zero_run_are_caught(
    mutant: str, size: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled, gradient, losses = initialisation.constant, mlp.gradient, mlp.losses
    if mutant == "first layer not zero":
        monkeypatch.setattr(
            initialisation,
            "constant",
            lambda like, value: filled(like, value)._replace(hidden_bias=like.hidden_bias + 0.1),
        )
    elif mutant == "sum for mean":
        monkeypatch.setattr(
            mlp, "gradient", lambda w, x, y, *rest: Weights(*(y.shape[1] * each for each in gradient(w, x, y, *rest)))
        )
    else:
        monkeypatch.setattr(mlp, "losses", lambda w, x, n: losses(w, x, n / n.sum(1, keepdim=True)))
    found = zero_init.run(size)
    with pytest.raises(AssertionError):
        _assert_zero(found)


def _assert_zero(result: Result) -> None:
    assert result.largest_change == 0
    _assert_settles(result)


@pytest.mark.parametrize("parameter", ["embedding", "hidden", "hidden_bias", "output"])
def test_a_single_unit_with_one_wrong_learning_rate_is_caught(parameter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    single_unit = initialisations.single_unit

    def wrong(like: Weights, value: float, lr: float) -> tuple[Weights, mlp.LearningRates]:
        weights, lrs = single_unit(like, value, lr)
        return weights, lrs._replace(**{parameter: lr})

    monkeypatch.setattr(initialisations, "single_unit", wrong)
    with pytest.raises(AssertionError):
        _assert_one_unit(7, 3)


def test_units_that_differ_at_once_would_fail_the_claim_that_they_are_identical(smoke: Result) -> None:
    for claim in (claim for claim in CLAIMS if claim.name.startswith("identical")):
        assert claim.verdict(dataclasses.replace(smoke, early_distance=0.5)) is Verdict.FAILS
