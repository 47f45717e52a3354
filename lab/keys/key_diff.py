"""What changed since a result was computed, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.keys.canonical_json import dumps

ORDER = "order of its statements"  # as lab.keys.call_graph names it

if TYPE_CHECKING:
    from lab.keys.key import Key
    from lab.results.store import Stored

NOUNS = {"code": "", "data": "data file ", "versions": "", "environment": "environment variable "}


def changes(there: Stored, wanted: Key) -> list[str]:
    """Return one line for each difference between a stored result's key and the wanted one; none if they agree."""
    found = _compare(there.params, wanted.packed, "parameter ", show=True)
    for kind, noun in NOUNS.items():
        before, after = there.parts.get(kind, {}), wanted.parts.get(kind, {})
        if kind == "data":
            before, after = (_files(side, there.params, wanted.packed) for side in (before, after))
        if kind == "code":
            found += _code(there.parts, wanted.parts)
        else:
            found += _compare(before, after, noun, show=kind != "data")
    if not found and there.key != wanted.key:
        found = ["the rules by which keys are made"]
    return found


def _files(data: dict[str, str], old: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
    """Return contents by file, not by the parameter that names it; one that names another file is told of already."""
    return {str(new.get(name, name)): content for name, content in data.items() if old.get(name) == new.get(name)}


def _compare(before: dict[str, Any], after: dict[str, Any], noun: str, show: bool) -> list[str]:
    found = []
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if name not in after:
            found.append(f"{noun}{name} is gone")
        elif name not in before:
            found.append(f"{noun}{name} is new" + (f": {_shown(new)}" if show else ""))
        else:
            found.append(f"{noun}{name}" + (f": {_shown(old)} → {_shown(new)}" if show else " changed"))
    return found


def _code(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Name functions and constants that changed; constants with their values, where those are short."""
    old, new = before.get("text", {}), after.get("text", {})
    found = _compare(before.get("code", {}), after.get("code", {}), "", show=False)
    values = {f"{name} changed": f"{old[name]} → {new[name]}" for name in old if old[name] != new.get(name, old[name])}
    return [f"{line}: {values[line]}" if line in values else line for line in found if not _follows(line, found)]


def _follows(line: str, others: list[str]) -> bool:
    """Say whether a change of order is no more than the consequence of another in the same file."""
    file, _, what = line.partition(": ")
    return what.startswith(ORDER) and sum(other.startswith(f"{file}: ") for other in others) > 1


def _shown(value: Any) -> str:
    return "not set" if value is None else value if isinstance(value, str) else dumps(value)
