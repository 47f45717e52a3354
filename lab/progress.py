"""Tells whoever runs an experiment how far it is.

Not part of any key: `track` hands on the items it is given, unchanged and in order, so it cannot change a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")
Listener = Callable[[str, int, int | None], None]  # what is done, how many are, of how many

_listener: Listener | None = None


def listen(listener: Listener | None) -> Listener | None:
    """Send all progress of this process to `listener`; return who listened before."""
    global _listener
    before, _listener = _listener, listener
    return before


def track(items: Iterable[T], what: str) -> Iterator[T]:
    """Yield the items; inside the lab, each shows as progress on `what` ("networks", "steps").

    for step in track(range(params.steps), "steps"):
    """
    total = len(items) if isinstance(items, Sized) else None
    done = 0
    try:
        for done, item in enumerate(items):
            if _listener:
                _listener(what, done, total)
            yield item
    finally:  # also of a loop that is left early, or whose length nobody knew
        if _listener:
            end = done if total is None else total
            _listener(what, end, end)
