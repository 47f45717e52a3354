"""What went wrong, what there is instead, and what to type: every error that the lab raises on purpose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class LabError(Exception):
    """An error for the person at the keyboard; printed without a traceback."""


class NoResult(LabError):
    """There is no result to read: it is missing, stale or damaged."""


class Missing(NoResult):
    """There is none at all."""


class OtherFormat(NoResult):
    """There is one that another version of the lab wrote."""


class Refused(LabError):
    """Code that a key cannot see through, with file and line."""


def few(things: Sequence[str], most: int, between: str = ", ") -> str:
    """Name the first few of some things, and say how many more there are."""
    more = [f"and {len(things) - most} more"] if len(things) > most else []
    return between.join([*things[:most], *more])


def unknown(kind: str, name: str, known: Iterable[str]) -> LabError:
    """Say that there is no such thing, and name the nearest that there are."""
    there = sorted(known)
    near = get_close_matches(name, there, n=3, cutoff=0.5)
    if near:
        return LabError(f"no {kind} is called {name!r}; did you mean {' or '.join(near)}?")
    return LabError(f"no {kind} is called {name!r}; there are: {', '.join(there) or 'none'}")
