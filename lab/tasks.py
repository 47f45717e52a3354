"""Cuts an experiment's work into tasks that know nothing of each other, so that they can be computed anywhere, side by side.

    runs = spread(partial(_network, params), range(params.seeds), "networks")

Called by hand, `run` computes its tasks one after the other.  Inside the lab they go to whichever processes are free, here or
on other machines.  Not part of any key, like `lab.progress`: the results are the same bits in the same order either way, because
the experiment does the cutting, never the number of workers.  The function handed over is named in the experiment, and counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from lab.errors import LabError
from lab.pickling import pickled, unpickled
from lab.progress import track

T = TypeVar("T")
R = TypeVar("R")
Computes = Callable[[list[str], str], list[str]]  # what is to be computed, and what a task is called; the results

_hand_out: Computes | None = None


def through(hand_out: Computes | None) -> None:
    """Have all tasks of this process computed by `hand_out`."""
    global _hand_out
    _hand_out = hand_out


def spread(function: Callable[[T], R], items: Iterable[T], what: str = "tasks") -> list[R]:
    """Return `function` of each item, in order; each shows as progress on `what` ("networks", "starts").

    A function at the top level of a module, or a functools.partial of one.  What it is handed and returns travels between
    processes, so hand it little: parameters, a name, a seed; what is large it makes itself.  Tasks inside a task are not
    spread further.  An exception in a task is raised here.
    """
    calls = [_packed(function, item) for item in items]
    return [unpickled(result) for result in (_hand_out or _serially)(calls, what)]


def run_task(call: str) -> str:
    """Compute one task here.  Arguments and result are copies even so: no task can change what another one sees."""
    global _hand_out
    before, _hand_out = _hand_out, None
    try:
        function, item = unpickled(call)
        return pickled(function(item))
    finally:
        _hand_out = before


def _serially(calls: list[str], what: str) -> list[str]:
    return [run_task(call) for call in track(calls, what)]


def _packed(function: Callable[[Any], Any], item: Any) -> str:
    try:
        return pickled((function, item))
    except Exception as error:  # pickle has many ways of saying no
        raise LabError(
            f"a task cannot travel to another process: {error}\n"
            "spread takes a function at the top level of its module, or functools.partial of one, and plain values"
        ) from None
