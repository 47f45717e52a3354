"""Settings of one's own that have been computed here: which there are, and how one names them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, NoResult
from lab.keys import key
from lab.keys.canonical_json import pack, unpack
from lab.keys.experiments import names
from lab.keys.params import as_typed
from lab.results import store

SHORT = 8  # characters of a key by which a run is named


@dataclass(frozen=True)
class Run:
    """One setting, computed once."""

    stored: store.Stored
    place: Path
    changes: dict[str, str]  # what differs from the book's setting, as typed
    current: bool  # computed by the code that is there now

    @property
    def ident(self) -> str:
        """What it is called: the beginning of its key."""
        return self.stored.key[:SHORT]

    def __str__(self) -> str:
        return ", ".join(f"{field}={value}" for field, value in self.changes.items()) or "the book's setting"


def all_runs(root: Path, chosen: Sequence[str] = ()) -> list[Run]:
    """Return the runs of all experiments, or of those chosen, the newest of each first."""
    found = []
    for name in chosen or names(root):
        runs = []
        for place in sorted((root / ".lab" / "cache" / name).glob("*")):
            with suppress(NoResult):
                runs.append(_run(store.read_result(place, root), place, root))
        found += sorted(runs, key=lambda run: str(run.stored.provenance.get("date")), reverse=True)
    return found


def find_run(ident: str, root: Path) -> Run:
    """Return the run that the beginning of a key names."""
    there = all_runs(root)
    found = [run for run in there if run.stored.key.startswith(ident)]
    if not found:
        known = ", ".join(run.ident for run in there)
        raise LabError(f"no run or experiment is called {ident!r}; the runs are: {known or 'none'}\ntype: lab show")
    if len({run.stored.key for run in found}) > 1:
        raise LabError(f"{ident!r} begins {' and '.join(run.stored.key[:16] for run in found)}: type more of the one")
    return found[0]


def remove_runs(root: Path, chosen: Sequence[str] = ()) -> int:
    """Remove what is kept of other settings, of all experiments or of those chosen; return how many runs there were."""
    count = len(all_runs(root, chosen))
    for name in chosen or names(root):
        for kept in ("cache", "figures"):
            shutil.rmtree(root / ".lab" / kept / name, ignore_errors=True)
    return count


def _run(stored: store.Stored, place: Path, root: Path) -> Run:
    known = key.fields(stored.experiment, root)
    changes = {
        field: as_typed(unpack(value))
        for field, value in stored.params.items()
        if field not in known or pack(known[field].default) != value
    }
    try:
        current = key.compute(stored.experiment, root, changes).key == stored.key
    except LabError:
        current = False
    return Run(stored, place, changes, current)
