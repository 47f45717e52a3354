"""What sigmoid and tanh do, read off without chance: their range, their derivatives, and where float32 rounds them off."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from nets import bisection

GRID = np.linspace(-30, 30, 6001)  # inputs at which range and derivatives are read off; 0 is one of them


class Readings(NamedTuple):
    """All that is read off; derivatives are autograd's."""

    sigmoid_lowest: float  # over the grid, float64
    sigmoid_highest: float
    sigmoid_steepest: float  # largest derivative of the sigmoid over the grid, float64
    stretch: float  # largest distance of two neighbouring grid points after tanh, over that before
    derivative_at_zero: float  # of float32 tanh, where its output is exactly 0
    derivative_at_one: float  # the largest of float32 tanh where its output is exactly 1 or -1
    sigmoid_one: float  # largest input at which float32 sigmoid is still below 1
    sigmoid_zero: float  # largest x at which float32 sigmoid of -x is still above 0
    tanh_one: float  # largest input at which float32 tanh is still below 1


def read_off() -> Readings:
    """Read off range, derivatives and thresholds."""
    double, single = torch.tensor(GRID), torch.tensor(GRID, dtype=torch.float32)
    sigmoid, sigmoid_derivative = _differentiated(torch.sigmoid, double)
    tanh, tanh_derivative = _differentiated(torch.tanh, single)
    return Readings(
        sigmoid_lowest=float(sigmoid.min()),
        sigmoid_highest=float(sigmoid.max()),
        sigmoid_steepest=float(sigmoid_derivative.max()),
        stretch=float((np.diff(np.tanh(GRID)) / np.diff(GRID)).max()),
        derivative_at_zero=float(tanh_derivative[tanh == 0].min()),
        derivative_at_one=float(tanh_derivative[tanh.abs() == 1].max()),
        sigmoid_one=_last(lambda x: bool(torch.sigmoid(x) < 1)),
        sigmoid_zero=_last(lambda x: bool(torch.sigmoid(-x) > 0)),
        tanh_one=_last(lambda x: bool(torch.tanh(x) < 1)),
    )


def functions(x: NDArray[np.float64]) -> pd.DataFrame:
    """Tabulate sigmoid and tanh, and their derivatives: a row an input."""
    columns = {"input": x}
    for name, function in (("sigmoid", torch.sigmoid), ("tanh", torch.tanh)):
        output, derivative = _differentiated(function, torch.tensor(x))
        columns |= {name: output.numpy(), f"{name}_derivative": derivative.numpy()}
    return pd.DataFrame(columns)


def _differentiated(
    function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the function's value and its derivative at each of x."""
    x.requires_grad_()
    output = function(x)
    (derivative,) = torch.autograd.grad(output.sum(), x)
    return output.detach(), derivative


def _last(works: Callable[[torch.Tensor], bool]) -> float:
    """Return the largest float32 number up to 1,000 for which `works` is true; infinity if it is at 1,000."""
    return bisection.largest_passing(lambda x: works(torch.tensor(x, dtype=torch.float32)), 1000.0, torch.float32)
