"""`read(experiment)`: what chapters, figures and tests read a result with."""

from __future__ import annotations

from typing import Any, TypeVar

from lab.keys import key as keys
from lab.keys.experiments import Experiment, home
from lab.results.reading import as_result, fresh

R = TypeVar("R")


def read(experiment: Experiment[R], params: Any = None) -> R:
    """Return the experiment's result with the book's parameters, or with `params` if `lab run --set` computed that.

    Never computes: a missing, stale or damaged result is an error that says what to type.

    result = read(tanh_gain)
    """
    name, root = home(experiment)
    wanted = keys.compute(name, root, values=None if params is None else vars(params))
    return as_result(experiment, fresh(wanted, root))
