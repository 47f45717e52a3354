"""What the chapter on tanh and its gain says is so: the same code at SMOKE size, the committed numbers, and mutants."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss
from scipy.integrate import quad

from experiments import tanh_gain
from experiments.tanh_gain import CLAIMS, SMOKE, Params, Result
from lab.claims import Verdict
from lab.read import read
from nets import mean_field


@pytest.fixture(scope="module")
def result() -> Result:
    return read(tanh_gain)


@pytest.fixture(scope="module")
def smoke() -> Result:
    return tanh_gain.run(SMOKE)


def test_ideal_gain_agrees_with_adaptive_quadrature_to_ten_digits(result: Result) -> None:
    """scipy's adaptive rule shares nothing with our trapezoids; a wrong weight or a missing square would show at once."""
    second, _ = quad(lambda z: np.tanh(z) ** 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), -12, 12, epsabs=1e-13)
    assert result.ideal_gain == pytest.approx(1 / np.sqrt(second), rel=1e-10)


def test_gradient_factor_agrees_with_gauss_hermite_quadrature() -> None:
    nodes, weights = hermegauss(301)
    expected = 1.5**2 * np.sum(weights / np.cosh(np.sqrt(0.7) * nodes) ** 4) / np.sqrt(2 * np.pi)
    assert mean_field.gradient_factor(0.7, 1.5) == pytest.approx(expected, rel=1e-9)  # tanh's poles limit Gauss-Hermite


def test_relu_gain_is_the_square_root_of_two(result: Result) -> None:
    gains = result.activations.set_index("activation")["gain"]
    assert gains["relu"] == pytest.approx(np.sqrt(2), rel=1e-14)
    assert gains["leaky_relu"] == pytest.approx(np.sqrt(2 / (1 + 0.01**2)), rel=1e-14)


def test_unit_variance_is_the_fixed_point_of_the_ideal_gain(result: Result) -> None:
    assert mean_field.fixed_point_variance(result.ideal_gain) == pytest.approx(1, abs=1e-12)


def test_gain_one_settles_nowhere_above_zero() -> None:
    assert mean_field.fixed_point_variance(1.0) == 0
    assert mean_field.next_variance(1e-4, 1.0) == pytest.approx(1e-4 - 2e-8, rel=1e-6)  # q - 2 q^2, the exercise


def test_measured_rms_follows_mean_field_theory(result: Result) -> None:
    """Finite width shifts the mean by O(1/256) and each layer's deviation feeds the next, so 1 % above the interval passes;

    a gain without its square, or weights of variance gain^2 instead of gain^2 / width, would be off by far more.
    """
    rows = result.layers[result.layers["gain"] > 1.2]
    slack = (rows["rms_high"] - rows["rms_low"]) / 2 + 0.01 * rows["rms_predicted"]
    assert ((rows["rms"] - rows["rms_predicted"]).abs() <= slack).all()


def test_measured_gradient_growth_follows_mean_field_theory(result: Result) -> None:
    """Per layer within 1 %; forgetting the derivative of tanh would give the gain itself, 60 % off at the ideal gain."""
    rows = result.gains[result.gains["gain"] > 1.5]
    assert rows["growth"].to_numpy() == pytest.approx(rows["growth_fixed_point"].to_numpy(), rel=0.01)


def test_gradients_by_hand_equal_autograd() -> None:
    params = Params(depth=4, width=8, batch=5, seeds=2, gains=(1.3,))
    _, _, by_hand, _ = tanh_gain._propagated(params, np.array([1.3]), seed=7)
    generator = torch.Generator().manual_seed(7)
    signal = torch.randn(5, 8, generator=generator, dtype=torch.float64)
    signals = []
    for _ in range(4):
        weight = torch.randn(8, 8, generator=generator, dtype=torch.float64)
        signal = (1.3 / 8**0.5 * signal @ weight).tanh().requires_grad_()
        signals.append(signal)
    top = torch.randn(5, 8, generator=generator, dtype=torch.float64)
    gradients = torch.autograd.grad(signals[-1], signals, top)
    rms = [gradient.square().mean().sqrt().item() for gradient in gradients]
    assert by_hand[0] == pytest.approx(np.array(rms) / rms[-1], rel=1e-12)


def test_the_plain_forward_pass_of_the_chapter_is_the_experiments() -> None:
    """The same draws in the same order, float64: rounding alone, 1e-12; a gain forgotten would be off by a factor."""
    rms, _, _, _ = tanh_gain._propagated(Params(depth=4, width=8, batch=5), np.array([1.0, 1.3]), seed=7)
    torch.manual_seed(7)
    torch.set_default_dtype(torch.float64)
    try:
        plain = tanh_gain.signal_rms(1.3, depth=4, width=8, inputs=5)
    finally:
        torch.set_default_dtype(torch.float32)
    assert rms[1] == pytest.approx(np.array(plain), rel=1e-12)


def test_adding_seeds_leaves_the_earlier_networks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run stores are means over seeds, so the networks are caught on their way there."""
    seen: list[np.ndarray] = []
    layers = tanh_gain._layers

    def caught(gains: np.ndarray, rms: np.ndarray, gradient: np.ndarray) -> pd.DataFrame:
        seen.append(rms)
        return layers(gains, rms, gradient)

    monkeypatch.setattr(tanh_gain, "_layers", caught)
    for seeds in (2, 3):
        tanh_gain.run(dataclasses.replace(SMOKE, seeds=seeds))
    few, more = seen
    assert np.array_equal(few, more[:2]) and not np.array_equal(more[2], more[1])


def test_smoke_run_shrinks_at_the_small_gain_and_swells_at_the_large_one(smoke: Result) -> None:
    assert smoke.log_signal.high < 0 < smoke.log_gradient.low
    assert len(smoke.layers) == 5 * SMOKE.depth and not smoke.layers.isna().any().any()


def test_half_and_double_the_ideal_gain_are_run_at_exactly_that(result: Result) -> None:
    gains = result.gains.set_index("gain")
    for multiple in (0.5, 1, 2):
        assert multiple * result.ideal_gain in gains.index
    rows = result.layers.set_index(["gain", "layer"])
    half, double, last = result.ideal_gain / 2, 2 * result.ideal_gain, result.params.depth
    assert np.log10(rows.loc[(half, last), "rms"] / rows.loc[(half, 1), "rms"]) == pytest.approx(
        result.log_signal.mean, abs=0.01
    )
    assert np.log10(rows.loc[(double, 1), "gradient"]) == pytest.approx(result.log_gradient.mean, abs=1e-9)


def test_variance_is_one_only_where_the_mean_is_zero(result: Result) -> None:
    """ReLU(Z) has mean 1 / sqrt(2 pi) and mean square 1/2; sigmoid has mean 1/2 by symmetry."""
    found = result.activations.set_index("activation")
    assert found.loc["tanh", "variance"] == pytest.approx(1, rel=1e-12)
    assert found.loc["relu", "variance"] == pytest.approx(
        1 - 1 / np.pi, rel=1e-4
    )  # the kink costs the rule some digits
    sigmoid = found.loc["sigmoid"]
    assert sigmoid["variance"] == pytest.approx(1 - sigmoid["gain"] ** 2 / 4, rel=1e-12)


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    holds = ("value", "unit-variance", "close", "too-small", "too-large")
    assert {claim.name: claim.verdict(result) for claim in CLAIMS} == dict.fromkeys(holds, Verdict.HOLDS) | {
        "any-activation": Verdict.CAVEAT,
        "pushed-apart": Verdict.CAVEAT,
    }


# Training


def test_only_the_network_that_pushes_in_every_layer_learns_nothing(result: Result) -> None:
    rows = result.pushed.set_index("where")
    assert (rows["excess_high"].drop("every layer") < -0.3).all()
    assert rows.loc["every layer", "excess_low"] < 0 < rows.loc["every layer", "excess_high"]
    assert (rows["saturated"][["the only layer", "last layer", "every layer"]] > 0.7).all()
    assert (rows["saturated"][["one layer", "deep"]] < 0.25).all()


def test_best_learning_rates_lie_inside_the_grid(result: Result) -> None:
    assert result.pushed["lr"].between(min(result.params.lrs), max(result.params.lrs), inclusive="neither").all()


def test_networks_at_their_best_are_those_of_the_table(result: Result) -> None:
    for row in result.pushed.itertuples():
        losses = result.training[result.training["where"] == row.where].set_index("lr")["loss"]
        assert row.loss == losses.min() == losses[row.lr] and row.excess == pytest.approx(row.loss - result.entropy)


def test_only_the_layers_that_push_are_saturated_at_initialisation(smoke: Result) -> None:
    saturated = smoke.pushed.set_index("where")["saturated"]
    assert saturated[["the only layer", "last layer", "every layer"]].min() > 3 * saturated[["one layer", "deep"]].max()


def test_a_pushing_gain_that_is_forgotten_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    init = tanh_gain.deep_tanh.init
    monkeypatch.setattr(
        tanh_gain.deep_tanh, "init", lambda seed, gains, *rest: init(seed, [tanh_gain.FIVE_THIRDS] * len(gains), *rest)
    )
    with pytest.raises(AssertionError):
        test_only_the_layers_that_push_are_saturated_at_initialisation(tanh_gain.run(SMOKE))


def test_plain_sgd_in_pytorch_ends_at_the_same_loss() -> None:
    """One network that pushes in its last layer, by autograd: float32 over ten steps, so 1e-5; a forgotten bias would be 1e-2 off."""
    params = dataclasses.replace(SMOKE, lrs=(0.3,))
    losses, _ = tanh_gain._trained(params, 1.6, seed=3)
    x, y, _ = tanh_gain.names.training_set(params.data)
    order = tanh_gain.mlp.batches([3], len(x), params.trained_batch, params.steps)[:, 0]
    drawn = tanh_gain.deep_tanh.init(3, [1.6], params.trained_depth, params.trained_width, tanh_gain.PLAIN)
    weights = [tensor[0].clone() for tensor in drawn.tensors()]
    weights[params.trained_depth] *= params.pushing_gain / 1.6  # the embedding comes first
    weights = [weight.requires_grad_() for weight in weights]
    layers, shifts = weights[1 : len(drawn.layers) + 1], weights[len(drawn.layers) + 1 :]

    def logits(contexts: torch.Tensor) -> torch.Tensor:
        signal = weights[0][contexts].flatten(1)
        for layer, shift in zip(layers[:-1], shifts[:-1], strict=True):
            signal = torch.tanh(signal @ layer + shift)
        return signal @ layers[-1] + shifts[-1]

    optimiser = torch.optim.SGD(weights, lr=0.3)
    for batch in order:
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits(x[batch]), y[batch]).backward()
        optimiser.step()
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(logits(x), y)
    assert losses[0, 3] == pytest.approx(loss.item(), rel=1e-5)


def test_full_run_equals_the_committed_result(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    """Float64 throughout: another processor's sums may differ in the last digits, 1e-9 is far above them.

    Without the training, which takes minutes: `lab verify` does it again."""
    monkeypatch.setattr(tanh_gain, "_training", lambda *_: (result.training, result.pushed, result.entropy))
    again = tanh_gain.run(Params())
    assert again.params == result.params
    for field in dataclasses.fields(Result)[1:]:
        ours, theirs = getattr(again, field.name), getattr(result, field.name)
        if isinstance(ours, pd.DataFrame):
            numbers = ours.select_dtypes("number").to_numpy(), theirs.select_dtypes("number").to_numpy()
            assert np.allclose(*numbers, rtol=1e-9, atol=1e-15, equal_nan=True), field.name
        elif isinstance(ours, float):
            assert ours == pytest.approx(theirs, rel=1e-12)
        else:
            assert (ours.mean, ours.half_width, ours.n) == pytest.approx(
                (theirs.mean, theirs.half_width, theirs.n), rel=1e-6
            )


@pytest.mark.parametrize("mutant", ["gain_not_squared", "variance_times_width", "derivative_forgotten"])
def test_named_mutants_are_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wrong formula must break the agreement of theory and measurement that the tests above demand."""
    size = dataclasses.replace(SMOKE, depth=12, width=256, seeds=4)
    _agree(tanh_gain.run(size))
    forward = mean_field.next_variance
    if mutant == "gain_not_squared":
        monkeypatch.setattr(tanh_gain, "next_variance", lambda q, gain: forward(q, gain) / gain)
    elif mutant == "variance_times_width":
        monkeypatch.setattr(tanh_gain, "next_variance", lambda q, gain: forward(q, gain) * 256)
    else:
        monkeypatch.setattr(tanh_gain, "gradient_factor", lambda q, gain: gain**2)
    with pytest.raises(AssertionError):
        _agree(tanh_gain.run(size))


def _agree(result: Result) -> None:
    test_measured_rms_follows_mean_field_theory(result)
    test_measured_gradient_growth_follows_mean_field_theory(result)
