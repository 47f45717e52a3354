"""`read(experiment)`: what chapters, figures and tests read a result with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from lab.errors import unknown
from lab.keys import key as keys
from lab.keys.experiments import Experiment, home
from lab.pages import noting_tables
from lab.results.reading import as_result, fresh, own_changes, page_result

R = TypeVar("R")


def read(experiment: Experiment[R], params: Any = None, **changes: Any) -> R:
    """Return the experiment's result with the book's parameters, or with others if `lab run --set` computed that.

    Never computes: a missing, stale or damaged result is an error that says what to type.  On a page that `lab render --set`
    makes, "the book's parameters" are those that were set.

    read(tanh_gain)
    read(tanh_gain, depth=200)
    read(tanh_gain, tanh_gain.Params(depth=200))
    """
    name, root = home(experiment)
    if params is None and not changes:
        stored = page_result(name, root)
        result = as_result(experiment, stored)
        return result if own_changes(name) else noting_tables(name, result, set(stored.tables))
    wanted = params or experiment.Params()
    if unknown_one := next((field for field in changes if field not in vars(wanted)), None):
        raise unknown("parameter", unknown_one, vars(wanted))
    return as_result(experiment, fresh(keys.compute(name, root, values=vars(replace(wanted, **changes))), root))
