"""How Jupyter starts kernels for Quarto and for press: talked to through files, and already awake.

A kernel begins as a copy of the process that has the libraries (press.fork_server).  Quarto starts kernels through jupyter_client,
which takes `Provisioner` for it where JUPYTER_DEFAULT_PROVISIONER_NAME (in _environment) says "press".
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.provisioning import LocalProvisioner

from press.fork_server import LONGEST, address, home

PATIENCE = 60  # seconds for libraries to be imported
_LONGEST_SOCKET = 96  # bytes of a socket's path, less its ending: systems take 104 or 108


class _Forked(psutil.Process):  # type: ignore[misc]
    """What Jupyter wants of a process, for a kernel that is another process's child."""

    stdin = stdout = stderr = None

    def __init__(self, place: str, asked: Any, streams: Sequence[int]) -> None:
        """Have it made.  Raises OSError or ValueError where nobody does that."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(place)
            socket.send_fds(connection, [json.dumps(asked).encode()], streams)
            super().__init__(int(connection.recv(LONGEST)))

    def poll(self) -> int | None:
        return None if self.is_running() else -signal.SIGKILL

    def send_signal(self, number: int) -> None:
        with suppress(psutil.NoSuchProcess):
            super().send_signal(number)


class Provisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts kernels on this machine, as Jupyter's own does, but for what is said above."""

    _folder: str | None = None

    async def pre_launch(self, **options: Any) -> dict[str, Any]:
        """Let the kernel be talked to through files: a port found free may be taken, and any user may listen at it."""
        manager = self.parent
        if manager and manager.transport == "tcp":
            self._folder = tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=home())
            kernel = f"{self._folder}/kernel"
            manager.connection_file = f"{kernel}.json"
            if len(os.fsencode(kernel)) < _LONGEST_SOCKET:
                manager.transport, manager.ip = "ipc", kernel
        prepared: dict[str, Any] = await super().pre_launch(**options)
        return prepared

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        """Have a kernel of this Python copied, by this program's process or that of Quarto, which began it; else start it."""
        if "ipykernel_launcher" in cmd and cmd[0] == sys.executable:
            arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
            folder, environment = options.get("cwd") or os.getcwd(), options.get("env") or dict(os.environ)
            streams = options.get("stdout") or 1, options.get("stderr") or 2
            for program in (os.getpid(), os.getppid()):
                with suppress(OSError, ValueError, psutil.Error):
                    self.process = _Forked(address(program), [arguments, folder, environment], streams)
                    self.pid = self.pgid = self.process.pid
                    self.cwd = options.get("cwd", Path.cwd())
                    return self.connection_info
        return await super().launch_kernel(cmd, **options)

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the files with the kernel."""
        await super().cleanup(restart)
        if self._folder and not restart:
            shutil.rmtree(self._folder, ignore_errors=True)
