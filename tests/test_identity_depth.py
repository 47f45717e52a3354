"""What the chapter on exploding and vanishing says is so: powers, exponents, floating point, the numbers, and mutants."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from experiments import identity_depth
from experiments.identity_depth import (
    CLAIMS,
    EVENTS,
    SMOKE,
    Params,
    Result,
    float_range,
    identity_chain,
    noisy_identity,
)
from lab.claims import Verdict
from lab.estimate import Estimate
from lab.read import read
from nets import finite_width, signal_propagation


@pytest.fixture(scope="module")
def result() -> Result:
    return read(identity_depth)


@pytest.fixture(scope="module")
def smoke() -> Result:
    return identity_depth.run(SMOKE)


# Multiples of the identity


def test_the_chain_is_compared_with_powers_and_not_with_itself() -> None:
    """At 1.5 the first 33 powers fit into 53 binary digits; 0.1 is no binary fraction, but its stored value's powers are."""
    errors = identity_chain.errors(1.5, 40)
    assert (errors[:, :33] == 0).all() and (errors[:, 33:] > 0).any()
    assert identity_chain.errors(0.1, 5).max() < 5 * 2**-53
    assert identity_chain.errors(0.5, 200).max() == 0


def test_a_chain_off_by_one_layer_would_be_off_by_the_whole_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "eye", lambda n, dtype: torch.ones(n, n, dtype=dtype))
    assert identity_chain.errors(1.5, 3).max() > 0.3


# Random matrices


def test_linear_gradients_on_their_way_down_equal_autograd() -> None:
    found = signal_propagation.propagate(
        np.array([0.9]), signal_propagation.identity, torch.ones_like, depth=4, width=8, inputs=5, seed=7
    )  # fmt: skip
    generator = torch.Generator().manual_seed(7)
    signal = torch.randn(5, 8, generator=generator, dtype=torch.float64)
    signals = []
    for _ in range(4):
        weight = torch.randn(8, 8, generator=generator, dtype=torch.float64)
        signal = (0.9 / 8**0.5 * signal @ weight).requires_grad_()
        signals.append(signal)
    top = torch.randn(5, 8, generator=generator, dtype=torch.float64)
    for ours, theirs in zip(found.gradients, torch.autograd.grad(signals[-1], signals, top), strict=True):
        torch.testing.assert_close(ours[0], theirs, rtol=1e-12, atol=1e-14)


def test_exponents_follow_the_exact_law_at_every_width(result: Result) -> None:
    """Seven widths with the same draws at all gains: two intervals pass, and at 4 units -1/2n for the law is 1 off."""
    _agree(result)


def _agree(result: Result) -> None:
    rows = result.widths
    half = (rows["exponent_high"] - rows["exponent_low"]) / 2
    assert ((rows["exponent"] - rows["predicted"]).abs() < 2 * half).all()
    factors = result.factors
    reach = (factors["factor_high"] - factors["factor_low"]) / 2
    assert ((factors["factor"] - factors["typical"]).abs() < 2 * reach + 1e-3 * factors["typical"]).all()
    assert (
        result.exponent_offset.low - result.exponent_offset.half_width
        < result.exponent_offset_predicted
        < result.exponent_offset.high
    )
    noisy = result.noisy_identity
    slack = noisy["exponent_high"] - noisy["exponent_low"]
    assert ((noisy["exponent"] - noisy["predicted"]).abs() < slack).all()


def test_gains_differ_by_a_power_and_nothing_else(result: Result) -> None:
    assert result.scaling_error < 1e-11  # a hundred layers of rounding, in logarithms


def test_first_layers_of_signal_and_gradient_are_near_their_mean_factor(result: Result) -> None:
    """One layer has scatter sqrt(2/64) / sqrt(64 networks) = 2 %: the drift cannot show, a missing square would."""
    rows = result.layers.set_index(["gain", "layer"])
    for gain in Params().gains:
        assert rows.loc[(gain, 1), "signal"] == pytest.approx(gain**2, rel=0.08)
        assert rows.loc[(gain, Params().depth - 1), "gradient"] == pytest.approx(gain**2, rel=0.08)


def test_noise_on_the_identity_is_predicted_to_first_order() -> None:
    """Against 400,000 draws of one layer's factor from its law; the next order is 1/n^2, 5e-5 at 100 units."""
    width, noise, draws = 100, 0.7, 400_000
    drawn = np.random.default_rng(3)
    along = 1 + noise * drawn.standard_normal(draws) / math.sqrt(width)
    squares = along**2 + noise**2 / width * drawn.chisquare(width - 1, draws)
    assert noisy_identity.exponent(noise, width) == pytest.approx(np.log(squares).mean() / 2, abs=4e-4)


# Floating point


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("factor", [2.0, 4.0, 0.5, 0.25])
def test_powers_of_two_end_where_the_exponent_does(factor: float, dtype: torch.dtype) -> None:
    """Exponents are whole numbers here, so the right layer can be counted on the fingers."""
    top, bottom = math.frexp(torch.finfo(dtype).max)[1], round(math.log2(float_range.smallest(dtype)))
    found = float_range.events(factor, dtype)
    doublings = abs(math.log2(factor))
    if factor > 1:
        assert found["overflow"] == found["overflow_predicted"] == top / doublings
    else:
        assert found["zero"] == found["zero_predicted"] == math.ceil((-bottom + 1) / doublings)


def test_smallest_numbers_are_those_of_the_format() -> None:
    assert float_range.smallest(torch.float32) == 2.0**-149 == np.nextafter(np.float32(0), np.float32(1))
    assert float_range.smallest(torch.float16) == 2.0**-24


@pytest.mark.parametrize("factor", [0.51, 0.6, 0.75, 0.9, 0.95, 0.99])
def test_fixed_point_agrees_with_exact_rounding_to_even(factor: float) -> None:
    """Python rounds fractions half to even too: iterate k -> round(k w) from far above, in exact arithmetic."""
    stored = Fraction(torch.tensor(factor, dtype=torch.float32).item())
    k, before = 10_000, 0
    while k != before:
        k, before = round(k * stored), k
    assert float_range.fixed_point(factor, torch.float32) == k > 0


def test_float32_does_what_was_predicted_to_the_layer(result: Result) -> None:
    rows = result.float_limits[result.float_limits["dtype"] == "float32"]
    for event in EVENTS:
        assert rows[event].equals(rows[f"{event}_predicted"]), event
    assert rows.set_index("factor").loc[1.5, "overflow"] == 219  # 1.5^218 = 2.4e38, and 3.4e38 is the end
    assert rows.set_index("factor")["zero"].count() == 2  # a half and a quarter; nothing above gets to zero


def test_bfloat16_does_not(result: Result) -> None:
    rows = result.float_limits[result.float_limits["dtype"] == "bfloat16"].set_index("factor")
    assert rows.loc[1.5, "overflow"] != rows.loc[1.5, "overflow_predicted"]  # "the predictions fail"
    assert rows.loc[0.9, "subnormal"] != rows.loc[0.9, "subnormal_predicted"]


@pytest.mark.parametrize("mutant", ["one layer late", "never at rest", "smallest number forgotten"])
def test_wrong_predictions_of_floating_point_are_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    over = float_range.overflow_layer
    if mutant == "one layer late":
        monkeypatch.setattr(float_range, "overflow_layer", lambda factor, dtype: over(factor, dtype) + 1)
    elif mutant == "never at rest":
        monkeypatch.setattr(float_range, "fixed_point", lambda factor, dtype: 0)
    else:
        monkeypatch.setattr(float_range, "zero_layer", lambda factor, dtype: math.nan if factor > 0.5 else 127.0)
    found = identity_depth.run(dataclasses.replace(SMOKE, seeds=2))
    claim = next(claim for claim in CLAIMS if claim.name == "limits")
    assert claim.verdict(found) is Verdict.FAILS


# The committed numbers, SMOKE and mutants


def test_every_verdict_is_what_the_chapter_on_depth_says(result: Result) -> None:
    assert {claim.name: claim.verdict(result) for claim in CLAIMS} == {
        "grow": Verdict.HOLDS,
        "halve": Verdict.HOLDS,
        "close": Verdict.HOLDS,
        "random": Verdict.FAILS,
        "slightly": Verdict.CAVEAT,
        "slightly-less": Verdict.CAVEAT,
        "slightly-random": Verdict.CAVEAT,
        "limits": Verdict.HOLDS,
    }
    assert (result.exact_layers, result.halving_error) == (33, 0)


def test_a_factor_that_never_overflows_would_fail_the_claim_about_slightly(result: Result) -> None:
    claims = {claim.name: claim for claim in CLAIMS}
    limits = result.float_limits.copy()
    slightly = (limits["dtype"] == "float32") & limits["factor"].isin([1.01, 0.99])
    limits.loc[slightly, ["overflow", "subnormal"]] = math.nan
    found = dataclasses.replace(result, float_limits=limits)
    assert claims["slightly"].verdict(found) is claims["slightly-less"].verdict(found) is Verdict.FAILS
    limits.loc[slightly, ["overflow", "subnormal"]] = 900.0
    soon = dataclasses.replace(result, float_limits=limits)
    assert claims["slightly"].verdict(soon) is claims["slightly-less"].verdict(soon) is Verdict.HOLDS
    untried = dataclasses.replace(result, float_limits=limits[~slightly])
    assert claims["slightly"].verdict(untried) is Verdict.UNDECIDED


def test_inputs_of_narrow_linear_networks_align_and_those_of_wide_ones_less(result: Result) -> None:
    rows = result.alignment.sort_values("width")
    assert rows["cosine"].iloc[0] > 0.999 and rows["cosine"].is_monotonic_decreasing
    assert (rows["cosine_low"] > rows["independent"]).all()


def test_cosine_of_independent_inputs_is_that_of_normal_vectors(result: Result) -> None:
    """64 networks of 28 pairs: standard error under 1 % at 16 units; a square forgotten would be off by half."""
    generator = torch.Generator().manual_seed(5)
    drawn = [identity_depth._absolute_cosine(torch.randn(8, 16, generator=generator)) for _ in range(200)]
    predicted = result.alignment.set_index("width").loc[16, "independent"]
    assert np.mean(drawn) == pytest.approx(predicted, rel=0.03)


def test_directions_of_the_tiniest_signals_still_count() -> None:
    signals = torch.randn(4, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert identity_depth._absolute_cosine(1e-35 * signals) == pytest.approx(identity_depth._absolute_cosine(signals))


def test_claim_about_random_matrices_can_hold_and_fail(result: Result) -> None:
    claim = next(claim for claim in CLAIMS if claim.name == "random")
    for offset, verdict in ((0.0, Verdict.HOLDS), (0.05, Verdict.FAILS), (-0.011, Verdict.FAILS)):
        found = Estimate(offset, 0.01, 64)
        assert (
            claim.verdict(dataclasses.replace(result, exponent_offset=found, exponent_offset_gradient=found)) is verdict
        )


def test_claim_about_matrices_close_to_the_identity_fails_where_they_shrink(result: Result) -> None:
    claim = next(claim for claim in CLAIMS if claim.name == "close")
    shrinking = result.noisy_identity.assign(exponent_low=-0.02, exponent_high=-0.01)
    assert claim.verdict(dataclasses.replace(result, noisy_identity=shrinking)) is Verdict.FAILS


def test_some_deep_linear_networks_come_out_the_same_again(result: Result) -> None:
    """Float64 throughout: another processor's sums may differ in the last digits, 1e-9 is far above them."""
    noises = result.noisy_identity.set_index("noise")
    book = dataclasses.replace(Params(), widths=(4,), noises=(0.1,), gains=(1.0,))
    again = [identity_depth._network(book, np.ones(1), seed) for seed in range(book.seeds)]
    _, _, narrow, noisy, _ = (np.stack(kind) for kind in zip(*again, strict=True))
    assert noisy.mean() == pytest.approx(noises.loc[0.1, "exponent"], rel=1e-9)
    rows = result.widths.query("width == 4")
    assert narrow[:, 0].mean((0, 2)) / 2 / book.depth == pytest.approx(rows["exponent"].to_numpy(), rel=1e-9)


def test_smoke_run_explodes_and_vanishes(smoke: Result) -> None:
    ends = smoke.layers.query(f"layer == {SMOKE.depth}").set_index("gain")["signal"]
    assert ends[1.5] > 10 * ends[1.0] > 1000 * ends[0.5] / 10
    assert not any(
        table.isna().any().any() for table in (smoke.layers, smoke.factors, smoke.widths, smoke.noisy_identity)
    )
    assert set(smoke.float_limits["dtype"]) == {"float16", "bfloat16", "float32", "float64"}


SIZE = dataclasses.replace(SMOKE, depth=40, width=8, seeds=64, inputs=4, gains=(1.0,), factors=(0.5,))


def test_networks_of_other_sizes_follow_the_exact_law_too() -> None:
    _agree(identity_depth.run(SIZE))


@pytest.mark.parametrize("mutant", ["correction forgotten", "digamma of the width", "noise without its root"])
def test_named_mutants_of_the_exponent_are_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    law, exponent = finite_width.linear_layer, noisy_identity.exponent
    if mutant == "correction forgotten":
        monkeypatch.setattr(finite_width, "linear_layer", lambda width: law(width)._replace(mean=0.0))
    elif mutant == "digamma of the width":
        monkeypatch.setattr(finite_width, "linear_layer", lambda width: law(2 * width))
    else:
        monkeypatch.setattr(noisy_identity, "exponent", lambda noise, width: 2 * exponent(noise, width))
    found = identity_depth.run(SIZE)
    with pytest.raises(AssertionError):
        _agree(found)
