"""What a Dask worker does for a run elsewhere: keeps its sources, and has pieces computed by processes of its own.

Not by the Dask worker itself: a process of ours has one thread, reads the sources that were sent and not what the worker imported
last week, and can be ended.  It needs nothing on the worker's machine but the libraries.
"""

from __future__ import annotations

import asyncio
import io
import queue
import threading
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from lab.workers.worker_process import Event, Process, ended

EVERY = 1.0  # seconds between two reports of progress from one piece


class Outpost(WorkerPlugin):  # type: ignore[misc]
    """One run's sources on a worker, and the processes that compute for it: one a thread of the worker."""

    def __init__(self, name: str, sources: bytes) -> None:
        self.name, self.sources = name, sources

    def setup(self, worker: Any) -> None:
        """Unpack the sources in the worker's own folder, which goes when it ends."""
        self.root = Path(worker.local_directory) / self.name
        with zipfile.ZipFile(io.BytesIO(self.sources)) as packed:
            packed.extractall(self.root)
        self._mine = threading.local()
        self._at_work: dict[str, Process] = {}  # by Dask's name for the piece
        self._all: list[Process] = []

    def teardown(self, worker: Any) -> None:
        """End its processes."""
        for process in self._all:
            process.terminate()
            process.end()

    def transition(self, key: str, start: str, finish: str, **_: Any) -> None:
        """End the process of a piece that nobody wants any more."""
        if finish in ("cancelled", "released", "forgotten") and (process := self._at_work.get(key)):
            process.terminate()

    def compute(self, helps: dict[str, Any], order: dict[str, Any]) -> Event:
        """Return what a helper says of a piece in the end: computed or failed."""
        worker, name = get_worker(), get_worker().get_current_task()
        process, events = self._helper(helps)
        self._at_work[name] = process
        last = time.monotonic()
        try:
            process.order(**order)
            while (event := events.get()) is not None:
                if event["event"] in ("computed", "failed"):
                    return event | {"said": self._news(process)}
                if event["event"] == "progress" and time.monotonic() - last > EVERY:
                    last = time.monotonic()
                    worker.log_event(self.name, {"name": name, **event})
        finally:
            del self._at_work[name]
        return {"event": "failed", "error": ended(process.end()), "said": self._news(process)}

    def _helper(self, helps: dict[str, Any]) -> tuple[Process, queue.Queue[Event | None]]:
        """Return this thread's process: the one it had, if that is alive and knows the experiment."""
        if had := getattr(self._mine, "has", None):
            known, process, events = had
            if known == helps and process.alive:
                return process, events
            process.terminate()
        fresh: queue.Queue[Event | None] = queue.Queue()
        process = Process(self.root, helps | {"root": str(self.root)}, lambda _, event: fresh.put(event))
        self._mine.has, self._mine.heard = (helps, process, fresh), 0
        self._all.append(process)
        return process, fresh

    def _news(self, process: Process) -> str:
        """Return what the process has printed since the last time."""
        before, self._mine.heard = self._mine.heard, len(process.said)
        return process.said[before:]


def compute(name: str, helps: dict[str, Any], order: dict[str, Any]) -> Event:
    """Compute a piece on this worker."""
    event: Event = get_worker().plugins[name].compute(helps, order)
    return event


async def keys(name: str, asked: list[dict[str, Any]], dask_worker: Any = None) -> Event:
    """Return the keys that experiments have on this worker, and its version of Python."""
    events: queue.Queue[Event | None] = queue.Queue()
    root = dask_worker.plugins[name].root
    process = Process(root, {"ask": asked, "root": str(root)}, lambda _, event: events.put(event))
    found = await asyncio.to_thread(events.get)
    process.terminate()
    code = await asyncio.to_thread(process.end)
    with suppress(TypeError):
        if found and found["event"] == "keys":
            return found
    return {"error": process.said.strip().rpartition("\n")[2] or ended(code)}
