"""Where each experiment's result stands, and why: what `lab status` prints and `lab run` goes by."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from lab.errors import LabError, Missing, NoResult, OtherFormat
from lab.keys import key
from lab.keys.call_graph import Reach
from lab.keys.canonical_json import dumps, loads
from lab.keys.experiments import names, source
from lab.results import store
from lab.results.key_diff import changes, moved
from lab.results.store import Stored
from lab.results.writing import is_held
from lab.workers.messages import Stage
from press import reads, write_whole


class State(Enum):
    """What a result is."""

    FRESH = "fresh"  # computed by this code, from these parameters, data and versions
    STALE = "stale"  # one of them has changed since
    MISSING = "missing"
    DAMAGED = "damaged"  # it disagrees with its checksum, or cannot be read
    RUNNING = "running"  # somebody computes it at the moment
    FAILED = "failed"  # there is none, and the last attempt with this very code ended in an error


@dataclass(frozen=True)
class Status:
    """Where one experiment's result, with the book's parameters, stands."""

    experiment: str
    state: State
    why: tuple[str, ...] = ()  # what changed, or what is wrong
    seconds: float | None = None  # that the result there took
    date: str = ""  # ISO 8601, of the result there
    stages: tuple[Stage, ...] = ()  # the parts of the run that made it

    @property
    def is_fresh(self) -> bool:
        """Whether it can be read."""
        return self.state is State.FRESH


def status_of(name: str, root: Path, look: Reach | None = None, present: reads.Present | None = None) -> Status:
    """Return where an experiment's result stands.  Raises LabError for an unknown experiment only.

    `look` is one look at the project's code, shared by many experiments, and `present` one at what their runs read.
    """
    source(name, root)
    present = present or reads.Present(root)
    place = root / "results" / name
    try:
        wanted = key.compute(name, root, look=look)
    except LabError as error:
        return Status(name, State.FAILED, (str(error),))
    there: Stored | None = None
    state, why = State.FRESH, list[str]()
    try:
        there = store.read_result(place, root)
        if store.is_fresh(there, wanted, present):
            why = moved(there.parts, wanted.parts)
        else:
            state, why = State.STALE, changes(there, wanted, present)
    except Missing:
        state = State.MISSING
    except OtherFormat as age:
        state, why = State.STALE, [str(age)]
    except NoResult as damage:
        state, why = State.DAMAGED, [str(damage)]
    if is_held(place, root):
        state, why = State.RUNNING, []
    elif state is not State.FRESH and (failure := _failure(name, root, wanted.key)):
        state, why = State.FAILED, [failure]
    made = there.provenance if there else {}
    return Status(name, state, tuple(why), made.get("seconds"), made.get("date", ""), tuple(made.get("stages", ())))


def every_status(root: Path, chosen: Sequence[str] = (), look: Reach | None = None) -> list[Status]:
    """Return where the results of all experiments stand, in alphabetical order, or of those chosen."""
    look, present = look or Reach(root), reads.Present(root)
    return [status_of(name, root, look, present) for name in chosen or names(root)]


def note_failure(name: str, root: Path, error: str) -> None:
    """Remember that computing the book's result failed, until its code, data or versions change or it succeeds."""
    try:
        wanted = key.compute(name, root).key
    except LabError:
        return  # `status_of` will meet the same error
    file = _failures(root) / f"{name}.json"
    note = dumps({"key": wanted, "error": error, "date": datetime.now(UTC).isoformat(timespec="seconds")})
    with suppress(OSError):  # a disk that takes no note: the error itself was printed
        write_whole(file, note)


def forget_failure(name: str, root: Path) -> None:
    """Forget it: the result has been computed."""
    with suppress(OSError):
        (_failures(root) / f"{name}.json").unlink(missing_ok=True)


def _failure(name: str, root: Path, wanted: str) -> str:
    try:
        found = loads((_failures(root) / f"{name}.json").read_bytes())
        return str(found["error"]) if found["key"] == wanted else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _failures(root: Path) -> Path:
    return root / ".lab" / "failed"
