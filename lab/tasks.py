"""Cuts an experiment's work into pieces that know nothing of each other, so that they can be computed anywhere, side by side.

    runs = spread(partial(_network, params), range(params.seeds), "networks")

Called by hand, `run` computes its pieces one after the other.  Inside the lab they go to whichever processes are free, here or
on other machines.  Not part of any key, like `lab.progress`: the results are the same bits in the same order either way, because
the experiment does the cutting, never the number of workers.  The function handed over is named in the experiment, and counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from lab import pickling
from lab.errors import LabError
from lab.progress import track

T = TypeVar("T")
R = TypeVar("R")
HandOut = Callable[[list[str], str], list[str]]  # what is to be computed, and what a piece is called; the results

_hand_out: HandOut | None = None


def through(hand_out: HandOut | None) -> None:
    """Have all pieces of this process computed by `hand_out`."""
    global _hand_out
    _hand_out = hand_out


def spread(function: Callable[[T], R], items: Iterable[T], what: str = "pieces") -> list[R]:
    """Return `function` of each item, in order; each shows as progress on `what` ("networks", "starts").

    A function at the top level of a module, or a functools.partial of one.  What it is handed and returns travels between
    processes, so hand it little: parameters, a name, a seed; what is large it makes itself.  Pieces inside a piece are not
    spread further.  An exception in a piece is raised here.
    """
    calls = [_packed(function, item) for item in items]
    return [pickling.unpack(result) for result in (_hand_out or _one_by_one)(calls, what)]


def compute(call: str) -> str:
    """Compute one piece here.  Arguments and result are copies even so: no piece can change what another one sees."""
    global _hand_out
    before, _hand_out = _hand_out, None
    try:
        function, item = pickling.unpack(call)
        return pickling.pack(function(item))
    finally:
        _hand_out = before


def _one_by_one(calls: list[str], what: str) -> list[str]:
    return [compute(call) for call in track(calls, what)]


def _packed(function: Callable[[Any], Any], item: Any) -> str:
    try:
        return pickling.pack((function, item))
    except Exception as error:  # pickle has many ways of saying no
        raise LabError(
            f"a piece cannot travel to another process: {error}\n"
            "spread takes a function at the top level of its module, or functools.partial of one, and plain values"
        ) from None
