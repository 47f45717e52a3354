"""Tasks on other machines: a Dask cluster whose workers need the libraries, and get the project from here.

Before anything runs, every worker makes the keys of the experiments from the sources it was sent, its own libraries and its own
environment.  One that makes another key would compute another number: the run stops, and says which worker and what differs.
A worker that dies costs its task, which Dask gives to another; one that comes later makes the keys before it computes.
Where the last one dies, tasks wait for another to come, and whoever looks on is told so.
"""

from __future__ import annotations

import logging
import sys
import uuid
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.dask.source_archive import archive
from lab.errors import LabError
from lab.keys import key
from lab.results.key_diff import changes
from lab.results.store import Stored
from lab.workers.messages import Failed, HelpOut, Message, TaskOrder, from_line

PATIENCE = 5  # seconds until a scheduler that does not answer counts as not there
NEEDED = "pip install 'notes-measured[dask]'"
Tell = Callable[[Message, str], None]


class Cluster:
    """A connection to a Dask scheduler, for one run."""

    threads: int  # tasks that can be computed at a time

    def __init__(self, address: str, say: Callable[[str], None]) -> None:
        """Connect; `say` is told, in a thread, what the reader should know.  Raises LabError: no scheduler, or no worker."""
        try:
            import distributed
        except ImportError:
            raise LabError(f"--executor dask needs Dask Distributed\ntype: {NEEDED}") from None
        for name in ("distributed", "distributed.client", "tornado.application"):
            # How a connection ends, with traces from their threads; what becomes of a run is said here.
            logging.getLogger(name).setLevel(logging.CRITICAL)
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
        self._orders: dict[str, Tell] = {}  # who is to be told, by Dask's name for a task
        self._address, self._say = address, say
        self._waits = False  # tasks do, for a worker
        self.threads = sum(self._client.nthreads().values())
        if not self.threads:
            self.close()
            raise LabError(f"the scheduler at {address} has no workers\ntype on each machine: dask worker {address}")

    def prepare(self, jobs: Sequence[tuple[str, dict[str, str]]], root: Path) -> None:
        """Send the project of experiments, each with changes to its parameters, and compare keys.  Raises LabError."""
        from lab.dask.worker_plugin import ProjectWorkers, make_keys

        wanted = [key.compute(name, root, made) for name, made in jobs]
        sources = archive(wanted, root)
        self._client.subscribe_topic(self._name, self._hear)
        self._client.subscribe_topic("all", self._hear_of_workers)
        try:
            self._client.register_plugin(ProjectWorkers(self._name, sources), name=self._name)
            found = self._client.run(make_keys, self._name, list(jobs), on_error="return")
        except Exception as error:  # whatever a worker without our libraries makes of it
            raise self._refuse("a worker", error) from None
        for worker, answer in sorted(found.items()):
            if not isinstance(answer, dict):  # one that died meanwhile, or lacks the libraries
                raise self._refuse(f"worker {worker}", answer)
            if differences := list(_differences(answer, wanted)):
                shown = "\n".join(f"  {line}" for line in differences[:6])
                raise LabError(
                    f"worker {worker} would compute something else; wanted here → what it has:\n{shown}\n"
                    f"give it the same Python and libraries ({NEEDED}, with the project's constraints.txt), "
                    "start it again, and type the same command"
                )

    def _refuse(self, worker: str, why: Any) -> LabError:
        said = f"{type(why).__name__}: {why}" if isinstance(why, Exception) else why
        return LabError(f"{worker} cannot take part: {said}\ntype there: {NEEDED}, then: dask worker {self._address}")

    def submit(self, help_wanted: HelpOut, order: TaskOrder, tell: Tell) -> Any:
        """Have a task computed; `tell` is called, in a thread, with what is said of it, and what it has printed."""
        from lab.dask.worker_plugin import compute_task

        future = self._client.submit(compute_task, self._name, help_wanted, order, pure=False)
        self._orders[future.key] = tell
        future.add_done_callback(self._done)
        self._look()
        return future

    def forget(self, futures: list[Any]) -> None:
        """Give up tasks that are not done."""
        self._client.cancel([future for future in futures if not future.done()], force=True)
        for future in futures:
            self._orders.pop(future.key, None)

    def close(self) -> None:
        """Leave nothing on the workers."""
        with suppress(Exception):  # it was never there, or nobody is any more
            self._client.unregister_worker_plugin(self._name)
        self._client.close(timeout=PATIENCE)

    def _done(self, future: Any) -> None:
        if not (tell := self._orders.pop(future.key, None)):
            return
        if future.status == "finished":
            tell(*future.result())
        elif future.status == "cancelled":
            tell(Failed("the scheduler lost it: the connection broke, or somebody restarted it"), "")
        else:
            error = future.exception()
            tell(Failed(f"on the cluster: {type(error).__name__}: {error}"), "")

    def _hear(self, event: tuple[float, tuple[str, str]]) -> None:
        _, (name, line) = event
        if tell := self._orders.get(name):
            tell(from_line(line), "")

    async def _hear_of_workers(self, event: tuple[float, dict[str, Any]]) -> None:
        if event[1].get("action") in ("add-worker", "remove-worker"):
            self.threads = sum((await self._client.nthreads()).values())
            self._look()

    def _look(self) -> None:
        """Say that tasks wait for a worker, and that one has come, each once."""
        before, self._waits = self._waits, bool(self._orders) and not self.threads
        if self._waits and not before:
            self._say(f"no worker at {self._address}: waiting for one (dask worker {self._address}); ctrl-C stops")
        elif before and self.threads:
            self._say(f"there is a worker at {self._address} again: going on")


def _differences(answer: dict[str, Any], wanted: Sequence[key.Key]) -> list[str]:
    """Return what a worker has that is not as it is here."""
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
