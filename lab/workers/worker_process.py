"""A worker as whoever started it sees it: takes messages, tells of what happens, and dies with the one who started it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lab.workers.messages import Message, from_line, to_line

# All that a worker's environment has, so that libraries, many of which look there in C, find the same everywhere: what the system and
# the lab need to work at all, and what is fixed.  What an experiment itself asks for is recorded (press.execute.recorder).
KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "XDG_CACHE_HOME", "VIRTUAL_ENV"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "PYTHONDONTWRITEBYTECODE"),
)
FIXED = {
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "PYTHONUNBUFFERED": "1",  # what it prints is there when it is killed
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "TORCHINDUCTOR_DETERMINISTIC": "1",  # for PyTorch's compiler, if an experiment asks for it
}
FIXED |= dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


class WorkerProcess:
    """`python -m lab.workers.worker` in a project's folder, and the threads that hear what it tells."""

    def __init__(self, root: Path, first: Message, hear: Callable[[Message | None], None]) -> None:
        """Start it with its `first` message; `hear` is called in a thread with all that it says, and with None at the end."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lab.workers.worker"],
            cwd=root,
            env=environment(root),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # ctrl-C reaches us, and we end it
        )
        self._said: deque[str] = deque()
        self._write(
            json.dumps(dict(os.environ)) + "\n"
        )  # its own has little, and code that asks for more is told from here
        self.send(first)
        self._threads = [
            threading.Thread(target=self._hear_errors, daemon=True),
            threading.Thread(target=self._hear_messages, args=(hear,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def send(self, message: Message) -> None:
        """Tell it something."""
        self._write(to_line(message))

    def end(self) -> int:
        """Wait for its end and return its exit code."""
        for thread in self._threads:
            thread.join()
        with suppress(BrokenPipeError), self._process:  # a message that it never read
            pass
        return self._process.wait()

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def said(self) -> str:
        """Return what it has printed since this was last asked: warnings, for example."""
        return "".join(self._said.popleft() for _ in range(len(self._said)))

    def _write(self, line: str) -> None:
        assert self._process.stdin
        with suppress(BrokenPipeError):  # it is dead already, which its exit code will say
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _hear_errors(self) -> None:
        assert self._process.stderr
        self._said.extend(self._process.stderr)

    def _hear_messages(self, hear: Callable[[Message | None], None]) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with suppress(ValueError):  # a line cut short by a kill
                hear(from_line(line))
        hear(None)


def ended(code: int) -> str:
    """Say how a process ended that should not have."""
    return f"its process ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}"


def environment(root: Path) -> dict[str, str]:
    """Return all the variables that a worker in a project is started with."""
    here = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([str(root), here, *filter(None, [os.environ.get("PYTHONPATH")])])
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("LAB_")}
    return kept | FIXED | {"PYTHONPATH": path}
