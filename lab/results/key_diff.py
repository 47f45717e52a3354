"""What changed since a result was computed, by name."""

from __future__ import annotations

from typing import Any

from lab.keys.canonical_json import dumps
from lab.keys.key import Key
from lab.results.store import Stored
from press import reads

NOUNS = {"versions": "", "environment": "environment variable "}


def changes(there: Stored, wanted: Key, present: reads.Present | None = None) -> list[str]:
    """Return one line for each difference between a stored result and the wanted one; none if they agree.

    With `present`, also for what the run read and is another now.
    """
    found = _compare(there.params, wanted.packed, "parameter ")
    found += _code(there.parts, wanted.parts) if there.key != wanted.key else []
    for kind, noun in NOUNS.items():
        found += _compare(there.parts.get(kind, {}), wanted.parts.get(kind, {}), noun)
    if present and "reads" in there.parts:
        found += present.differences(there.parts["reads"])
    elif present and there.key == wanted.key:
        found.append("it was computed before the lab recorded what a run reads")
    if not found and there.key != wanted.key:
        ordered = there.parts.get("form") != wanted.parts["form"] and there.parts.get("code") == wanted.parts["code"]
        found = ["the order of statements" if ordered else "the rules by which keys are made"]
    return found


def moved(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return one line for each function, class or constant that is the same and lies in another file now."""
    return [f"{old} moved to {new.partition(': ')[0]}" for old, new in _moves(before, after).items()]


def _compare(before: dict[str, Any], after: dict[str, Any], noun: str) -> list[str]:
    found = []
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if name not in after:
            found.append(f"{noun}{name} is gone")
        elif name not in before:
            found.append(f"{noun}{name} is new: {_shown(new)}")
        else:
            found.append(f"{noun}{name}: {_shown(old)} → {_shown(new)}")
    return found


def _code(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Name functions and constants that changed; constants with their values, where those are short."""
    old, new = before.get("code", {}), after.get("code", {})
    texts, others = before.get("text", {}), after.get("text", {})
    moves = _moves(before, after)
    found, linked = [], []
    for name in [*old, *(name for name in new if name not in old)]:
        if name in moves or name in moves.values():
            continue
        if name not in new or name not in old:
            found.append(f"{name} is {'gone' if name in old else 'new'}")
        elif _own(old[name]) != _own(new[name]):
            both = name in texts and name in others and texts[name] != others[name]
            found.append(f"{name} changed" + (f": {texts[name]} → {others[name]}" if both else ""))
        elif old[name] != new[name]:
            linked.append(f"{name}: a name in it stands for something else")
    return (found or linked) + moved(before, after)


def _moves(before: dict[str, Any], after: dict[str, Any]) -> dict[str, str]:
    """Return what moved, by its old name and its new one: the same code under the same name in another file."""
    old, new = before.get("code", {}), after.get("code", {})
    there = {(name.partition(": ")[2], *_own(new[name])): name for name in new if name not in old}
    gone = {name: (name.partition(": ")[2], *_own(old[name])) for name in old if name not in new}
    return {name: there[what] for name, what in gone.items() if what in there}


def _own(hashes: str) -> list[str]:
    """Return the hashes of the syntax alone, without what the names in it are called."""
    return hashes.split()[::2]


def _shown(value: Any) -> str:
    return "not set" if value is None else value if isinstance(value, str) else dumps(value)
