"""What the chapter on saturation says is so: theory, the committed numbers, the same code at SMOKE size, and mutants."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss
from scipy.integrate import quad
from scipy.stats import norm

from experiments import saturation
from experiments.saturation import CLAIMS, FIVE_THIRDS, RAW, SMOKE, Params, Result, linearity
from lab.claims import Verdict
from lab.read import read
from nets import initialisation, mlp, names
from nets.mean_field import gaussian_mean

SCALES = (0.3, 1.0, 3.0, 10.0)


@pytest.fixture(scope="module")
def result() -> Result:
    return read(saturation)


@pytest.fixture(scope="module")
def smoke() -> Result:
    return saturation.run(SMOKE)


# Theory


@pytest.mark.parametrize("scale", SCALES)
def test_expected_shares_and_gradients_agree_with_adaptive_quadrature(scale: float) -> None:
    """scipy's adaptive rule shares nothing with our trapezoids; a slope not squared would be off by a third or more."""
    edge = math.atanh(0.97) / scale
    tail, _ = quad(norm.pdf, edge, np.inf)
    assert linearity.expected_saturated(scale, 0.97) == pytest.approx(2 * tail, rel=1e-7, abs=1e-12)
    squared, _ = quad(lambda z: np.cosh(scale * z) ** -4 * norm.pdf(z), -9, 9, points=[0.0], epsabs=1e-13)
    assert linearity.expected_inner(scale) == pytest.approx(math.sqrt(squared), rel=1e-8)
    assert linearity.expected_inputs(scale) == pytest.approx(scale * math.sqrt(squared), rel=1e-8)


def test_expected_departure_is_all_but_the_first_hermite_coefficient() -> None:
    """The linear part of a function of a normal number is its first coefficient: no slope, and no Stein, needed."""
    nodes, weights = hermegauss(150)
    weights = weights / math.sqrt(2 * math.pi)
    for scale in (0.1, 0.3, 1.0):
        values = np.tanh(scale * nodes)
        linear = np.sum(weights * nodes * values)
        total = np.sum(weights * values**2)
        assert linearity.expected_departure(scale) == pytest.approx(1 - linear**2 / total, rel=1e-5)


def test_expected_departure_has_the_limits_of_the_chapter() -> None:
    assert linearity.expected_departure(0.01) == pytest.approx(2 / 3 * 1e-8, rel=1e-3)  # the next term is of order 1e-4
    short = [1 - 2 / math.pi - linearity.expected_departure(scale) for scale in (25.0, 50.0, 100.0)]
    assert short[0] / short[1] == pytest.approx(2, rel=0.05) and short[1] / short[2] == pytest.approx(2, rel=0.05)


def test_gradients_by_hand_equal_autograd() -> None:
    weights = initialisation.well_scaled(mlp.init([1, 2], 7, dtype=torch.float64))
    weights = weights._replace(hidden=3 * weights.hidden, output=10 * weights.output)
    x, y = names.contexts(["emma", "olivia"])
    found = linearity.gradients(weights, x, y)
    for seed in range(2):
        alone = mlp.Weights(*(kind[seed] for kind in weights))
        inputs = alone.embedding[x].flatten(1).requires_grad_()
        inner = inputs @ alone.hidden + alone.hidden_bias
        hidden = inner.tanh()
        loss = torch.nn.functional.cross_entropy(hidden @ alone.output + alone.output_bias, y, reduction="sum")
        by_hidden, by_inner, by_inputs = (
            slope.square().mean().sqrt().item() for slope in torch.autograd.grad(loss, (hidden, inner, inputs))
        )
        assert found.activations[seed].item() == pytest.approx(by_hidden, rel=1e-10)
        assert found.inner[seed].item() == pytest.approx(by_inner, rel=1e-10)
        assert found.inputs[seed].item() == pytest.approx(by_inputs * math.sqrt(30 / 7), rel=1e-10)


def test_departure_is_what_least_squares_leaves() -> None:
    weights = initialisation.well_scaled(mlp.init([5], 6, dtype=torch.float64))
    x, _ = names.contexts(names.load(Params().data)[:60])
    inputs = weights.embedding[0][x].flatten(1).numpy()
    hidden = mlp.hidden(weights, x)[0].numpy()
    fit = np.linalg.lstsq(np.column_stack([inputs, np.ones(len(x))]), hidden, rcond=None)[0]
    left = hidden - np.column_stack([inputs, np.ones(len(x))]) @ fit
    expected = (left**2).sum() / ((hidden - hidden.mean(0)) ** 2).sum()
    assert linearity.departure(weights, x).item() == pytest.approx(expected, rel=1e-9)


def test_an_unbent_network_trains_as_a_linear_one_does() -> None:
    """Tanh bends pre-activations of ten, scaled by 2^-10, by 3e-5 of themselves; unscaled they would not reach 1."""
    drawn = initialisation.well_scaled(mlp.init([3], 8, dtype=torch.float64))
    x, y = names.contexts(["emma", "olivia", "ava"])
    start, rates = initialisation.linearised(drawn, mlp.same_lr(0.5))
    steps = 10
    *_, (_, end) = mlp.checkpoints(start, x.expand(steps, 1, *x.shape), y.expand(steps, 1, *y.shape), rates)
    plain = [kind[0].clone().requires_grad_() for kind in drawn]
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(_linear_logits(plain, x), y)
        slopes = torch.autograd.grad(loss, plain)
        plain = [(kind - 0.5 * slope).detach().requires_grad_() for kind, slope in zip(plain, slopes, strict=True)]
    found, expected = mlp.logits(end, x)[0], _linear_logits(plain, x)
    assert torch.allclose(found, expected, rtol=0, atol=1e-3)
    assert (expected - _linear_logits([kind[0] for kind in drawn], x)).abs().max() > 0.1  # it has learnt something


def _linear_logits(kinds: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    embedding, hidden, hidden_bias, output, output_bias = kinds
    return (embedding[x].flatten(1) @ hidden + hidden_bias) @ output + output_bias


# The committed result


def test_starts_are_as_theory_says(result: Result) -> None:
    _assert_starts(result)


def _assert_starts(result: Result) -> None:
    """Within 4 % and three half-widths: letters are drawn, 27 of them, and their lengths scatter by a quarter.

    A slope not squared would be off by a third, a scale not divided by the root of the fan-in by a factor of five.
    """
    rows = result.starting
    for quantity, expected in (
        ("saturated", [linearity.expected_saturated(scale, 0.97) for scale in rows["scale"]]),
        ("inner", [linearity.expected_inner(scale) for scale in rows["scale"]]),
        ("inputs", [linearity.expected_inputs(scale) for scale in rows["scale"]]),
    ):
        slack = 1.5 * (rows[f"{quantity}_high"] - rows[f"{quantity}_low"]) + 0.04 * np.array(expected) + 1e-9
        assert ((rows[quantity] - expected).abs() <= slack).all(), quantity


def test_narrow_layers_depart_as_the_fourth_power_and_wide_ones_less_than_theory(result: Result) -> None:
    departure = result.starting.set_index("scale")["departure"]
    assert math.log(departure[0.1] / departure[0.03]) / math.log(0.1 / 0.03) == pytest.approx(4, abs=0.1)
    assert departure.is_monotonic_increasing and departure.iloc[-1] < linearity.expected_departure(30.0)


def test_losses_make_a_valley_whose_narrow_side_falls_and_whose_wide_side_rises(result: Result) -> None:
    losses = result.losses.query("network == 'tanh'").pivot(index="scale", columns="step", values="loss")
    costs = losses - losses.min()
    assert costs.iloc[0].is_monotonic_decreasing and costs.iloc[-1].is_monotonic_increasing
    assert costs[Params().steps][FIVE_THIRDS] < 0.01 < result.raw_cost.low
    assert costs.index[costs[Params().steps].argmin()] == result.best == FIVE_THIRDS


def test_controls_bound_what_the_layer_is_worth(result: Result) -> None:
    last = result.losses[result.losses["step"] == Params().steps].set_index(["network", "scale"])["loss"]
    for scale in (0.03, FIVE_THIRDS):
        assert last["no tanh", scale] > last["tanh", scale]
    for scale in (FIVE_THIRDS, 30.0):
        assert last["held still", scale] > last["tanh", scale]
    assert result.good_worth.low > result.wide_worth.high > 0


def test_the_linear_network_that_began_wider_is_behind_at_first_and_has_caught_up_by_the_end(result: Result) -> None:
    """As the solution of the last exercise has it: apart by more than both intervals early, by less at the end."""
    linear = result.losses[result.losses["network"] == "no tanh"].set_index(["scale", "step"])
    first, last = linear.index.levels[1].min(), Params().steps
    assert linear.loc[(FIVE_THIRDS, first), "loss_low"] > linear.loc[(0.03, first), "loss_high"]
    assert linear.loc[(FIVE_THIRDS, last), "loss_low"] < linear.loc[(0.03, last), "loss_high"]
    assert linear.loc[(FIVE_THIRDS, last), "loss"] - linear.loc[(0.03, last), "loss"] < 0.01


def test_letters_move_at_every_scale_and_wide_weights_hardly(result: Result) -> None:
    moved = result.ending.set_index("scale")
    assert moved["hidden_moved"].is_monotonic_decreasing
    assert moved.loc[30.0, "hidden_moved"] < 0.1 < moved["embedding_moved"].min()


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    assert {claim.name: claim.verdict(result) for claim in CLAIMS} == {
        "linear": Verdict.CAVEAT,
        "stuck": Verdict.FAILS,
        "starved": Verdict.FAILS,
        "middle": Verdict.HOLDS,
    }


# The same code, small


def test_smoke_run_saturates_when_wide_and_is_linear_when_narrow(smoke: Result) -> None:
    assert list(smoke.starting["scale"]) == [0.1, FIVE_THIRDS, RAW, 30.0]
    assert smoke.linear_start.mean < 1e-3 and smoke.starting["saturated"].iloc[-1] > 0.8 and smoke.starved.mean > 1
    assert not any(table.isna().any().any() for table in (smoke.starting, smoke.ending, smoke.curve, smoke.losses))


def test_what_is_held_still_does_not_move(smoke: Result) -> None:
    still = mlp.same_lr(0.1)._replace(embedding=0.0, hidden=0.0, hidden_bias=0.0)
    start = initialisation.well_scaled(mlp.init([0], 8))
    x, y = names.contexts(["emma"])
    *_, (_, end) = mlp.checkpoints(start, x[None, None], y[None, None], still)
    assert all(torch.equal(now, then) for now, then in zip(end[:3], start[:3], strict=True))
    assert not torch.equal(end.output, start.output)
    assert (smoke.ending["hidden_moved"] > 0).all()


def test_another_readers_names_can_be_used(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_bytes(
        b"\r\n".join([b"bo", b"abba", b"cab", b"bob", b"abe", b"eva", b"ada", b"bea", b"deb", b"ed"]) + b"\r\n"
    )
    assert saturation.run(dataclasses.replace(SMOKE, data=mine)).starved.mean > 1


@pytest.fixture(scope="module")
def size(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """Return a setting with enough seeds for narrow intervals, few names, and hardly any training."""
    some = tmp_path_factory.mktemp("names") / "some.txt"
    some.write_text("\n".join(names.load(Params().data)[:2000]), encoding="ascii")
    return dataclasses.replace(SMOKE, data=some, width=64, scales=(0.1, 1.0, 10.0), seeds=16, steps=2, looks=(1,))


def test_a_run_of_another_size_follows_theory_too(size: Params) -> None:
    _assert_starts(saturation.run(size))


@pytest.mark.parametrize("mutant", ["slope not squared", "fan-in forgotten", "bound of 0.9", "width not counted"])
def test_named_mutants_are_caught(mutant: str, size: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wrong formula must break the agreement of theory and measurement."""
    good, gradients, saturated = initialisation.well_scaled, linearity.gradients, linearity.saturated
    if mutant == "slope not squared":
        monkeypatch.setattr(
            linearity,
            "gradient_factor",
            lambda variance, gain: gain**2 * gaussian_mean(lambda z: np.cosh(np.sqrt(variance) * z) ** -2.0),
        )
    elif mutant == "fan-in forgotten":
        monkeypatch.setattr(
            initialisation, "well_scaled", lambda drawn: good(drawn)._replace(hidden=FIVE_THIRDS * drawn.hidden)
        )
    elif mutant == "bound of 0.9":
        monkeypatch.setattr(linearity, "saturated", lambda weights, x, beyond: saturated(weights, x, 0.9))
    else:

        def uncounted(weights: mlp.Weights, x: torch.Tensor, y: torch.Tensor) -> linearity.Gradients:
            found = gradients(weights, x, y)
            return found._replace(inputs=found.inputs * (64 / 30) ** 0.5)

        monkeypatch.setattr(linearity, "gradients", uncounted)
    found = saturation.run(size)
    with pytest.raises(AssertionError):
        _assert_starts(found)


@pytest.mark.parametrize("kind", ["hidden", "output"])
def test_an_unbent_network_with_one_wrong_rate_is_caught(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unbent = initialisation.linearised

    def wrong(
        weights: mlp.Weights, rates: mlp.LearningRates, size: float = 2.0**-10
    ) -> tuple[mlp.Weights, mlp.LearningRates]:
        start, changed = unbent(weights, rates, size)
        return start, changed._replace(**{kind: 0.5})

    monkeypatch.setattr(initialisation, "linearised", wrong)
    with pytest.raises(AssertionError):
        test_an_unbent_network_trains_as_a_linear_one_does()
