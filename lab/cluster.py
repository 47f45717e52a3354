"""Pieces on other machines: a Dask cluster whose workers need the libraries, and get the sources from here.

Before anything runs, every worker makes the keys of the experiments from the sources it was sent, its own libraries and its own
environment.  One that makes another key would compute another number: the run stops, and says which worker and what differs.
A worker that dies costs its piece, which Dask gives to another; one that comes later makes the keys before it computes.
"""

from __future__ import annotations

import sys
import uuid
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab import key, shipment
from lab.errors import LabError
from lab.process import Event
from lab.store import Stored
from lab.why import changes

PATIENCE = 5  # seconds until a scheduler that does not answer counts as not there
NEEDED = "pip install 'notes-measured[dask]'"


class Cluster:
    """A connection to a Dask scheduler, for one run."""

    def __init__(self, address: str) -> None:
        """Connect.  Raises LabError where there is no scheduler, or no worker."""
        try:
            import distributed
        except ImportError:
            raise LabError(f"--executor dask needs Dask Distributed\ntype: {NEEDED}") from None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of versions: what matters of those is compared below
                self._client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise LabError(
                f"no Dask scheduler answers at {address} ({str(error) or type(error).__name__})\n"
                f"type there: dask scheduler, and on each machine: dask worker {address}"
            ) from None
        self._name = f"lab-{uuid.uuid4().hex[:12]}"
        self._told: dict[str, Callable[[Event], None]] = {}  # by Dask's name for a piece
        if not self.workers:
            self.close()
            raise LabError(f"the scheduler at {address} has no workers\ntype on each machine: dask worker {address}")

    @property
    def workers(self) -> list[str]:
        """The workers' addresses."""
        return sorted(self._client.nthreads())

    @property
    def threads(self) -> int:
        """Pieces that can be computed at a time."""
        return sum(self._client.nthreads().values())

    def prepare(self, jobs: Sequence[tuple[str, dict[str, str]]], root: Path) -> None:
        """Send the sources of experiments, each with changes to its parameters, and compare keys.  Raises LabError."""
        from lab.outpost import Outpost, keys

        wanted = [key.compute(name, root, made) for name, made in jobs]
        asked = [{"experiment": name, "changes": made} for name, made in jobs]
        self._client.subscribe_topic(self._name, self._hear)
        try:
            self._client.register_plugin(Outpost(self._name, shipment.pack(wanted, root)), name=self._name)
            found = self._client.run(keys, self._name, asked, on_error="return")
        except Exception as error:  # whatever a worker without our libraries makes of it
            raise LabError(f"a worker cannot take part: {error}\ntype there: {NEEDED}, then: dask worker ...") from None
        for worker, answer in sorted(found.items()):
            if differences := list(_differences(answer, wanted)):
                shown = "\n".join(f"  {line}" for line in differences[:6])
                raise LabError(
                    f"worker {worker} would compute something else; wanted here → what it has:\n{shown}\n"
                    f"give it the same Python and libraries ({NEEDED}, with the project's constraints.txt), "
                    "start it again, and type the same command"
                )

    def send(self, helps: dict[str, Any], order: dict[str, Any], tell: Callable[[Event], None]) -> Any:
        """Have a piece computed; `tell` is called, in a thread, with what is said of it."""
        from lab.outpost import compute

        future = self._client.submit(compute, self._name, helps, order, pure=False)
        self._told[future.key] = tell
        future.add_done_callback(self._done)
        return future

    def forget(self, sent: list[Any]) -> None:
        """Give up pieces that are not done."""
        self._client.cancel([future for future in sent if not future.done()], force=True)
        for future in sent:
            self._told.pop(future.key, None)

    def close(self) -> None:
        """Leave nothing on the workers."""
        with suppress(Exception):  # it was never there, or nobody is any more
            self._client.unregister_worker_plugin(self._name)
        self._client.close(timeout=PATIENCE)

    def _done(self, future: Any) -> None:
        tell = self._told.pop(future.key, None)
        if tell is None:
            return
        if future.status == "finished":
            tell(future.result())
        elif future.status == "cancelled":
            tell({"event": "failed", "error": "the scheduler lost it: the connection broke, or somebody restarted it"})
        else:
            error = future.exception()
            tell({"event": "failed", "error": f"on the cluster: {type(error).__name__}: {error}"})

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        _, said = event
        if tell := self._told.get(said.pop("name")):
            tell(said)


def _differences(answer: Any, wanted: Sequence[key.Key]) -> list[str]:
    """Return what a worker has that is not as it is here."""
    if not isinstance(answer, dict) or "error" in answer:
        return [answer["error"] if isinstance(answer, dict) else f"{type(answer).__name__}: {answer}"]
    here, there = (".".join(version.split(".")[:2]) for version in (sys.version.split()[0], answer["python"]))
    if here != there:
        return [f"Python: {here} → {there}"]
    found: dict[str, None] = {}
    for mine, its in zip(wanted, answer["keys"], strict=True):
        if "error" in its:
            found[f"{mine.experiment}: {its['error']}"] = None
        elif its["key"] != mine.key:
            ours = Stored(mine.experiment, mine.key, mine.packed, {}, {}, mine.parts, {})
            other = key.Key(mine.experiment, its["key"], its["params"], mine.book, its["parts"])
            found |= dict.fromkeys(changes(ours, other))
    return list(found)
