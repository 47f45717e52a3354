"""Kernels by fork: one process imports the libraries that chapters share, and each kernel begins as a copy of it.

A kernel spends a second of processor time on imports before it runs a line, and so does every other chapter's.  Imported
before the fork are installed libraries only, never a module of the project: in the project's code a kernel is as fresh as
one started alone.  Where a library would not be the same for being imported early (it prints, warns, fails, starts threads
or brings modules of the project with it), or where there is no dependable fork, kernels are started one by one.

The process that forks, the nursery (press/execute/fork_server.py), ends with all its kernels when its socket closes: when the render
ends, however it ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import partialmethod
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner

from press.execute.fork_server import LONGEST

AVAILABLE = sys.platform == "linux"  # elsewhere the system's own libraries may not survive a fork, as macOS's do not
_PROGRAM = "import sys; del sys.path[0]; from press.execute.fork_server import serve; serve()"  # without the folder, as ipykernel


class Nursery:
    """The process that forks, seen from the render.  It is there once it is told what to import; close it at the end."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._root, self._environment = root, environment
        self.taught = False  # whether a kernel has been asked what to import
        self._process: subprocess.Popen[bytes] | None = None
        self._imported: asyncio.Future[bool] | None = None

    def imports(self, libraries: Mapping[str, str]) -> None:
        """Begin to import libraries, given by name with the file of each."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        silent = subprocess.DEVNULL
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM],
                stdin=theirs.fileno(),
                stdout=silent,
                stderr=silent,
                cwd=self._root,
                env=self._environment,
                start_new_session=True,  # ctrl-C is for the render, which ends the nursery
            )
        self._imported = asyncio.ensure_future(asyncio.to_thread(self._try, libraries))

    def _try(self, libraries: Mapping[str, str]) -> bool:
        try:
            return bool(self.ask("import", libraries))
        except OSError:
            return False

    async def ready(self) -> bool:
        """Say whether it can fork kernels, once the libraries are there; at once if it was never told any."""
        return self._imported is not None and await asyncio.shield(self._imported)

    def ask(self, *request: Any, files: tuple[int, ...] = ()) -> Any:
        """Return the answer to a request; raise OSError where nobody answers."""
        socket.send_fds(self._control, [json.dumps(request).encode()], files)
        if answer := self._control.recv(LONGEST):
            return json.loads(answer)
        raise BrokenPipeError("the nursery is gone")

    def provisioner(self, manager: Any) -> LocalProvisioner:
        """Return what gives a kernel manager its kernel."""
        return _Provisioner(self, kernel_spec=manager.kernel_spec, parent=manager)

    def close(self) -> None:
        """End the nursery and the kernels that it has forked."""
        if self._process is not None:
            if self._imported and not self._imported.done():
                self._process.kill()
            self._control.shutdown(socket.SHUT_RDWR)  # which also wakes a thread that waits for an answer
            self._process.wait()
            self._control.close()


class _Forked:
    """What Jupyter wants of a process, for a kernel that is the nursery's child."""

    stdin = stdout = stderr = None

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid, self._nursery = pid, nursery
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            try:
                self._code = self._nursery.ask("poll", self.pid)
            except OSError:
                self._code = -signal.SIGKILL  # the nursery takes its kernels with it
        return self._code

    wait = poll  # once it has ended

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    kill = partialmethod(send_signal, signal.SIGKILL)
    terminate = partialmethod(send_signal, signal.SIGTERM)


class _Provisioner(LocalProvisioner):  # type: ignore[misc]
    def __init__(self, nursery: Nursery, **settings: Any) -> None:
        super().__init__(**settings)
        self._nursery = nursery

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        """Fork a kernel; start one alone where that fails."""
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        stderr = options["stderr"].fileno()
        try:
            pid = self._nursery.ask("fork", arguments, options["cwd"], options["env"], files=(stderr,))
        except OSError:
            return await super().launch_kernel(cmd, **options)
        self.process = _Forked(self._nursery, pid)
        self.pid = self.pgid = pid
        return self.connection_info
