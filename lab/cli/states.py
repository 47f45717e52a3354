"""`lab status` and `lab why`: where each result stands, and what changed since it was computed, by name."""

from __future__ import annotations

from lab.cli.commands import Names
from lab.cli.status import print_status
from lab.keys.experiments import find_root
from lab.run.status import State, every_status

SAYS = {
    State.FRESH: "is fresh: nothing that it depends on has changed since",
    State.STALE: "is stale; since then:",
    State.MISSING: "is missing: it has never been computed here",
    State.DAMAGED: "is damaged, and counts as missing:",
    State.RUNNING: "is being computed at the moment",
    State.FAILED: "has failed; the last attempt, with this very code:",
}


def status(names: Names) -> None:
    """Where each result stands: fresh, stale, missing, damaged, running or failed; what it cost.

    \b
    Examples:  lab status
               lab status tanh_gain
    """
    print_status(names)


def why(names: Names) -> None:
    """What changed since a result was computed: functions, constants, parameters, data, versions, by name.

    Of all that are not fresh if none is named.

    \b
    Examples:  lab why
               lab why tanh_gain
    """
    shown = [found for found in every_status(find_root(), names) if names or not found.is_fresh]
    for found in shown:
        made = f" (computed {found.date[:10]})" if found.date else ""
        print(f"{found.experiment}{made} {SAYS[found.state]}")
        for line in found.why:
            print("  " + line.replace("\n", "\n    "))
        if found.state not in (State.FRESH, State.RUNNING):
            print(f"type: lab run {found.experiment}")
    if not shown:
        print("all are fresh: nothing that they depend on has changed since")
