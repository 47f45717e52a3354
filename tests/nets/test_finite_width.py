"""The exact law of a layer of finite width: against its definition, its limit, and a layer that is really drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from nets import finite_width
from nets.finite_width import LogFactor


def test_one_linear_unit_has_the_logarithm_of_a_squared_normal_number() -> None:
    """E ln Z^2 = -gamma - ln 2 and Var ln Z^2 = pi^2 / 2 are classical; digamma of n instead of n/2 would give -gamma."""
    law = finite_width.linear_layer(1)
    assert law.mean == pytest.approx(-np.euler_gamma - math.log(2), rel=1e-12)
    assert law.variance == pytest.approx(math.pi**2 / 2, rel=1e-12)


def test_the_linear_law_agrees_with_quadrature_of_the_chi_squared_density() -> None:
    n = 7

    def density(x: float) -> float:
        return x ** (n / 2 - 1) * math.exp(-x / 2) / (2 ** (n / 2) * math.gamma(n / 2))

    mean, _ = quad(lambda x: math.log(x / n) * density(x), 0, 200, epsabs=1e-12, limit=200)
    square, _ = quad(lambda x: math.log(x / n) ** 2 * density(x), 0, 200, epsabs=1e-12, limit=200)
    assert finite_width.linear_layer(n) == pytest.approx((mean, square - mean**2), rel=1e-8)


def test_one_relu_unit_that_is_on_has_twice_a_squared_normal_number() -> None:
    law = finite_width.relu_layer(1)  # c / n = 2; given that the one unit is on
    assert law.mean == pytest.approx(-np.euler_gamma - math.log(2) + math.log(2), rel=1e-12)
    assert law.variance == pytest.approx(math.pi**2 / 2, rel=1e-12)


@pytest.mark.parametrize(("law", "mean", "variance"), [("linear", -1, 2), ("relu", -5 / 2, 5)])
def test_wide_layers_drift_by_one_over_the_width(law: str, mean: float, variance: float) -> None:
    """The next term is of order 1 / n^2: at 2000 units one part in a hundred at most, and 5 for 4 would be twenty."""
    found: LogFactor = {"linear": finite_width.linear_layer, "relu": finite_width.relu_layer}[law](2000)
    assert found == pytest.approx((mean / 2000, variance / 2000), rel=0.01)


def test_drawn_relu_layers_follow_the_law() -> None:
    """Mean and variance of 40,000 draws have standard errors of 0.5 % and 1 %: four of them pass, and 5/2 for 2 fails."""
    width, draws = 12, 40_000
    drawn = np.random.default_rng(1).standard_normal((draws, width))
    lengths = 2 / width * (np.maximum(drawn, 0) ** 2).sum(1)
    logarithms = np.log(lengths[lengths > 0])
    law = finite_width.relu_layer(width)
    assert abs(logarithms.mean() - law.mean) < 4 * math.sqrt(law.variance / draws)
    assert logarithms.var() == pytest.approx(law.variance, rel=0.05)
