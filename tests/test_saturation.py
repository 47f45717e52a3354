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
from experiments.saturation import CLAIMS, FIVE_THIRDS, RAW, SMOKE, Params, Result
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
    """scipy's adaptive rule shares nothing with our trapezoids; a derivative not squared would be off by a third or more."""
    edge = math.atanh(0.97) / scale
    tail, _ = quad(norm.pdf, edge, np.inf)
    assert saturation.expected_saturated(scale, 0.97) == pytest.approx(2 * tail, rel=1e-7, abs=1e-12)
    squared, _ = quad(lambda z: np.cosh(scale * z) ** -4 * norm.pdf(z), -9, 9, points=[0.0], epsabs=1e-13)
    assert saturation.expected_pre_gradient(scale) == pytest.approx(math.sqrt(squared), rel=1e-8)
    assert saturation.expected_embedding_gradient(scale) == pytest.approx(scale * math.sqrt(squared), rel=1e-8)


def test_expected_nonlinearity_is_all_but_the_first_hermite_coefficient() -> None:
    """The linear part of a function of a normal number is its first coefficient: no derivative, and no Stein, needed."""
    nodes, weights = hermegauss(150)
    weights = weights / math.sqrt(2 * math.pi)
    for scale in (0.1, 0.3, 1.0):
        values = np.tanh(scale * nodes)
        linear = np.sum(weights * nodes * values)
        total = np.sum(weights * values**2)
        assert saturation.expected_nonlinearity(scale) == pytest.approx(1 - linear**2 / total, rel=1e-5)


def test_expected_nonlinearity_has_the_limits_of_the_chapter() -> None:
    assert saturation.expected_nonlinearity(0.01) == pytest.approx(
        2 / 3 * 1e-8, rel=1e-3
    )  # the next term is of order 1e-4
    short = [1 - 2 / math.pi - saturation.expected_nonlinearity(scale) for scale in (25.0, 50.0, 100.0)]
    assert short[0] / short[1] == pytest.approx(2, rel=0.05) and short[1] / short[2] == pytest.approx(2, rel=0.05)


def test_gradients_by_hand_equal_autograd() -> None:
    weights = initialisation.well_scaled(mlp.init([1, 2], 7, dtype=torch.float64))
    weights = weights._replace(hidden=3 * weights.hidden, output=10 * weights.output)
    x, y = names.contexts(["emma", "olivia"])
    found = saturation.gradients(weights, x, y)
    for seed in range(2):
        one = mlp.Weights(*(tensor[seed] for tensor in weights))
        inputs = one.embedding[x].flatten(1).requires_grad_()
        pre = inputs @ one.hidden + one.hidden_bias
        hidden = pre.tanh()
        loss = torch.nn.functional.cross_entropy(hidden @ one.output + one.output_bias, y, reduction="sum")
        hidden_rms, pre_rms, embedding_rms = (
            gradient.square().mean().sqrt().item() for gradient in torch.autograd.grad(loss, (hidden, pre, inputs))
        )
        assert found.hidden[seed].item() == pytest.approx(hidden_rms, rel=1e-10)
        assert found.pre[seed].item() == pytest.approx(pre_rms, rel=1e-10)
        assert found.embedding[seed].item() == pytest.approx(embedding_rms * math.sqrt(30 / 7), rel=1e-10)


def test_the_code_that_the_chapter_shows_agrees_with_theory() -> None:
    """Within 6 %: its random characters have 27 random embeddings; without a derivative it would be off by a factor of eight."""
    torch.manual_seed(0)
    x, y = torch.randint(27, (20_000, 3)), torch.randint(27, (20_000,))
    hidden, pre, embedding = saturation.plain_gradients(x, y, 30.0)
    assert pre / hidden == pytest.approx(saturation.expected_pre_gradient(30.0), rel=0.06)
    weights_alone = (200 / 30) ** 0.5  # more units than inputs
    assert embedding / hidden / weights_alone == pytest.approx(saturation.expected_embedding_gradient(30.0), rel=0.06)


def test_nonlinearity_is_what_least_squares_leaves() -> None:
    weights = initialisation.well_scaled(mlp.init([5], 6, dtype=torch.float64))
    x, _ = names.contexts(names.load(Params().data)[:60])
    inputs = weights.embedding[0][x].flatten(1).numpy()
    hidden = mlp.hidden(weights, x)[0].numpy()
    fit = np.linalg.lstsq(np.column_stack([inputs, np.ones(len(x))]), hidden, rcond=None)[0]
    left = hidden - np.column_stack([inputs, np.ones(len(x))]) @ fit
    expected = (left**2).sum() / ((hidden - hidden.mean(0)) ** 2).sum()
    assert saturation.nonlinearity(weights, x).item() == pytest.approx(expected, rel=1e-9)


def test_a_linearised_network_trains_as_a_linear_one_does() -> None:
    """Tanh changes pre-activations of ten, scaled by 2^-10, by 3e-5 of themselves; unscaled they would not reach 1."""
    init = initialisation.well_scaled(mlp.init([3], 8, dtype=torch.float64))
    x, y = names.contexts(["emma", "olivia", "ava"])
    linear, lr = saturation.linearised(init, mlp.same_lr(0.5))
    steps = 10
    *_, (_, end) = mlp.checkpoints(linear, x.expand(steps, 1, *x.shape), y.expand(steps, 1, *y.shape), lr)
    plain = [tensor[0].clone().requires_grad_() for tensor in init]
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(_linear_logits(plain, x), y)
        gradients = torch.autograd.grad(loss, plain)
        plain = [(w - 0.5 * g).detach().requires_grad_() for w, g in zip(plain, gradients, strict=True)]
    found, expected = mlp.logits(end, x)[0], _linear_logits(plain, x)
    assert torch.allclose(found, expected, rtol=0, atol=1e-3)
    assert (expected - _linear_logits([tensor[0] for tensor in init], x)).abs().max() > 0.1  # it has learnt something


def _linear_logits(weights: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    embedding, hidden, hidden_bias, output, output_bias = weights
    return (embedding[x].flatten(1) @ hidden + hidden_bias) @ output + output_bias


# The committed result


def test_initialisations_are_as_theory_says(result: Result) -> None:
    _assert_initialisations(result)


def _assert_initialisations(result: Result) -> None:
    """Within 4 % and three half-widths: embeddings are random, 27 of them, and their norms scatter by a quarter.

    A derivative not squared would be off by a third, a scale not divided by the root of the fan-in by a factor of five.
    """
    rows = result.at_init
    for quantity, expected in (
        ("saturated", [saturation.expected_saturated(scale, 0.97) for scale in rows["scale"]]),
        ("pre_gradient", [saturation.expected_pre_gradient(scale) for scale in rows["scale"]]),
        ("embedding_gradient", [saturation.expected_embedding_gradient(scale) for scale in rows["scale"]]),
    ):
        slack = 1.5 * (rows[f"{quantity}_high"] - rows[f"{quantity}_low"]) + 0.04 * np.array(expected) + 1e-9
        assert ((rows[quantity] - expected).abs() <= slack).all(), quantity


def test_narrow_layers_depart_as_the_fourth_power_and_wide_ones_less_than_theory(result: Result) -> None:
    nonlinearity = result.at_init.set_index("scale")["nonlinearity"]
    assert math.log(nonlinearity[0.1] / nonlinearity[0.03]) / math.log(0.1 / 0.03) == pytest.approx(4, abs=0.1)
    assert nonlinearity.is_monotonic_increasing and nonlinearity.iloc[-1] < saturation.expected_nonlinearity(30.0)


def test_losses_make_a_valley_whose_narrow_side_falls_and_whose_wide_side_rises(result: Result) -> None:
    losses = result.losses.query("network == 'tanh'").pivot(index="scale", columns="step", values="loss")
    costs = losses - losses.min()
    assert costs.iloc[0].is_monotonic_decreasing and costs.iloc[-1].is_monotonic_increasing
    assert costs[Params().steps][FIVE_THIRDS] < 0.01 < result.raw_cost.low
    assert costs.index[costs[Params().steps].argmin()] == result.best_scale == FIVE_THIRDS


def test_controls_end_above_the_trained_network(result: Result) -> None:
    last = result.losses[result.losses["step"] == Params().steps].set_index(["network", "scale"])["loss"]
    for scale in (0.03, FIVE_THIRDS):
        assert last["linear", scale] > last["tanh", scale]
    for scale in (FIVE_THIRDS, 30.0):
        assert last["frozen", scale] > last["tanh", scale]
    for good, wide in (
        (result.good_layer_benefit, result.wide_layer_benefit),
        (result.good_layer_benefit_alone, result.wide_layer_benefit_alone),
    ):
        assert good.low > 0.01 and good.low > wide.high
    assert result.wide_embedding_benefit.low > 0.01 > result.wide_layer_benefit.high


def test_both_ends_and_the_middle_have_their_best_learning_rate_inside_the_grid(result: Result) -> None:
    by_lr = result.by_lr.pivot(index="scale", columns="lr", values="loss")
    assert list(by_lr.columns) == sorted({Params().lr, *Params().lrs})
    best = by_lr.idxmin(axis=1)
    assert best.between(*by_lr.columns[[0, -1]], inclusive="neither").all()
    assert result.narrow_cost_own_lr.mean == pytest.approx(by_lr.min(axis=1).iloc[0] - by_lr.min(axis=1).iloc[1])


def test_embeddings_change_at_every_scale_and_wide_weights_hardly(result: Result) -> None:
    trained = result.after_training.set_index("scale")
    assert trained["hidden_change"].is_monotonic_decreasing
    assert trained.loc[30.0, "hidden_change"] < 0.1 < trained["embedding_change"].min()


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    assert {claim.name: claim.verdict(result) for claim in CLAIMS} == {
        "linear": Verdict.CAVEAT,
        "stuck": Verdict.CAVEAT,
        "starved": Verdict.FAILS,
        "middle": Verdict.HOLDS,
    }


# The same code, small


def test_smoke_run_saturates_when_wide_and_is_linear_when_narrow(smoke: Result) -> None:
    assert list(smoke.at_init["scale"]) == [0.1, FIVE_THIRDS, RAW, 30.0]
    assert smoke.narrow_nonlinearity.mean < 1e-3 and smoke.at_init["saturated"].iloc[-1] > 0.8
    assert smoke.embedding_gradient_ratio.mean > 1
    assert not any(
        table.isna().any().any() for table in (smoke.at_init, smoke.after_training, smoke.predicted, smoke.losses)
    )


def test_frozen_weights_do_not_change(smoke: Result) -> None:
    frozen = mlp.same_lr(0.1)._replace(embedding=0.0, hidden=0.0, hidden_bias=0.0)
    init = initialisation.well_scaled(mlp.init([0], 8))
    x, y = names.contexts(["emma"])
    *_, (_, end) = mlp.checkpoints(init, x[None, None], y[None, None], frozen)
    assert all(torch.equal(now, then) for now, then in zip(end[:3], init[:3], strict=True))
    assert not torch.equal(end.output, init.output)
    for network, parts in saturation.FROZEN.items():
        _, lr = saturation._plans(SMOKE)[network, FIVE_THIRDS]
        assert [name for name, rate in lr._asdict().items() if rate == 0] == list(parts)
    assert (smoke.after_training["hidden_change"] > 0).all()


def test_another_readers_names_can_be_used(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_bytes(
        b"\r\n".join([b"bo", b"abba", b"cab", b"bob", b"abe", b"eva", b"ada", b"bea", b"deb", b"ed"]) + b"\r\n"
    )
    assert saturation.run(dataclasses.replace(SMOKE, data=mine)).embedding_gradient_ratio.mean > 1


@pytest.fixture(scope="module")
def size(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """Return a setting with enough seeds for narrow intervals, few names, and hardly any training."""
    some = tmp_path_factory.mktemp("names") / "some.txt"
    some.write_text("\n".join(names.load(Params().data)[:2000]), encoding="ascii")
    return dataclasses.replace(SMOKE, data=some, width=64, scales=(0.1, 1.0, 10.0), seeds=16, steps=2, eval_steps=(1,))


def test_a_run_of_another_size_follows_theory_too(size: Params) -> None:
    _assert_initialisations(saturation.run(size))


@pytest.mark.parametrize("mutant", ["derivative not squared", "fan-in forgotten", "bound of 0.9", "width not counted"])
def test_named_mutants_are_caught(mutant: str, size: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wrong formula must break the agreement of theory and measurement."""
    good, gradients, saturated = initialisation.well_scaled, saturation.gradients, saturation.saturated
    if mutant == "derivative not squared":
        monkeypatch.setattr(
            saturation,
            "gradient_factor",
            lambda variance, gain: gain**2 * gaussian_mean(lambda z: np.cosh(np.sqrt(variance) * z) ** -2.0),
        )
    elif mutant == "fan-in forgotten":
        monkeypatch.setattr(
            initialisation, "well_scaled", lambda normal: good(normal)._replace(hidden=FIVE_THIRDS * normal.hidden)
        )
    elif mutant == "bound of 0.9":
        monkeypatch.setattr(saturation, "saturated", lambda weights, x, beyond: saturated(weights, x, 0.9))
    else:

        def uncounted(weights: mlp.Weights, x: torch.Tensor, y: torch.Tensor) -> saturation.Gradients:
            found = gradients(weights, x, y)
            return found._replace(embedding=found.embedding * (64 / 30) ** 0.5)

        monkeypatch.setattr(saturation, "gradients", uncounted)
    found = saturation.run(size)
    with pytest.raises(AssertionError):
        _assert_initialisations(found)


@pytest.mark.parametrize("parameter", ["hidden", "output"])
def test_a_linearised_network_with_one_wrong_learning_rate_is_caught(
    parameter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    linearised = saturation.linearised

    def wrong(
        weights: mlp.Weights, lr: mlp.LearningRates, size: float = 2.0**-10
    ) -> tuple[mlp.Weights, mlp.LearningRates]:
        init, changed = linearised(weights, lr, size)
        return init, changed._replace(**{parameter: 0.5})

    monkeypatch.setattr(saturation, "linearised", wrong)
    with pytest.raises(AssertionError):
        test_a_linearised_network_trains_as_a_linear_one_does()
