"""What the chapter on momentum says is so: against closed forms, scipy, pandas, PyTorch and mutants."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.signal import lfilter

from experiments import momentum_ema
from experiments.momentum_ema import (
    CLAIMS,
    DAMPENED,
    NOTES,
    SAME_LR,
    SCALED_LR,
    SMOKE,
    ZERO_BUFFER,
    Params,
    Result,
    ema,
    ema_weights,
    optimiser_paths,
    plain,
    smoothing,
)
from lab.claims import Verdict
from lab.read import read
from nets import initialisation, mlp, names
from tests.names_module import names_module

BETAS = (0.0, 0.5, 0.9, 0.99)
TIGHT = (
    1e-12  # relative: 50 steps of float64 cannot lose so much (1e-16 each), a wrong power of beta is off by 1 - beta
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in the lab: small products gain nothing from a second thread, and lose much where others want the core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def result() -> Result:
    return read(momentum_ema)


@pytest.fixture(scope="module")
def smoke() -> Result:
    return momentum_ema.run(SMOKE)


@pytest.fixture(scope="module")
def gradients() -> torch.Tensor:
    return torch.randn(50, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("beta", BETAS)
def test_update_is_the_filter_that_scipy_knows(gradients: torch.Tensor, beta: float) -> None:
    expected = lfilter([1 - beta], [1, -beta], gradients.numpy(), axis=0)
    assert ema.averages(gradients, beta).numpy() == pytest.approx(expected, rel=TIGHT, abs=TIGHT)


@pytest.mark.parametrize("beta", BETAS)
def test_weighted_sum_is_the_update_unrolled(gradients: torch.Tensor, beta: float) -> None:
    assert ema.unrolled_error(gradients, beta) <= len(gradients)


@pytest.mark.parametrize("beta", BETAS[1:])
def test_corrected_and_dampened_averages_are_the_two_that_pandas_knows(gradients: torch.Tensor, beta: float) -> None:
    frame = pd.DataFrame(gradients.numpy())
    weight = 1 - beta ** np.arange(1, len(frame) + 1)[:, None]
    corrected = ema.averages(gradients, beta).numpy() / weight
    assert corrected == pytest.approx(frame.ewm(alpha=1 - beta, adjust=True).mean().to_numpy(), rel=TIGHT, abs=TIGHT)
    dampened = ema.buffers(gradients, beta, dampening=beta).numpy()
    assert dampened == pytest.approx(frame.ewm(alpha=1 - beta, adjust=False).mean().to_numpy(), rel=TIGHT, abs=TIGHT)


def test_effective_size_counts_equal_weights_whatever_their_sum() -> None:
    weights = torch.tensor([[0.5, 3.0, 0.0], [0.5, 3.0, 2.0], [0.0, 3.0, 0.0]])  # [value, average]
    assert ema.effective_size(weights, 0).tolist() == pytest.approx([2, 3, 1])


def test_average_of_a_ramp_lags_by_the_mean_age() -> None:
    """The chapter's rule for the lag: in the end, the average of t is t - beta / (1 - beta)."""
    ramp = torch.arange(2000.0, dtype=torch.float64)[:, None]
    assert float(ema.averages(ramp, 0.9)[-1]) == pytest.approx(1999 - 9, rel=1e-13)


@pytest.mark.parametrize("column", ["window_weight", "mean_age", "effective_size"])
def test_weights_add_up_as_the_geometric_series_says(result: Result, column: str) -> None:
    """The impulse is followed for 25 / (1 - beta) steps, so e^-25 of the weight is missing, of 25 mean ages."""
    rows = result.windows
    assert rows[column].to_numpy() == pytest.approx(rows[f"{column}_predicted"].to_numpy(), rel=1e-8)


def test_weight_of_the_window_tends_to_one_minus_one_over_e(result: Result) -> None:
    weight_of_window = result.windows["window_weight"].to_numpy()
    assert (np.diff(weight_of_window) < 0).all() and weight_of_window[-1] == pytest.approx(1 - np.exp(-1), abs=1e-3)


def test_every_age_has_the_weight_of_the_formula(result: Result) -> None:
    rows = result.ema_weights
    assert rows["weight"].to_numpy() == pytest.approx(rows["predicted"].to_numpy(), rel=TIGHT, abs=1e-300)


def test_first_steps_add_up_as_predicted(result: Result) -> None:
    rows, beta = result.first_steps, result.params.beta
    faded = beta ** rows["step"].to_numpy()
    assert rows["sum_notes"].to_numpy() == pytest.approx(1 - faded, rel=TIGHT)
    assert rows["sum_sgd"].to_numpy() == pytest.approx((1 - faded) / (1 - beta), rel=TIGHT)
    assert rows["sum_dampened"].to_numpy() == pytest.approx(np.ones(len(rows)), rel=TIGHT)
    extra = (rows["first_dampened"] - rows["first_notes"]).to_numpy()
    assert extra == pytest.approx(faded, rel=1e-10)


def test_effective_size_grows_as_predicted_from_one_in_both_ways_to_start(result: Result) -> None:
    rows, beta = result.first_steps, result.params.beta
    step = rows["step"].to_numpy()
    full = (1 + beta) / (1 - beta)
    assert rows["effective_size_corrected"].to_numpy() == pytest.approx(
        full * (1 - beta**step) / (1 + beta**step), rel=TIGHT
    )
    old = beta ** (2 * (step - 1))
    assert rows["effective_size_dampened"].to_numpy() == pytest.approx(1 / (old + (1 - old) / full), rel=TIGHT)


def test_noise_about_a_constant_gradient_is_averaged_away_as_predicted(result: Result) -> None:
    """Two half-widths, over eight betas that share their batches; a plain 1 - beta for the noise is off by 90 %."""
    rows = result.distances.query("lr == 0 and beta > 0")
    slack = rows["distance_high"] - rows["distance_low"]
    assert ((rows["distance"] - rows["predicted"]).abs() <= slack).all()
    assert (slack < 0.2 * rows["predicted"]).all()  # so that the line above can fail


def test_training_adds_to_the_distance_at_every_beta(result: Result) -> None:
    lrs = sorted(set(result.distances["lr"]))
    still, slow, fast = (result.distances.query("lr == @lr and beta > 0")["distance"].to_numpy() for lr in lrs)
    assert (still < slow).all() and (slow < fast).all()


def test_a_seed_does_not_choose_its_own_rival() -> None:
    """By the other two seeds the first and second choose beta 0.5, and the third beta 0, whatever its own distances."""
    relative = np.array([[[1.0, 1.0, 1.0], [1.2, 1.2, 0.1], [2.0, 2.0, 2.0]]])  # [lr, beta, seed]
    row = smoothing.closest_table(relative, np.full((1, 3), 4.0), [0.1], [0.0, 0.5, 0.9], 5, 10).iloc[0]
    assert row["ratio"] == pytest.approx((2 / 1.2 + 2 / 1.2 + 2 / 1) / 3)
    assert row["beta"] == 0.5 and row["distance"] == pytest.approx(2.5 / 3)
    assert row["saved"] == pytest.approx(1 - (1.2 + 1.2 + 1.0) / 3 / 4)


def test_full_gradient_is_the_mean_of_the_gradients_of_all_examples() -> None:
    x, y = names.contexts(["emma", "olivia", "ava"])
    init = initialisation.well_scaled(mlp.init([3, 4], 5, dtype=torch.float64))
    together = mlp.gradient(init, x.expand(2, -1, -1), y.expand(2, -1))
    expected = smoothing.flatten(together)
    assert torch.allclose(smoothing.full_gradient(init, names.counts(x, y)), expected, rtol=1e-10, atol=1e-14)


def test_pytorch_takes_the_notes_path_at_the_scaled_learning_rate_and_with_a_buffer_of_zeros(result: Result) -> None:
    assert (
        max(result.scaled_lr_error, result.zero_buffer_error) <= result.params.path_steps
    )  # one rounding unit a step; a wrong start is off by 1e13
    rows = result.optimisers.set_index("optimiser")
    assert rows.loc[[NOTES, SCALED_LR, ZERO_BUFFER], "first_step"].to_numpy() == pytest.approx(0.1, rel=1e-9)
    assert rows.loc[[SAME_LR, DAMPENED], "first_step"].to_numpy() == pytest.approx(1, rel=1e-9)
    assert (rows.loc[[SAME_LR, DAMPENED], "distance_low"] > 0.1).all()


def test_dampened_path_parts_as_predicted_while_the_gradient_is_the_first() -> None:
    """On a gradient that does not change, the extra beta^t g_1 adds up to beta (1 - beta^t) / (1 - beta) plain steps."""
    constant = torch.ones(30, 1, dtype=torch.float64)
    extra = (ema.buffers(constant, 0.9, dampening=0.9) - ema.averages(constant, 0.9)).cumsum(0)[:, 0].numpy()
    assert extra == pytest.approx(9 * (1 - 0.9 ** np.arange(1, 31)), rel=TIGHT)


def test_a_seed_gives_the_same_whatever_the_others(smoke: Result) -> None:
    x, y = names.contexts(["emma", "olivia", "ava"])

    def distances(seeds: range) -> torch.Tensor:
        init = initialisation.well_scaled(mlp.init(seeds, 5, dtype=torch.float64))
        order = mlp.batches(seeds, len(x), 4, 20)
        return smoothing.monitor(init, (x[order], y[order]), names.counts(x, y), 0.1, BETAS, 5).squared_distance

    assert torch.equal(distances(range(3))[:, :2], distances(range(2)))


def test_the_plain_average_is_as_far_from_the_full_gradient_as_the_monitored_one() -> None:
    x, y = names.contexts(["emma", "olivia", "ava"])
    init = initialisation.well_scaled(mlp.init([3], 5, dtype=torch.float64))
    order = mlp.batches([3], len(x), 4, 20)
    model = names_module(init)
    gradients = torch.stack([plain.gradient(model, x[batch[0]], y[batch[0]]) for batch in order])
    expected = [plain.squared_distance(gradients, plain.gradient(model, x, y), beta) for beta in BETAS]
    monitored = smoothing.monitor(init, (x[order], y[order]), names.counts(x, y), 0.0, BETAS, 20)
    assert monitored.squared_distance[:, 0].tolist() == pytest.approx(expected, rel=1e-9)


def test_the_plain_training_ends_where_the_ensemble_does() -> None:
    x, y = names.contexts(["emma", "olivia", "ava"])
    init = initialisation.well_scaled(mlp.init([3], 5, dtype=torch.float64))
    order = mlp.batches([3], len(x), 4, 20)
    model = names_module(init)
    plain.train(model, [(x[batch[0]], y[batch[0]]) for batch in order], 0.1, 0.9)
    setting = optimiser_paths.Setting(0.1, 0.9)
    notes = optimiser_paths.train_side_by_side(init, (x[order], y[order]), 0.1, 0.9, [setting]).ends[0]
    for parameter, expected in zip(model.parameters(), names_module(notes).parameters(), strict=True):
        assert torch.allclose(parameter, expected, rtol=1e-10, atol=1e-12)
    assert not torch.equal(notes.output, init.output)


def test_smoke_run_finds_the_same_identities(smoke: Result) -> None:
    assert smoke.buffer_ratio == pytest.approx(10, rel=TIGHT)
    assert max(smoke.unrolled_error, smoke.buffer_error, smoke.dampened_error) <= SMOKE.steps
    assert max(smoke.scaled_lr_error, smoke.zero_buffer_error) <= SMOKE.path_steps
    assert not any(
        getattr(smoke, table).isna().any().any() for table in ("windows", "first_steps", "distances", "paths")
    )


def test_every_verdict_is_what_the_chapter_says(result: Result) -> None:
    holds, caveat, fails = Verdict.HOLDS, Verdict.CAVEAT, Verdict.FAILS
    assert {claim.name: claim.verdict(result) for claim in CLAIMS} == {
        "exact": holds,
        "average": caveat,
        "window": caveat,
        "smoother": holds,
        "not-always": caveat,
        "pytorch": fails,
        "same-steps": fails,
    }


def test_averages_in_fast_training_are_hardly_nearer_than_zero_and_in_slow_training_much(result: Result) -> None:
    """The chapter says "a good guess" and "hardly better": more than half of the distance saved, and less than a quarter."""
    rows, (slow, fast) = result.closest.set_index(["width", "lr"]), (0.01, 0.1)
    width, wide = result.params.width, result.params.wide
    assert rows.loc[(width, slow), "saved_low"] > 0.5 and rows.loc[(wide, slow), "saved_low"] > 0.5
    assert rows.loc[(width, fast), "saved_low"] > 0 and rows.loc[(width, fast), "saved_high"] < 0.25
    assert rows.loc[(wide, fast), "saved_high"] < 0


def test_the_smoothest_average_is_the_nearest_in_one_setting_and_not_in_the_others(result: Result) -> None:
    trained = result.closest.query("lr > 0").set_index(["width", "lr"])
    exception = (result.params.wide, max(result.params.lrs))
    assert trained.loc[exception, "ratio_high"] < 1
    assert (trained.drop(exception)["ratio_low"] > 1).all()
    assert trained.loc[result.params.width, "beta"].nunique() == 1  # the caption names one, for both learning rates


def test_roughness_is_the_mean_squared_change_of_the_corrected_average_in_the_second_half() -> None:
    """Against pandas' own corrected average of the gradients that the monitor keeps, those of the last bias."""
    x, y = names.contexts(["emma", "olivia", "ava"])
    init = initialisation.well_scaled(mlp.init([3], 5, dtype=torch.float64))
    order = mlp.batches([3], len(x), 4, 20)
    model = names_module(init)
    gradients = torch.stack([plain.gradient(model, x[batch[0]], y[batch[0]]) for batch in order])  # [step, weight]
    monitored = smoothing.monitor(init, (x[order], y[order]), names.counts(x, y), 0.0, BETAS, 20)
    for beta, found in zip(BETAS[1:], monitored.roughness[1:, 0].tolist(), strict=True):
        average = pd.DataFrame(gradients.numpy()).ewm(alpha=1 - beta, adjust=True).mean().to_numpy()
        assert found == pytest.approx(np.square(np.diff(average, axis=0)[9:]).sum(1).mean(), rel=1e-9)


def test_full_run_equals_the_committed_result(result: Result) -> None:
    """Another processor's sums differ in the last digits, which 1,000 steps of training cannot raise to 1e-7.

    What is itself made of last digits need only stay below one unit a step.
    """
    again = momentum_ema.run(Params())
    for field in dataclasses.fields(Result):
        ours, theirs = getattr(again, field.name), getattr(result, field.name)
        if field.name in ("unrolled_error", "buffer_error", "dampened_error", "scaled_lr_error", "zero_buffer_error"):
            assert max(ours, theirs) <= result.params.path_steps, field.name
        elif isinstance(ours, pd.DataFrame):
            pd.testing.assert_frame_equal(ours, theirs, rtol=1e-7, atol=1e-11, obj=field.name, check_dtype=False)
        elif isinstance(ours, Params):
            assert ours == theirs
        elif isinstance(ours, float):
            assert ours == pytest.approx(theirs, rel=1e-7), field.name
        else:
            assert (ours.mean, ours.half_width, ours.n) == pytest.approx(
                (theirs.mean, theirs.half_width, theirs.n), rel=1e-6
            )


def _unscaled(average: torch.Tensor, gradient: torch.Tensor, beta: float | torch.Tensor) -> torch.Tensor:
    return beta * average + gradient  # PyTorch's own form


def _swapped(average: torch.Tensor, gradient: torch.Tensor, beta: float | torch.Tensor) -> torch.Tensor:
    return (1 - beta) * average + beta * gradient


def _late(average: torch.Tensor, gradient: torch.Tensor, beta: float | torch.Tensor) -> torch.Tensor:
    return beta * (average + (1 - beta) * gradient)  # off by one: the newest gradient already has age 1


@pytest.mark.parametrize("mutant", [_unscaled, _swapped, _late])
def test_wrong_updates_are_caught(
    mutant: Callable[..., torch.Tensor], gradients: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each must break the unrolled sum, the filter, and the path that PyTorch takes beside it."""
    for module in (ema, optimiser_paths, smoothing):
        monkeypatch.setattr(module, "update", mutant)
    with pytest.raises(AssertionError):
        test_weighted_sum_is_the_update_unrolled(gradients, 0.9)
    with pytest.raises(AssertionError):
        test_update_is_the_filter_that_scipy_knows(gradients, 0.9)
    with np.errstate(invalid="ignore"):  # at beta 0 some of them give no weight to anything
        wrong = momentum_ema.run(SMOKE)
    assert min(wrong.unrolled_error, wrong.buffer_error, wrong.scaled_lr_error) > 1e10
    assert CLAIMS[0].verdict(wrong) is Verdict.FAILS


def test_dampening_from_the_first_step_on_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """If PyTorch dampened the first gradient too, its buffer would be the notes' average: the tables must show it."""

    def always_dampened(gradients: torch.Tensor, beta: float, dampening: float = 0.0) -> torch.Tensor:
        return ema.averages(gradients, beta) * (1 - dampening) / (1 - beta)

    for module in (ema, ema_weights):
        monkeypatch.setattr(module, "buffers", always_dampened)
    wrong = momentum_ema.run(SMOKE)
    assert wrong.dampened_error > 1e10
    with pytest.raises(AssertionError):
        test_first_steps_add_up_as_predicted(wrong)
