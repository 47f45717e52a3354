"""What a Dask worker does for a run elsewhere: keeps its sources, and has tasks computed by processes of its own.

Not by the Dask worker itself: a process of ours has one thread, reads the sources that were sent and not what the worker imported
last week, and can be ended.  It needs nothing on the worker's machine but the libraries.
"""

from __future__ import annotations

import asyncio
import io
import json
import queue
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from lab.errors import LabError
from lab.keys import key
from lab.workers.messages import Failed, HelpOut, Message, Progress, TaskOrder, TaskResult, to_line
from lab.workers.worker_process import WorkerProcess, ended, environment

EVERY = 1.0  # seconds between two reports of progress from one task


class ProjectWorkers(WorkerPlugin):  # type: ignore[misc]
    """One run's sources on a Dask worker, and the processes that compute for it: one a thread of the worker."""

    def __init__(self, name: str, sources: bytes) -> None:
        self.name, self.sources = name, sources

    def setup(self, worker: Any) -> None:
        """Unpack the sources in the worker's own folder, which goes when it ends."""
        self.root = Path(worker.local_directory) / self.name
        with zipfile.ZipFile(io.BytesIO(self.sources)) as packed:
            packed.extractall(self.root)
        self._mine = threading.local()
        self._at_work: dict[str, WorkerProcess] = {}  # by Dask's name for the task
        self._all: list[WorkerProcess] = []

    def teardown(self, worker: Any) -> None:
        """End its processes."""
        for process in self._all:
            process.terminate()
            process.end()

    def transition(self, key: str, start: str, finish: str, **_: Any) -> None:
        """End the process of a task that nobody wants any more."""
        if finish in ("cancelled", "released", "forgotten") and (process := self._at_work.get(key)):
            process.terminate()

    def compute(self, help_wanted: HelpOut, order: TaskOrder) -> tuple[Message, str]:
        """Return what a helper says of a task in the end, TaskResult or Failed, and what it has printed meanwhile."""
        worker, name = get_worker(), get_worker().get_current_task()
        process, heard = self._helper(help_wanted)
        self._at_work[name] = process
        last = time.monotonic()
        try:
            process.send(order)
            while (message := heard.get()) is not None:
                if isinstance(message, TaskResult | Failed):
                    return message, process.said()
                if isinstance(message, Progress) and time.monotonic() - last > EVERY:
                    last = time.monotonic()
                    worker.log_event(self.name, (name, to_line(message)))
        finally:
            del self._at_work[name]
        return Failed(ended(process.end())), process.said()

    def _helper(self, help_wanted: HelpOut) -> tuple[WorkerProcess, queue.Queue[Message | None]]:
        """Return this thread's process: the one it had, if that is alive and knows the experiment."""
        if had := getattr(self._mine, "has", None):
            known, process, heard = had
            if known == help_wanted and process.alive:
                return process, heard
            process.terminate()
        heard = queue.Queue()
        process = WorkerProcess(self.root, help_wanted, heard.put)
        self._mine.has = help_wanted, process, heard
        self._all.append(process)
        return process, heard


def compute_task(name: str, help_wanted: HelpOut, order: TaskOrder) -> tuple[Message, str]:
    """Compute a task on this worker."""
    answer: tuple[Message, str] = get_worker().plugins[name].compute(help_wanted, order)
    return answer


async def make_keys(
    name: str, asked: list[tuple[str, dict[str, str]]], dask_worker: Any = None
) -> dict[str, Any] | str:
    """Return the version of Python on this worker, and the keys that experiments have; or why there are none."""
    root = dask_worker.plugins[name].root
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", "from lab.dask import worker_plugin; worker_plugin.print_keys()", json.dumps(asked)],
        cwd=root,
        env=environment(root),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return done.stderr.strip().rpartition("\n")[2] or ended(done.returncode)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def print_keys() -> None:
    """Print what `make_keys` returns."""
    keys: list[dict[str, Any]] = []
    for experiment, changes in json.loads(sys.argv[1]):
        try:
            found = key.compute(experiment, Path.cwd(), changes)
            keys.append({"key": found.key, "params": found.packed, "parts": found.parts})
        except LabError as error:
            keys.append({"error": str(error)})
    print(json.dumps({"python": sys.version.split()[0], "keys": keys}))
