"""Means with intervals, and the verdicts that lines give them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import stats

from lab.estimate import Estimate, rough

FINITE = st.floats(-1e6, 1e6)


def test_the_interval_is_students() -> None:
    values = np.array([2.0, 3.0, 5.0, 8.0])
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    found = Estimate.of(values)
    assert (found.n, found.mean) == (4, 4.5)
    # Two ways to one quantile agree to rounding; a normal quantile (1.96 for 3.18) would be 38 % off.
    assert found.low == pytest.approx(low, rel=1e-12)
    assert found.high == pytest.approx(high, rel=1e-12)


def test_the_interval_covers_the_mean_in_95_of_100_experiments() -> None:
    draws = np.random.default_rng(0).normal(3.0, 2.0, (4000, 5))
    found = [Estimate.of(row) for row in draws]
    covered = sum(estimate.low <= 3.0 <= estimate.high for estimate in found) / len(found)
    # Standard error of the share is 0.0034: four of them pass; a normal quantile covers 88 % and fails.
    assert covered == pytest.approx(0.95, abs=0.014)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_runs_have_no_interval(values: list[float]) -> None:
    with pytest.raises(ValueError, match=f"got {len(values)}: raise the number of seeds"):
        Estimate.of(values)


@pytest.mark.parametrize(
    ("mean", "half_width", "shown"),
    [
        (2.1034, 0.0041, "2.103 ± 0.004"),
        (2.1034, 0.0141, "2.103 ± 0.014"),
        (2.1, 0.0196, "2.10 ± 0.02"),
        (123.4, 20.0, "120 ± 20"),
        (123.4, 15.0, "123 ± 15"),
        (0.5, 0.0, "0.5 ± 0"),
        (-0.25, 0.03, "−0.25 ± 0.03"),
        (1e-9, 2e-10, "(1.0 ± 0.2) × 10⁻⁹"),
        (2.8e7, 1e3, "(2.80000 ± 0.00010) × 10⁷"),
        (math.nan, 1.0, "nan ± 1"),
        (1.0, math.inf, "1 ± inf"),
    ],
)
def test_it_prints_the_places_that_its_error_deserves(mean: float, half_width: float, shown: str) -> None:
    assert str(Estimate(mean, half_width, 8)) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(4.44e-16, "4 × 10⁻¹⁶"), (9.6e6, "1 × 10⁷"), (-3.2e-8, "−3 × 10⁻⁸"), (0.0, "0")]
)
def test_a_rough_number_is_a_digit_and_a_power_of_ten(value: float, shown: str) -> None:
    assert rough(value) == shown


def test_the_columns_of_a_table_hold_the_mean_and_the_ends_of_its_interval() -> None:
    runs = [[2.0, 4.0, 9.0], [1.0, 1.0, 4.0]]
    estimates = [Estimate.of(row) for row in runs]
    assert Estimate.columns("loss", runs[0]) == {
        "loss": estimates[0].mean,
        "loss_low": estimates[0].low,
        "loss_high": estimates[0].high,
    }
    whole = Estimate.whole_columns("loss", runs)
    assert list(whole) == ["loss", "loss_low", "loss_high"]
    assert [dict(zip(whole, row, strict=True)) for row in zip(*whole.values(), strict=True)] == [
        Estimate.columns("loss", row) for row in runs
    ]


def test_runs_that_diverged_are_left_out_of_a_mean_if_two_are_left() -> None:
    assert Estimate.of_finite([1.0, math.nan, 3.0, math.inf]) == Estimate.of([1.0, 3.0])
    alone = Estimate.of_finite([1.0, math.nan])
    assert math.isnan(alone.mean) and math.isnan(alone.half_width) and alone.n == 1
