"""What a Dask worker does for a run elsewhere: keeps its sources, and has tasks computed by processes of its own.

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
from pathlib import Path
from typing import Any

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from lab.workers.messages import (
    Failed,
    HelpOut,
    Keys,
    MakeKeys,
    Message,
    Progress,
    TaskFailed,
    TaskOrder,
    TaskResult,
    to_line,
)
from lab.workers.worker_process import WorkerProcess, ended

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
        """Return what a helper says of a task in the end, TaskResult or TaskFailed, and what it has printed meanwhile."""
        worker, name = get_worker(), get_worker().get_current_task()
        process, heard = self._helper(help_wanted)
        self._at_work[name] = process
        last = time.monotonic()
        try:
            process.send(order)
            while (message := heard.get()) is not None:
                if isinstance(message, Failed):  # it could not begin
                    message = TaskFailed(order.batch, message.error, message.trace)
                if isinstance(message, TaskResult | TaskFailed):
                    return message, self._news(process)
                if isinstance(message, Progress) and time.monotonic() - last > EVERY:
                    last = time.monotonic()
                    worker.log_event(self.name, (name, to_line(message)))
        finally:
            del self._at_work[name]
        return TaskFailed(order.batch, ended(process.end())), self._news(process)

    def _helper(self, help_wanted: HelpOut) -> tuple[WorkerProcess, queue.Queue[Message | None]]:
        """Return this thread's process: the one it had, if that is alive and knows the experiment."""
        if had := getattr(self._mine, "has", None):
            known, process, heard = had
            if known == help_wanted and process.alive:
                return process, heard
            process.terminate()
        process, heard = _started(self.root, help_wanted)
        self._mine.has, self._mine.printed = (help_wanted, process, heard), 0
        self._all.append(process)
        return process, heard

    def _news(self, process: WorkerProcess) -> str:
        """Return what the process has printed since the last time."""
        before, self._mine.printed = self._mine.printed, len(process.said)
        return process.said[before:]


def compute_task(name: str, help_wanted: HelpOut, order: TaskOrder) -> tuple[Message, str]:
    """Compute a task on this worker."""
    answer: tuple[Message, str] = get_worker().plugins[name].compute(help_wanted, order)
    return answer


async def make_keys(name: str, asked: list[tuple[str, dict[str, str]]], dask_worker: Any = None) -> Keys | str:
    """Return the keys that experiments have on this worker, and its version of Python; or why there are none."""
    process, heard = _started(dask_worker.plugins[name].root, MakeKeys(asked))
    found = await asyncio.to_thread(heard.get)
    process.terminate()
    code = await asyncio.to_thread(process.end)
    return found if isinstance(found, Keys) else process.said.strip().rpartition("\n")[2] or ended(code)


def _started(root: Path, first: Message) -> tuple[WorkerProcess, queue.Queue[Message | None]]:
    heard: queue.Queue[Message | None] = queue.Queue()
    return WorkerProcess(root, first, lambda _, message: heard.put(message)), heard
