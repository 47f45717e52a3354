"""What the chapter on 2/n says is so: the law, the same code at SMOKE size, the committed numbers, and mutants."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch

from experiments import kaiming
from experiments.kaiming import CLAIMS, SMOKE, Params, Result
from lab.claims import Verdict
from lab.estimate import Estimate
from lab.read import read
from nets import deep_relu, finite_width, mean_field, signal_propagation


@pytest.fixture(scope="module")
def result() -> Result:
    return read(kaiming)


@pytest.fixture(scope="module")
def smoke() -> Result:
    return kaiming.run(SMOKE)


# The law


def test_relu_gradients_on_their_way_down_equal_autograd() -> None:
    gain = np.array([2**0.5])
    found = signal_propagation.propagate(
        gain, torch.relu, signal_propagation.relu_derivative, depth=4, width=8, inputs=5, seed=7
    )
    generator = torch.Generator().manual_seed(7)
    signal = torch.randn(5, 8, generator=generator, dtype=torch.float64)
    signals = []
    for _ in range(4):
        weight = torch.randn(8, 8, generator=generator, dtype=torch.float64)
        signal = ((2 / 8) ** 0.5 * signal @ weight).relu().requires_grad_()
        signals.append(signal)
    top = torch.randn(5, 8, generator=generator, dtype=torch.float64)
    gradients = torch.autograd.grad(signals[-1], signals, top)
    for ours, theirs in zip(found.gradients, gradients, strict=True):
        torch.testing.assert_close(ours[0], theirs, rtol=1e-12, atol=1e-14)


def test_cosine_map_agrees_with_drawn_normal_numbers() -> None:
    """E[relu(u) relu(v)] over E[relu(u)^2] at correlation 0.3, a million draws: four standard errors are 0.006."""
    u, w = np.random.default_rng(2).standard_normal((2, 1_000_000))
    v = 0.3 * u + math.sqrt(1 - 0.3**2) * w
    drawn = (np.maximum(u, 0) * np.maximum(v, 0)).mean() / 0.5
    assert mean_field.next_cosine(0.3) == pytest.approx(drawn, abs=0.006)
    assert mean_field.next_cosine(1.0) == pytest.approx(1, abs=1e-15)
    assert mean_field.next_cosine(0.0) == pytest.approx(1 / math.pi, rel=1e-14)


def test_pytorch_draws_linear_weights_of_variance_one_third_of_one_over_n() -> None:
    weights = torch.nn.Linear(1000, 1000).weight
    assert weights.var().item() * 1000 == pytest.approx(1 / 3, rel=0.01)  # a million draws: standard error 0.1 %


def test_the_plain_backward_pass_of_the_chapter_is_the_experiments() -> None:
    """The same draws in the same order, float64: rounding alone, 1e-12; a derivative forgotten would be off by a factor."""
    found = signal_propagation.propagate(
        np.array([2**0.5]), torch.relu, signal_propagation.relu_derivative, depth=4, width=8, inputs=5, seed=7
    )
    torch.manual_seed(7)
    torch.set_default_dtype(torch.float64)
    try:
        plain = kaiming.gradient_squares(2 / 8, depth=4, width=8, inputs=5)
    finally:
        torch.set_default_dtype(torch.float32)
    assert [layer.square().mean().item() for layer in found.gradients] == pytest.approx(plain, rel=1e-12)


def test_float32_overflows_at_the_layer_that_the_chapter_computes(result: Result) -> None:
    """The chapter has sqrt(width / 2) a layer; measured is the typical course of 64 networks."""
    params, unit = result.params, result.layers.query("init == '1'")
    computed = int(math.log(3.4e38) / math.log(math.sqrt(params.width / 2))) + 1
    assert computed == unit[unit["signal"] ** 0.5 > 3.4e38]["layer"].min()


# The committed numbers


def test_signals_shrink_and_swell_by_the_exact_law(result: Result) -> None:
    """The typical course is exact for the signal, so its 95 % interval, doubled, must hold it at nearly every layer;

    a factor without its half would be off by 2 a layer, one without the drift of finite width by half at the end.
    """
    rows = result.layers
    gap = np.abs(np.log(rows["signal"] / rows["signal_predicted"]))
    reach = np.log(rows["signal_high"] / rows["signal_low"]) / 2
    assert (gap <= 2 * reach).mean() > 0.95


def test_gradients_shrink_and_swell_by_the_same_law(result: Result) -> None:
    """In the limit only; at 256 units it is off by less than 0.5 % a layer."""
    rows = result.factors[result.factors["direction"] == "gradient"]
    assert rows["factor"].to_numpy() == pytest.approx(rows["typical"].to_numpy(), rel=0.005)


def test_mean_factors_are_half_the_numerator(result: Result) -> None:
    assert result.factors["mean"].tolist() == pytest.approx([1, 1, 0.5, 0.5, 128, 128], rel=1e-12)


def test_mean_square_is_kept_in_the_mean_over_networks(result: Result) -> None:
    assert result.mean_square.low < 1 < result.mean_square.high


def test_drift_and_standard_deviation_follow_one_over_the_width(result: Result) -> None:
    """Standard errors: of the drift from its interval, of a standard deviation over 64 networks 9 %; three of each."""
    rows = result.widths
    error = (rows["drift_high"] - rows["drift"]) / 2
    assert ((rows["drift"] - rows["drift_predicted"]).abs() < 3 * error).all()
    assert rows["std"].to_numpy() == pytest.approx(rows["std_predicted"].to_numpy(), rel=0.27)
    assert (rows["lost"] == 0).all()
    assert result.beyond_two.low < result.beyond_two_predicted < result.beyond_two.high


def test_initialisations_differ_by_their_scale_alone(result: Result) -> None:
    assert result.scaling_error < 1e-12  # fifty layers of rounding at 1e-16; one other draw would be of order 1


def test_cosines_follow_the_map_of_infinite_width(result: Result) -> None:
    rows = result.cosines
    assert ((rows["cosine"] - rows["predicted"]).abs() < 0.02).all()
    assert rows["cosine"].iloc[-1] > 0.97


def test_the_training_chapter_speaks_of_is_what_happened(result: Result) -> None:
    best = result.training[result.training["finite"] == 1].groupby(["init", "depth"])["loss"].min()
    assert result.loss_difference_shallow.low < 0 < result.loss_difference_shallow.high  # "we cannot tell"
    assert abs(best["1/n", 20] - result.entropy) < 0.03  # "has hardly begun"
    assert best["2/n", 20] < result.entropy - 0.05  # "learns"
    assert best["1", 3] > math.log(27)  # a cross although it did not diverge: "worse than a blind guess"
    assert set(best["1"].index) == {1, 3}  # crosses for all deeper networks
    assert result.diverged == 1
    hasty = result.training.query("init == '2/n' and depth == 20 and lr == 0.3")["finite"].item()
    assert hasty < 1  # "diverged although they began at 2/n"


def test_best_learning_rates_of_2_over_n_lie_inside_the_grid(result: Result) -> None:
    whole = result.training[result.training["finite"] == 1]
    best = whole.loc[whole.groupby(["init", "depth"])["loss"].idxmin()]["lr"]
    assert best.between(min(result.params.lrs), max(result.params.lrs), inclusive="neither").all()


def test_every_verdict_is_what_the_chapter_on_2_over_n_says(result: Result) -> None:
    assert {claim.name: claim.verdict(result) for claim in CLAIMS} == {
        "signal": Verdict.CAVEAT,
        "gradient": Verdict.CAVEAT,
        "half": Verdict.HOLDS,
        "unit": Verdict.HOLDS,
        "training": Verdict.HOLDS,
    }


def test_some_networks_of_the_book_come_out_the_same_again(result: Result) -> None:
    """Float64 and no training: another processor's sums may differ in the last digits, 1e-9 is far above them."""
    gains = np.array([2**0.5])
    for network in (0, 5):
        for width in (32, 256):
            up, _, _ = kaiming._network(Params(), width, gains, network)
            rows = result.networks.query(f"width == {width} and network == {network}")
            assert np.exp(up[0, :, 0]) == pytest.approx(rows["mean_square"].to_numpy(), rel=1e-9)


# SMOKE and mutants


def test_smoke_run_has_every_table_and_no_gap(smoke: Result) -> None:
    tables = [value for value in vars(smoke).values() if isinstance(value, pd.DataFrame)]
    assert len(tables) == 6 and not any(table.isna().any().any() for table in tables)
    assert smoke.signal_factor_1_over_n.high < smoke.signal_factor.mean < smoke.log_signal_unit_variance.mean * 10
    assert smoke.scaling_error < 1e-12


def test_networks_do_not_depend_on_how_many_there_are(smoke: Result) -> None:
    more = kaiming.run(dataclasses.replace(SMOKE, seeds=8, steps=2))
    ours, theirs = (found.networks.query("network < 2").reset_index(drop=True) for found in (smoke, more))
    assert ours.equals(theirs)


SIZE = dataclasses.replace(SMOKE, depth=30, width=64, inputs=4, seeds=48, widths=(16,), steps=1, depths=(1,))


def test_networks_of_another_size_follow_the_law_too() -> None:
    _agree(kaiming.run(SIZE))


@pytest.mark.parametrize("mutant", ["one over n called two", "slope forgotten", "drift forgotten", "width forgotten"])
def test_named_mutants_of_the_law_are_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    law = finite_width.relu_layer
    if mutant == "one over n called two":
        monkeypatch.setattr(kaiming, "INITS", kaiming.INITS | {"2/n": (1, 1)})
    elif mutant == "slope forgotten":
        monkeypatch.setattr(kaiming, "relu_derivative", torch.ones_like)
    elif mutant == "drift forgotten":
        monkeypatch.setattr(finite_width, "relu_layer", lambda width: law(width)._replace(mean=0.0))
    else:
        monkeypatch.setattr(finite_width, "relu_layer", lambda width: law(256))
    found = kaiming.run(SIZE)
    with pytest.raises(AssertionError):
        _agree(found)


def _agree(result: Result) -> None:
    test_signals_shrink_and_swell_by_the_exact_law(result)
    rows = result.factors.iloc[:2]
    assert rows["mean"].tolist() == pytest.approx([1, 1], rel=1e-12)
    assert rows["factor"].to_numpy() == pytest.approx(rows["typical"].to_numpy(), rel=0.02)
    wide = result.widths
    assert ((wide["drift"] - wide["drift_predicted"]).abs() < 2 * (wide["drift_high"] - wide["drift"])).all()
    assert wide["std"].to_numpy() == pytest.approx(wide["std_predicted"].to_numpy(), rel=0.4)


def test_an_initialisation_that_gains_nothing_would_fail_the_claim_about_training(result: Result) -> None:
    claim = next(claim for claim in CLAIMS if claim.name == "training")
    nothing = dataclasses.replace(result, loss_difference=Estimate(0.0, 0.005, 16))
    assert claim.verdict(nothing) is Verdict.FAILS
    shallow = dataclasses.replace(result, loss_difference=result.loss_difference_shallow)
    assert claim.verdict(shallow) is not Verdict.HOLDS


def test_training_that_ignores_the_initialisation_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every network initialised at 2/n nothing is gained by it; at the book's scales a real run gains within 60 steps."""
    draw = deep_relu.init
    size = dataclasses.replace(
        SMOKE, seeds=2, depths=(1, 10), trained_width=32, trained_seeds=4, lrs=(0.1,), batch=32, steps=60
    )
    assert kaiming.run(size).loss_difference.low > 0
    monkeypatch.setattr(
        deep_relu, "init", lambda seeds, depth, width, variance: draw(seeds, depth, width, lambda n: 2 / n)
    )
    assert kaiming.run(size).loss_difference.mean == 0
