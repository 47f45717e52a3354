"""What the chapter on the first loss says is so: the integrals, the same code at SMOKE size, the numbers, mutants."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from experiments import initial_loss
from experiments.initial_loss import CLAIMS, SMOKE, UNIFORM, Params, Result
from lab.claims import Verdict
from lab.estimate import Estimate
from lab.read import read
from nets import initialisation, logit_statistics, mlp, names

CHARACTERS = 27


@pytest.fixture(scope="module")
def result() -> Result:
    return read(initial_loss)


@pytest.fixture(scope="module")
def smoke() -> Result:
    return initial_loss.run(SMOKE)


def _data() -> names.Counts:
    return names.counts(*names.contexts(["emma", "ava", "olivia", "bob"]))


# The theory


def test_largest_of_two_and_three_normal_numbers_is_known_in_closed_form() -> None:
    assert logit_statistics.expected_maximum(1) == pytest.approx(0, abs=1e-12)
    assert logit_statistics.expected_maximum(2) == pytest.approx(1 / math.sqrt(math.pi), rel=1e-11)
    assert logit_statistics.expected_maximum(3) == pytest.approx(1.5 / math.sqrt(math.pi), rel=1e-11)


def test_largest_of_27_agrees_with_adaptive_quadrature(result: Result) -> None:
    mean, _ = quad(lambda z: z * CHARACTERS * norm.cdf(z) ** (CHARACTERS - 1) * norm.pdf(z), -9, 9, epsabs=1e-12)
    assert result.expected_maximum == pytest.approx(mean, rel=1e-10)


@pytest.mark.parametrize("scale", [0.1, 1.0, 4.0, 15.0])
def test_logsumexp_of_one_logit_is_nothing_and_of_two_agrees_with_adaptive_quadrature(scale: float) -> None:
    """ln(e^a + e^b) is (a + b)/2 + ln(2 cosh((a - b)/2)), and a - b is normal: no Gumbel number needed."""
    assert logit_statistics.expected_logsumexp(scale, 1) == pytest.approx(0, abs=1e-9)
    expected, _ = quad(lambda z: np.logaddexp(scale * z / 2**0.5, -scale * z / 2**0.5) * norm.pdf(z), -9, 9)
    assert logit_statistics.expected_logsumexp(scale, 2) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("scale", [0.3, 3.0, 30.0])
def test_logsumexp_agrees_with_normal_logits_drawn_one_by_one(scale: float) -> None:
    logits = scale * logit_statistics.normal_logits(20_000, CHARACTERS, seed=5)
    values = torch.logsumexp(logits, 1)
    error = float(values.std()) / math.sqrt(len(values))
    assert abs(float(values.mean()) - logit_statistics.expected_logsumexp(scale, CHARACTERS)) < 4 * error


def test_logsumexp_meets_both_of_its_laws() -> None:
    """To second order the next term is of order s^4, 1e-8; at s = 40 the sum exceeds its largest term by 0.04."""
    small = logit_statistics.expected_logsumexp(0.01, CHARACTERS) - UNIFORM
    assert small == pytest.approx(26 / 27 * 0.01**2 / 2, abs=1e-8)
    large = logit_statistics.expected_logsumexp(40.0, CHARACTERS) / 40
    assert large == pytest.approx(logit_statistics.expected_maximum(CHARACTERS), abs=2e-3)


def test_parts_add_up_to_the_librarys_loss() -> None:
    x, y = names.contexts(["emma", "ava", "olivia", "bob"])
    weights = mlp.init([3], width=8, dtype=torch.float64)
    data = names.counts(x, y)
    found = logit_statistics.decompose(mlp.logits(weights, data.contexts)[0], data)
    expected = torch.nn.functional.cross_entropy(mlp.logits(weights, x)[0], y).item()
    assert found.logsumexp - found.correct_logit == pytest.approx(expected, rel=1e-12)
    shifted = logit_statistics.decompose(mlp.logits(weights, data.contexts)[0] + 5, data)
    assert shifted == pytest.approx(found, rel=1e-12)  # softmax does not see a common shift, nor does any part


def test_confidence_and_probabilities_are_counted_as_a_reader_would() -> None:
    data = names.Counts(
        torch.zeros(2, 3, dtype=torch.int64), torch.tensor([[3.0, 1.0], [0.0, 4.0]], dtype=torch.float64)
    )
    logits = torch.tensor([[0.9, 0.1], [0.5, 0.5]], dtype=torch.float64).log()
    assert (
        logit_statistics.confidently_wrong(logits, data) == 1 / 8
    )  # one character b where a was given 0.9; halves are not more
    assert logit_statistics.mean_correct_probability(logits, data) == pytest.approx((3 * 0.9 + 0.1 + 4 * 0.5) / 8)
    levels = logit_statistics.log_probability_quantiles(logits, data.next_counts, np.array([0.1, 0.5, 0.9]))
    assert np.exp(levels) == pytest.approx([0.1, 0.5, 0.9])


def test_the_plain_parts_of_the_chapter_are_those_of_the_experiment() -> None:
    """Example by example against counted contexts, float64."""
    x, y = names.contexts(["emma", "ava", "olivia", "bob"])
    weights = mlp.init([3], width=8, dtype=torch.float64)
    logsumexp, correct_logit = initial_loss.loss_parts(mlp.logits(weights, x)[0], y)
    data = names.counts(x, y)
    found = logit_statistics.decompose(mlp.logits(weights, data.contexts)[0], data)
    assert (logsumexp.item(), correct_logit.item()) == pytest.approx((found.logsumexp, found.correct_logit), rel=1e-12)


# The committed result


def test_first_losses_follow_theory_over_four_decades(result: Result) -> None:
    _assert_theory(result)


def _assert_theory(result: Result) -> None:
    """Two half-widths of 95 % pass where all share their weights.

    A law without the half, or a standard deviation taken for a variance, misses by a factor.  The probability of the correct character is 1/27 at every one, by symmetry.
    """
    rows = result.by_std
    assert ((rows["logsumexp"] - rows["predicted"]).abs() <= rows["logsumexp_high"] - rows["logsumexp_low"]).all()
    assert ((rows["probability"] - 1 / CHARACTERS).abs() <= rows["probability_high"] - rows["probability_low"]).all()


def test_correct_logit_is_linear_in_the_standard_deviation_and_outweighs_a_small_logsumexp(result: Result) -> None:
    rows = result.by_std
    assert (rows["correct_logit_std"] / rows["std"]).to_numpy() == pytest.approx(result.correct_logit_std, rel=1e-9)
    assert (
        rows["correct_logit_std"].iloc[0] > 10 * rows["logsumexp"].iloc[0]
        and rows["correct_logit_std"].iloc[-1] < 0.1 * rows["logsumexp"].iloc[-1]
    )


def test_probabilities_are_those_of_normal_logits(result: Result) -> None:
    """Within 3 % of the standard deviation: contexts differ in length by about that, and 32 seeds average the rest."""
    rows = result.probabilities
    assert ((rows["log_p"] - rows["predicted"]).abs() < 0.06 * rows["std"] + 0.01 * rows["predicted"].abs()).all()


def test_only_a_small_layer_without_bias_starts_at_ln_27(result: Result) -> None:
    off = result.inits.set_index("init")["loss"] / UNIFORM - 1
    assert off["small, no bias"] < 0.01 < 0.1 < off["small"] and off["no bias"] > 5
    assert off["last layer zero"] == pytest.approx(0, abs=1e-7) and off["small, unigram bias"] < -0.1
    assert abs(result.small_loss_worst / UNIFORM - 1) < 0.01


def test_frequencies_in_the_bias_cost_their_entropy(result: Result) -> None:
    told = result.inits.set_index("init").loc["small, unigram bias", "loss"]
    assert result.entropy < told < result.entropy + 0.02  # the small layer's s^2/2 at s = 0.13


def test_standard_normal_weights_cost_what_their_logits_should(result: Result) -> None:
    """Over characters, about their mean, it is sqrt(26/27) of that of one logit; the seeds' own interval is the tolerance."""
    std = result.normal_std.mean / math.sqrt(26 / 27)
    assert result.normal_loss.low < logit_statistics.expected_logsumexp(std, CHARACTERS) < result.normal_loss.high


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    assert {claim.name: claim.verdict(result) for claim in CLAIMS} == dict.fromkeys(
        ("uniform", "confident", "small", "zeros", "no-proof"), Verdict.HOLDS
    )


def test_recomputed_networks_equal_the_committed_result(result: Result) -> None:
    """All seeds and initialisations, at every eighth standard deviation.

    The networks are float32: another processor's sums differ by 1e-6 of a logit, and 1e-4 of any number is far above.
    Confidence is counted, and one in 185,346 examples may change sides; the smallest correct logit is 1e-3: hence atol.
    """
    again = initial_loss.run(dataclasses.replace(Params(), stds=3, distribution_stds=(1.0,)))
    one = result.probabilities[result.probabilities["std"] == 1]
    pairs = ((again.by_std, result.by_std[::8]), (again.inits, result.inits), (again.probabilities, one))
    for ours, theirs in pairs:
        numbers = ours.select_dtypes("number").to_numpy(), theirs.select_dtypes("number").to_numpy()
        assert np.allclose(*numbers, rtol=1e-4, atol=2e-5)
    assert again.uniform_error < 1e-14 and again.all_zero_error == pytest.approx(result.all_zero_error, abs=1e-7)


# The same code, small


def test_smoke_run_has_every_table_full_and_zeros_exact(smoke: Result) -> None:
    assert smoke.all_zero_error < 1e-7 and smoke.all_zero_gradient == 0 < smoke.small_gradient.low
    assert not any(table.isna().any().any() for table in (smoke.by_std, smoke.inits, smoke.probabilities))


def test_smoke_run_is_the_same_bits_twice(smoke: Result) -> None:
    again = initial_loss.run(SMOKE)
    for field in dataclasses.fields(Result):
        ours, theirs = getattr(again, field.name), getattr(smoke, field.name)
        assert ours.equals(theirs) if isinstance(ours, pd.DataFrame) else ours == theirs, field.name


@pytest.fixture(scope="module")
def size(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """Return a setting with enough seeds for intervals that mean something, and few names."""
    some = tmp_path_factory.mktemp("names") / "some.txt"
    some.write_text("\n".join(names.load(Path("data/names.txt"))[:1500]), encoding="ascii")
    return dataclasses.replace(SMOKE, data=some, width=100, seeds=16, smallest_std=0.1, stds=3)


def test_another_readers_names_follow_theory_too(size: Params) -> None:
    _assert_theory(initial_loss.run(size))


@pytest.mark.parametrize("mutant", ["sum for mean", "base two", "std not squared", "every context counts alike"])
def test_named_mutants_are_caught(mutant: str, size: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, expected, probability = (
        logit_statistics.decompose,
        logit_statistics.expected_logsumexp,
        logit_statistics.mean_correct_probability,
    )
    if mutant == "sum for mean":
        monkeypatch.setattr(
            logit_statistics,
            "mean_correct_probability",
            lambda logits, data: probability(logits, data) * len(data.contexts),
        )
    elif mutant == "base two":
        monkeypatch.setattr(
            logit_statistics,
            "decompose",
            lambda z, data: (p := parts(z, data))._replace(logsumexp=p.logsumexp / math.log(2)),
        )
    elif mutant == "std not squared":
        monkeypatch.setattr(
            logit_statistics, "expected_logsumexp", lambda scale, letters: expected(scale**0.5, letters)
        )
    else:
        monkeypatch.setattr(
            logit_statistics,
            "decompose",
            lambda z, data: parts(
                z, data._replace(next_counts=data.next_counts / data.next_counts.sum(1, keepdim=True))
            ),
        )
        with pytest.raises(AssertionError):  # the logsumexp is blind to it, the loss is not
            _assert_loss_is_the_librarys()
        return
    with pytest.raises(AssertionError):
        _assert_theory(initial_loss.run(size))


def _assert_loss_is_the_librarys() -> None:
    """Compare with mlp.losses, which counts every example once."""
    data = _data()
    weights = initialisation.small_last_layer(mlp.init([3], width=8, dtype=torch.float64), 1.0)
    found = logit_statistics.decompose(mlp.logits(weights, data.contexts)[0], data)
    assert found.logsumexp - found.correct_logit == pytest.approx(float(mlp.losses(weights, *data)[0]), rel=1e-9)


def test_loss_over_counted_examples_is_the_librarys() -> None:
    _assert_loss_is_the_librarys()


def test_confidence_without_cost_and_cost_without_confidence_are_caveats(result: Result) -> None:
    claim = next(claim for claim in CLAIMS if claim.name == "confident")
    cheap, unsure = Estimate(4.0, 0.1, 32), Estimate(0.2, 0.1, 32)
    assert claim.verdict(dataclasses.replace(result, normal_loss=cheap)) is Verdict.CAVEAT
    assert claim.verdict(dataclasses.replace(result, normal_confidently_wrong=unsure)) is Verdict.CAVEAT
    assert (
        claim.verdict(dataclasses.replace(result, normal_loss=cheap, normal_confidently_wrong=unsure)) is Verdict.FAILS
    )
