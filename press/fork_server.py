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
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

LONGEST = 1 << 20  # bytes of a message
OFTEN = 0.1  # seconds between two looks at whether the program still runs
DEFAULTS = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # figures are for the page


def wake_kernels(libraries: Iterable[str]) -> None:
    """Start the process for the program that has started this one, and that it ends with.

    Nothing is started where Jupyter would not ask it.
    """
    if os.environ.get("JUPYTER_DEFAULT_PROVISIONER_NAME") == "press":
        _start(os.getppid(), libraries, os.environ | DEFAULTS)


@contextmanager
def started(pid: int, libraries: Iterable[str], environment: Mapping[str, str]) -> Iterator[None]:
    """Have such a process for the program `pid`, which ends with the block."""
    with _start(pid, libraries, environment) as process:
        try:
            yield
        finally:
            process.kill()
            os.unlink(address(pid))


def home() -> Path:
    """Return the temporary folder for all that kernels are reached through, which nobody else can look into.

    What is in it is named by the process that it ends with: <pid>.sock, where a process listens, and <pid>-..., a kernel's files.
    """
    folder = Path(tempfile.gettempdir(), f"press-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not a folder of this user's alone")
    return folder


def address(pid: int) -> str:
    """Return where the process for the program `pid` listens."""
    return str(home() / f"{pid}.sock")


def sweep() -> None:
    """Delete what killed renders have left."""
    import psutil

    for place in home().iterdir():
        if not psutil.pid_exists(int(re.split("[-.]", place.name)[0])):
            shutil.rmtree(place, ignore_errors=True)
            place.unlink(missing_ok=True)


def _start(pid: int, libraries: Iterable[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the process; who asks before it has its libraries waits."""
    with suppress(FileNotFoundError):
        os.unlink(address(pid))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address(pid))
        listener.listen(8)
        return subprocess.Popen(
            [sys.executable, "-m", __name__, str(pid), str(listener.fileno()), *libraries],
            env=environment,
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def serve(pid: int, listener: socket.socket, libraries: Iterable[str]) -> None:
    """Fork a kernel for whoever asks, while the program `pid` runs; kernels see that their parent is gone, and end."""
    import psutil

    for name in libraries:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # what is here stays: no kernel need look through it, and have it copied by doing so
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: who has ended is gone
    while psutil.pid_exists(pid):
        if not select.select([listener], [], [], OFTEN)[0]:
            continue
        with listener.accept()[0] as asking, suppress(OSError):  # whoever asked may be gone
            message, files, *_ = socket.recv_fds(asking, LONGEST, 2)
            if (kernel := os.fork()) == 0:
                break
            asking.send(str(kernel).encode())
        for file in files:
            os.close(file)
    else:
        os.unlink(address(pid))
        return
    listener.close()
    arguments, folder, environment = json.loads(message)
    _be_kernel(arguments, folder, environment, files)


def _be_kernel(arguments: list[str], folder: str, environment: Mapping[str, str], files: list[int]) -> None:
    """Be the kernel asked for, as if it had been started with these arguments in this folder and environment."""
    parent = os.getppid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
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
    serve(int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])), sys.argv[3:])
