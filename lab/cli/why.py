"""`lab why`: what changed since a result was computed, by name."""

from __future__ import annotations

from pathlib import Path

from lab import status
from lab.status import State

SAYS = {
    State.FRESH: "fresh: nothing that it depends on has changed since",
    State.STALE: "stale; since then:",
    State.MISSING: "missing: it has never been computed here",
    State.DAMAGED: "damaged, and counts as missing:",
    State.RUNNING: "being computed at the moment",
    State.FAILED: "the last attempt, with this very code, failed:",
}


def explain(name: str, root: Path) -> None:
    """Print the state of an experiment's result, every reason on a line of its own, and what to type."""
    found = status.of(name, root)
    made = f" (computed {found.date[:10]})" if found.date else ""
    print(f"{name}{made} is {SAYS[found.state]}" if found.state is not State.FAILED else f"{name}: {SAYS[found.state]}")
    for line in found.why:
        print("  " + line.replace("\n", "\n    "))
    if found.state not in (State.FRESH, State.RUNNING):
        print(f"type: lab run {name}")
