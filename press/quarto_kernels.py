"""Kernels for Quarto, which starts one for each chapter and format: through files rather than ports, and already awake.

A kernel spends two seconds on imports before it runs a line.  The pre-render script starts a process that imports installed
libraries once, never a module of the project; each kernel then begins as a copy of it.  Quarto starts kernels through
jupyter_client, which takes `Provisioner` for it where JUPYTER_DEFAULT_PROVISIONER_NAME (in _environment) says "press".
Where no such process answers, the kernel starts as any does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import partialmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from press.kernel_folders import KernelFolder

if TYPE_CHECKING or "jupyter_client" in sys.modules:
    from jupyter_client.provisioning import LocalProvisioner
else:
    LocalProvisioner = object

LONGEST = 1 << 20  # bytes of a message
INLINE = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # figures are for the page


def wake_kernels(libraries: Iterable[str]) -> None:
    """Start the process that kernels are copies of, for the program that has started this one; it ends with that.

    Nothing is started where Jupyter would not ask it.
    """
    if os.environ.get("JUPYTER_DEFAULT_PROVISIONER_NAME") == "press" and hasattr(os, "fork"):
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(os.getppid()), *libraries],
            env=os.environ | INLINE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def _address(pid: int) -> str:
    """Return where the process for the program `pid` listens: in a folder that nobody else can look into."""
    folder = Path(tempfile.gettempdir(), f"press-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a folder of this user's alone")
    return str(folder / f"{pid}.sock")


def serve(pid: int, libraries: Iterable[str]) -> None:
    """Answer whoever wants a kernel, while the program `pid` runs."""
    address = _address(pid)
    with suppress(FileNotFoundError):
        os.unlink(address)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(8)  # who asks before the libraries are there waits
    for name in libraries:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # what is here stays: no kernel need look through it, and have it copied by doing so
    kernels: dict[int, socket.socket] = {}
    while _runs(pid):
        if select.select([listener], [], [], 0.1)[0]:
            asking = listener.accept()[0]
            message, files, *_ = socket.recv_fds(asking, LONGEST, 2)
            kernel = os.fork()
            if kernel == 0:
                for held in (listener, asking, *kernels.values()):
                    held.close()
                _be_kernel(json.loads(message), files)
                return
            for file in files:
                os.close(file)
            asking.send(json.dumps(kernel).encode())
            kernels[kernel] = asking
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                with suppress(OSError):  # whoever asked is gone
                    kernels[ended[0]].send(json.dumps(os.waitstatus_to_exitcode(ended[1])).encode())
                kernels.pop(ended[0]).close()
    for kernel in kernels:
        with suppress(ProcessLookupError):
            os.killpg(kernel, signal.SIGKILL)
    os.unlink(address)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _be_kernel(asked: list[Any], files: list[int]) -> None:
    """Be the kernel asked for, as if it had been started with these arguments in this folder and environment."""
    arguments, folder, environment = asked
    parent = os.getppid()
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream, here in zip((1, 2), files, strict=True):
        os.dup2(here, stream)
        os.close(here)
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()  # as Python's own random does: no two kernels draw the same numbers
    from ipykernel.kernelapp import launch_new_instance

    sys.argv[0] = "ipykernel_launcher.py"
    sys.path[0] = ""
    launch_new_instance([*arguments, f"--IPKernelApp.parent_handle={parent}"])


class _Forked:
    """What Jupyter wants of a process, for a kernel that is another process's child."""

    stdin = stdout = stderr = None

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._code: int | None = None
        self.pid: int = json.loads(connection.recv(LONGEST))
        connection.setblocking(False)

    def poll(self) -> int | None:
        if self._code is None:
            with suppress(BlockingIOError):
                said = self._connection.recv(LONGEST)
                self._code = json.loads(said) if said else -signal.SIGKILL
        return self._code

    wait = poll  # once it has ended

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    kill = partialmethod(send_signal, signal.SIGKILL)
    terminate = partialmethod(send_signal, signal.SIGTERM)


class Provisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts kernels on this machine, as Jupyter's own does, but for what is said above."""

    _folder: KernelFolder | None = None

    async def pre_launch(self, **options: Any) -> dict[str, Any]:
        """Let the kernel be talked to through files: any user of this machine may listen at a port."""
        manager = self.parent
        if manager and os.name == "posix" and manager.transport == "tcp":
            self._folder = KernelFolder()
            manager.transport, manager.ip = "ipc", str(self._folder.path / "kernel")
        prepared: dict[str, Any] = await super().pre_launch(**options)
        return prepared

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        """Have a kernel of this Python copied; start it where nobody does that."""
        if "ipykernel_launcher" in cmd and cmd[0] == sys.executable:
            arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
            asked = json.dumps(
                [arguments, options.get("cwd") or os.getcwd(), options.get("env") or dict(os.environ)]
            ).encode()
            with suppress(OSError, ValueError):
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(_address(os.getppid()))
                socket.send_fds(connection, [asked], (1, 2))
                self.process = _Forked(connection)
                self.pid = self.pgid = self.process.pid
                self.cwd = options.get("cwd", Path.cwd())
                return self.connection_info
        return await super().launch_kernel(cmd, **options)

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the files with the kernel."""
        await super().cleanup(restart)
        if self._folder and not restart:
            self._folder.remove()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2:])
