"""What the chapter on squashing says is so: closed forms, the committed numbers, the same code at SMOKE size, mutants."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expit

from experiments import squashing
from experiments.squashing import CLAIMS, FIVE_THIRDS, SMOKE, Params, Result, gradient_signs, quantisation
from lab.claims import Verdict
from lab.read import read
from nets import names


@pytest.fixture(scope="module")
def result() -> Result:
    return read(squashing)


@pytest.fixture(scope="module")
def smoke() -> Result:
    return squashing.run(SMOKE)


# Theory


def test_derivatives_are_functions_of_the_output(result: Result) -> None:
    table = result.functions
    assert table["tanh_derivative"].to_numpy() == pytest.approx(1 - table["tanh"].to_numpy() ** 2, abs=1e-15)
    assert table["sigmoid_derivative"].to_numpy() == pytest.approx(
        (table["sigmoid"] * (1 - table["sigmoid"])).to_numpy()
    )


def test_float32_gives_up_where_its_rounding_says(result: Result) -> None:
    """Half a last digit of 1, the largest number, and half a digit below 1; one digit more would be ln 2 / 2 away."""
    assert result.sigmoid_one == pytest.approx(24 * math.log(2), rel=1e-5)
    assert result.sigmoid_zero == pytest.approx(128 * math.log(2), rel=1e-5)
    assert result.tanh_one == pytest.approx(13 * math.log(2), rel=1e-4)


def test_bits_agree_with_integrating_the_normal_density_level_by_level() -> None:
    levels, std = 8, 1.3
    edges = [-12, *np.arctanh(np.linspace(-1, 1, levels + 1)[1:-1]) / std, 12]
    shares = [quad(lambda z: math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi), *pair)[0] for pair in pairwise(edges)]
    expected = -sum(share * math.log2(share) for share in shares)
    assert quantisation.bits(np.arctanh, std, levels) == pytest.approx(expected, abs=1e-12)


def test_bits_have_their_limits() -> None:
    uniform = 1 / math.sqrt(3)  # the standard deviation of a uniform output; a normal one can only come near eight bits
    assert quantisation.bits(np.arctanh, uniform, 256) < 8
    assert quantisation.bits(np.arctanh, 1e6, 256) == pytest.approx(1, abs=1e-4)  # only the sign is left
    assert quantisation.bits(np.arctanh, 1e-6, 256) == pytest.approx(1, abs=1e-12)  # and here, as 0 is an edge


def test_sigmoid_keeps_what_tanh_keeps_of_half_the_signal() -> None:
    sigmoid = quantisation.ACTIVATIONS["sigmoid"]
    assert quantisation.bits(sigmoid.inverse, 3.0, 256) == pytest.approx(
        quantisation.bits(np.arctanh, 1.5, 256), abs=1e-12
    )
    x = np.linspace(-5, 5, 11)
    assert sigmoid.inverse(sigmoid.forward(x)) == pytest.approx(x, abs=1e-12)


def test_formula_for_many_levels_is_approached_as_they_grow_in_number() -> None:
    errors = [
        abs(quantisation.bits(np.arctanh, 1.0, n) - quantisation.many_levels_bits(1.0, n)) for n in (64, 1024, 16384)
    ]
    assert errors[0] > 4 * errors[1] > 16 * errors[2] and errors[2] < 1e-4


def test_best_standard_deviation_is_the_top_of_the_formula(result: Result) -> None:
    best = result.best_std
    for other in (0.99 * best, 1.01 * best):  # a flat top: one per cent beside it costs one ten-thousandth of a bit
        assert 1e-5 < quantisation.many_levels_bits(best, 256) - quantisation.many_levels_bits(other, 256) < 1e-3
    assert result.best_bits == pytest.approx(quantisation.many_levels_bits(best, 256), abs=2e-3)


def test_one_squashing_is_a_squashing(result: Result) -> None:
    once = result.repeated.query("squashings == 1").set_index("gain")
    for gain in once.index:
        assert once.loc[gain, "bits"] == pytest.approx(quantisation.bits(np.arctanh, gain, Params().levels), abs=1e-12)
        assert once.loc[gain, "value"] == np.tanh(0.75 * gain)


def test_repeated_squashing_ends_where_algebra_says(result: Result) -> None:
    last = result.repeated.query(f"squashings == {Params().repeats}").set_index("gain")
    for gain in (FIVE_THIRDS, 3.0):
        assert last.loc[gain, "value"] == pytest.approx(np.tanh(gain * last.loc[gain, "value"]), rel=1e-9)
        assert last.loc[gain, "bits"] == pytest.approx(1, abs=1e-3)
    crept = (1 / 0.75**2 + 2 * Params().repeats / 3) ** -0.5  # the exercise; the next term is of relative order x^2
    assert last.loc[1.0, "value"] == pytest.approx(crept, rel=0.05)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.5, 0.2), (2.0, 1.0)])
def test_two_weights_have_one_sign_as_often_as_two_correlated_normal_numbers(mean: float, std: float) -> None:
    correlation = mean**2 / (mean**2 + std**2)
    found = gradient_signs.predicted_same_sign(lambda z: mean + std * z, 2)
    assert found == pytest.approx(0.5 + math.asin(correlation) / math.pi, abs=1e-9)


def test_errors_and_activations_make_the_gradient_that_autograd_finds() -> None:
    x, y = names.contexts(["emma", "olivia"])
    layer = gradient_signs.names_layer(torch.sigmoid, 6, x, y, seed=3)
    generator = torch.Generator().manual_seed(3)
    shapes = ((27, 10), (30, 6), (6, 6), (6, 27))
    embedding, first, second, last = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    second = (second / 6**0.5).requires_grad_()
    hidden = torch.sigmoid(torch.cat([embedding[character] for character in x.T], 1) @ first / 30**0.5)
    logits = torch.sigmoid(hidden @ second) @ last / 6**0.5
    loss = -torch.log_softmax(logits, 1)[torch.arange(len(y)), y].mean()
    (gradient,) = torch.autograd.grad(loss, second)
    assert torch.allclose(layer.below.T @ layer.errors / len(y), gradient, rtol=1e-10, atol=1e-14)


def test_units_of_one_sign_are_counted_as_a_reader_would() -> None:
    gradient = torch.tensor([[1.0, -1.0, 1.0, 0.0], [2.0, -0.5, -1.0, 1.0]])  # [weight, unit]
    assert gradient_signs.same_sign(gradient) == 0.5


# The committed result


def test_counted_bits_follow_the_exact_ones(result: Result) -> None:
    """Three half-widths for 27 rows, and the known bias of counting; a factor of two in the standard deviation would be a bit."""
    bias = (Params().levels - 1) / (2 * math.log(2) * Params().samples)
    _assert_bits(result, bias)


def _assert_bits(result: Result, bias: float) -> None:
    rows = result.bits
    slack = 1.5 * (rows["bits_high"] - rows["bits_low"])
    assert (rows["bits"] - rows["predicted"] < slack).all()
    assert (rows["predicted"] - rows["bits"] < slack + bias).all()


def test_random_errors_give_as_many_units_one_sign_as_theory_says(result: Result) -> None:
    _assert_same_sign(result, batches=(64, 128, 256))


def _assert_same_sign(result: Result, batches: tuple[int, ...]) -> None:
    """Within two half-widths for a few large batches; without the mean activation the share would be 0."""
    rows = (
        result.same_sign.query("errors == 'random' and activation == 'sigmoid'").set_index("batch").loc[list(batches)]
    )
    slack = rows["same_sign_high"] - rows["same_sign_low"]
    assert ((rows["same_sign"] - result.same_sign_predicted).abs() < slack).all()


def test_only_positive_activations_give_gradients_of_one_sign(result: Result) -> None:
    assert (result.same_sign.query("activation != 'sigmoid'")["same_sign"] == 0).all()
    assert (result.same_sign.query("activation == 'sigmoid' and batch == 1")["same_sign"] == 1).all()


def test_the_mean_error_is_what_gives_large_batches_one_sign(result: Result) -> None:
    share = result.same_sign.query("activation == 'sigmoid'").set_index(["errors", "batch"])
    assert share.loc[("names", 256), "same_sign_low"] > share.loc[("names", 8), "same_sign_high"]
    assert (
        share.loc[("names, mean removed", 256), "same_sign_high"]
        < share.loc[("names, mean removed", 8), "same_sign_low"]
    )


def test_the_many_networks_decide_on_which_side_of_one_half_each_batch_lies(result: Result) -> None:
    share = result.same_sign.query("errors == 'names' and activation == 'sigmoid'").set_index("batch")
    assert (
        share.loc[result.params.usual_batch, "same_sign_low"] > 0.5 > share.loc[result.smallest_batch, "same_sign_high"]
    )
    assert (
        result.same_sign_batches.mean == share["same_sign"].min()
        and result.smallest_batch == share["same_sign"].idxmin()
    )


def test_tanh_beats_clipping_for_every_signal_of_standard_deviation_one_or_more(result: Result) -> None:
    kept = result.bits[result.bits["std"] >= 1].pivot(index="std", columns="activation", values="bits")
    assert (kept["tanh"] > kept["clip"]).all()


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    verdicts = {claim.name: claim.verdict(result) for claim in CLAIMS}
    assert verdicts == {
        "range": Verdict.CAVEAT,
        "derivative": Verdict.HOLDS,
        "literal": Verdict.FAILS,
        "apart": Verdict.FAILS,
        "information": Verdict.CAVEAT,
        "passes": Verdict.HOLDS,
        "vanishes": Verdict.HOLDS,
        "signs": Verdict.CAVEAT,
    }


def test_full_run_equals_the_committed_result(result: Result) -> None:
    """Float64 and no training: a sample on a level's edge, or a sum at 0, may fall otherwise elsewhere; 1e-4 covers it."""
    again = squashing.run(Params())
    for field in dataclasses.fields(Result):
        ours, theirs = getattr(again, field.name), getattr(result, field.name)
        if field.name in ("functions", "bits", "curve", "repeated", "same_sign"):
            numbers = ours.select_dtypes("number").to_numpy(), theirs.select_dtypes("number").to_numpy()
            assert np.allclose(*numbers, rtol=1e-4, atol=1e-4), field.name
        elif isinstance(theirs, Params):
            assert ours == theirs
        elif isinstance(theirs, float | int):
            assert ours == pytest.approx(theirs, rel=1e-4), field.name
        else:
            assert (ours.mean, ours.half_width) == pytest.approx((theirs.mean, theirs.half_width), abs=1e-3)


# The same code, small


def test_smoke_run_loses_bits_of_a_wide_signal_and_single_examples_give_one_sign(smoke: Result) -> None:
    assert smoke.bits_gained_wide.high < -1 < 0 < smoke.bits_gained_usual.low and smoke.same_sign_sigmoid == 1
    assert not any(
        table.isna().any().any()
        for table in (smoke.functions, smoke.bits, smoke.curve, smoke.repeated, smoke.same_sign)
    )


def test_another_readers_names_can_be_used(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_bytes(
        b"\r\n".join([b"bo", b"abba", b"cab", b"bob", b"abe", b"eva", b"ada", b"bea", b"deb", b"ed"]) + b"\r\n"
    )
    assert squashing.run(dataclasses.replace(SMOKE, data=mine)).same_sign_sigmoid == 1


@pytest.fixture(scope="module")
def size(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """Return a setting with enough seeds for narrow intervals, and few names."""
    some = tmp_path_factory.mktemp("names") / "some.txt"
    some.write_text("\n".join(names.load(Params().data)[:500]), encoding="ascii")
    return dataclasses.replace(
        SMOKE, data=some, stds=(0.1, 3.0), samples=20_000, seeds=4, width=100, batches=(64,), networks=12
    )


def test_a_run_of_another_size_follows_theory_too(size: Params) -> None:
    _agree(squashing.run(size), size)


@pytest.mark.parametrize("mutant", ["std not applied", "std squared", "mean taken off", "errors of one sign"])
def test_named_mutants_are_caught(mutant: str, size: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wrong formula must break the agreement of theory and measurement."""
    bits, expected, layer = quantisation.bits, gradient_signs.predicted_same_sign, gradient_signs.random_layer
    if mutant == "std not applied":
        monkeypatch.setattr(quantisation, "bits", lambda inverse, std, levels: bits(inverse, 1.0, levels))
    elif mutant == "std squared":
        monkeypatch.setattr(quantisation, "bits", lambda inverse, std, levels: bits(inverse, std**2, levels))
    elif mutant == "mean taken off":
        monkeypatch.setattr(
            gradient_signs, "predicted_same_sign", lambda activation, width: expected(lambda z: expit(z) - 0.5, width)
        )
    else:

        def positive(*arguments: object) -> gradient_signs.Layer:
            random = layer(*arguments)  # type: ignore[arg-type]
            return random._replace(errors=random.errors.abs())

        monkeypatch.setattr(gradient_signs, "random_layer", positive)
    found = squashing.run(size)
    with pytest.raises(AssertionError):
        _agree(found, size)


def _agree(result: Result, size: Params) -> None:
    _assert_bits(result, bias=(size.levels - 1) / (2 * math.log(2) * size.samples))
    _assert_same_sign(result, batches=(64,))
