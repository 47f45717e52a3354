"""`lab why`: what changed since a result was computed, by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.run import status
from lab.run.status import State

SAYS = {
    State.FRESH: "fresh: nothing that it depends on has changed since",
    State.STALE: "stale; since then:",
    State.MISSING: "missing: it has never been computed here",
    State.DAMAGED: "damaged, and counts as missing:",
    State.RUNNING: "being computed at the moment",
    State.FAILED: "the last attempt, with this very code, failed:",
}


def explain(chosen: Sequence[str], root: Path) -> None:
    """Print the state of results, those chosen or all that are not fresh, reason by reason, and what to type."""
    there = status.every_status(root, chosen)
    shown = [of for of in there if chosen or not of.is_fresh]
    for found in shown:
        _explain(found)
    if not shown:
        print("all are fresh: nothing that they depend on has changed since")


def _explain(found: status.Status) -> None:
    name = found.experiment
    made = f" (computed {found.date[:10]})" if found.date else ""
    print(f"{name}{made} is {SAYS[found.state]}" if found.state is not State.FAILED else f"{name}: {SAYS[found.state]}")
    for line in found.why:
        print("  " + line.replace("\n", "\n    "))
    if found.state not in (State.FRESH, State.RUNNING):
        print(f"type: lab run {name}")
