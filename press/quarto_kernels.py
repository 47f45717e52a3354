"""How Jupyter starts kernels for Quarto and for press: talked to through files, and already awake.

A kernel begins as a copy of the process that has the libraries (press.fork_server).  Quarto starts kernels through jupyter_client,
which takes `Provisioner` for it where JUPYTER_DEFAULT_PROVISIONER_NAME (in _environment) says "press".
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partialmethod
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import LocalProvisioner

from press.fork_server import LONGEST, address
from press.kernel_folders import KernelFolder

PATIENCE = 60  # seconds for libraries to be imported
_LONGEST_SOCKET = 96  # bytes of a socket's path, less its ending: systems take 104 or 108


class _Forked:
    """What Jupyter wants of a process, for a kernel that is another process's child."""

    stdin = stdout = stderr = None

    def __init__(self, place: str, asked: Any, streams: Sequence[int]) -> None:
        """Have it made.  Raises OSError or ValueError where nobody does that."""
        self._code: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        try:
            self._connection.settimeout(PATIENCE)
            self._connection.connect(place)
            socket.send_fds(self._connection, [json.dumps(asked).encode()], streams)
            self.pid: int = json.loads(self._connection.recv(LONGEST))
            self._connection.setblocking(False)
        except BaseException:
            self._connection.close()
            raise

    def poll(self) -> int | None:
        if self._code is None:
            with suppress(BlockingIOError):
                said = self._connection.recv(LONGEST)
                self._code = json.loads(said) if said else -signal.SIGKILL
                self._connection.close()
        return self._code

    wait = poll  # once it has ended

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    kill = partialmethod(send_signal, signal.SIGKILL)
    terminate = partialmethod(send_signal, signal.SIGTERM)


class Provisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts kernels on this machine, as Jupyter's own does, but for what is said above."""

    asks: str | None = None  # where the process with the libraries listens, "" for none; None: where Quarto's does
    _folder: KernelFolder | None = None

    async def pre_launch(self, **options: Any) -> dict[str, Any]:
        """Let the kernel be talked to through files: a port found free may be taken, and any user may listen at it."""
        manager = self.parent
        if manager and manager.transport == "tcp":
            self._folder = KernelFolder()
            kernel = self._folder.path / "kernel"
            manager.connection_file = f"{kernel}.json"
            if os.name == "posix" and len(os.fsencode(kernel)) < _LONGEST_SOCKET:
                manager.transport, manager.ip = "ipc", str(kernel)
        prepared: dict[str, Any] = await super().pre_launch(**options)
        return prepared

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        """Have a kernel of this Python copied; start it where nobody does that."""
        if self.asks != "" and "ipykernel_launcher" in cmd and cmd[0] == sys.executable:
            arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
            folder, environment = options.get("cwd") or os.getcwd(), options.get("env") or dict(os.environ)
            streams = options.get("stdout") or 1, options.get("stderr") or 2
            with suppress(OSError, ValueError):
                place = self.asks or address(os.getppid())
                self.process = _Forked(place, [arguments, folder, environment], streams)
                self.pid = self.pgid = self.process.pid
                self.cwd = options.get("cwd", Path.cwd())
                return self.connection_info
        return await super().launch_kernel(cmd, **options)

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the files with the kernel."""
        await super().cleanup(restart)
        if self._folder and not restart:
            self._folder.remove()
