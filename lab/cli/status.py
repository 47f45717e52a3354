"""`lab status`, which is asked most often: it imports nothing that it does not need, typer least of all."""

from __future__ import annotations

from collections.abc import Sequence

from lab.cli.show import print_table
from lab.duration import duration
from lab.errors import few
from lab.keys.experiments import find_root
from lab.run.status import every_status


def print_status(names: Sequence[str] = ()) -> None:
    """Print where each result stands, or those named."""
    rows = [
        [s.experiment, s.state.value, duration(s.seconds), few([reason.splitlines()[0] for reason in s.why], 2, "; ")]
        for s in every_status(find_root(), names)
    ]
    print_table(rows, right=(2,), cut=True)
