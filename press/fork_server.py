"""A process that has imported installed libraries, never a module of the project, and that kernels begin as copies of.

A kernel spends a second or two on imports before it runs a line; here they are made once.  Under Quarto the process is started by
the pre-render script and ends with Quarto; press starts one for a render of several chapters.  Where none answers, a kernel
starts as any does (press.quarto_kernels).
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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from press.kernel_folders import KernelFolder

LONGEST = 1 << 20  # bytes of a message
OFTEN = 0.02  # seconds between two looks at who has ended
DEFAULTS = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # figures are for the page


def wake_kernels(libraries: Iterable[str]) -> None:
    """Start the process for the program that has started this one, and that it ends with.

    Nothing is started where Jupyter would not ask it.
    """
    if os.environ.get("JUPYTER_DEFAULT_PROVISIONER_NAME") == "press" and hasattr(os, "fork"):
        _start(os.getppid(), address(os.getppid()), libraries, os.environ | DEFAULTS)


@contextmanager
def awake(libraries: Iterable[str], environment: Mapping[str, str]) -> Iterator[str]:
    """Give the address of such a process, which ends with the block; "" where there can be none."""
    if not hasattr(os, "fork"):
        yield ""
        return
    folder = KernelFolder()
    try:
        place = str(folder.path / "fork.sock")
        with _start(os.getpid(), place, libraries, environment) as process:
            try:
                yield place
            finally:
                process.kill()
    finally:
        folder.remove()


def address(pid: int) -> str:
    """Return where the process for the program `pid` listens: in a folder that nobody else can look into."""
    folder = Path(tempfile.gettempdir(), f"press-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a folder of this user's alone")
    return str(folder / f"{pid}.sock")


def _start(pid: int, place: str, libraries: Iterable[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the process; who asks before it has its libraries waits."""
    with suppress(FileNotFoundError):
        os.unlink(place)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen(8)
        return subprocess.Popen(
            [sys.executable, "-m", __name__, str(pid), place, str(listener.fileno()), *libraries],
            env=environment,
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def serve(pid: int, place: str, listener: socket.socket, libraries: Iterable[str]) -> None:
    """Answer whoever wants a kernel, while the program `pid` runs."""
    for name in libraries:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # what is here stays: no kernel need look through it, and have it copied by doing so
    kernels: dict[int, socket.socket] = {}
    while _runs(pid):
        if select.select([listener], [], [], OFTEN)[0]:
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
    os.unlink(place)


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


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], socket.socket(fileno=int(sys.argv[3])), sys.argv[4:])
