"""The process that imports libraries once and forks kernels: press/execute/forked_kernels.py starts it, asks it and says what for.

["import", {module: its file}]                                      whether kernels can be forked then
["fork", arguments, folder, environment] and a file for stderr      the kernel's process id
["poll", process id]                                                its exit code, null while it runs
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from press.execute.source_imports import within

LONGEST = 1 << 20  # bytes of a message


def serve() -> None:
    """Answer what is asked through the socket that is standard input; end, with every kernel, when it closes."""
    control = socket.socket(fileno=os.dup(0))
    kernels: set[int] = set()
    while True:
        message, files, *_ = socket.recv_fds(control, LONGEST, 1)
        if not message:
            break
        what, *request = json.loads(message)
        if what == "fork":
            nursery = os.getpid()
            answer: Any = os.fork()
            if answer == 0:
                control.close()
                _be_kernel(request, files[0], nursery)
                return
            os.close(files[0])
            kernels.add(answer)
        elif what == "poll":
            ended, status = os.waitpid(request[0], os.WNOHANG)
            kernels.discard(ended)
            answer = os.waitstatus_to_exitcode(status) if ended else None
        else:
            answer = _imported(*request)
        control.send(json.dumps(answer).encode())
    for kernel in kernels:
        with suppress(ProcessLookupError):
            os.killpg(kernel, signal.SIGKILL)


def _imported(libraries: Mapping[str, str]) -> bool:
    """Import libraries, and say whether that did nothing but bring these very files, and asked for no shell."""
    from ipykernel import kernelapp  # noqa: F401 (what every kernel needs)
    from IPython.core.interactiveshell import InteractiveShell

    asked = False

    def initialized() -> bool:  # get_ipython looks here, whoever calls it
        nonlocal asked
        asked = True
        return False

    before = set(sys.modules)
    InteractiveShell.initialized = initialized
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        for name in libraries:
            with suppress(ImportError):  # a module that another makes, and nobody can import
                importlib.import_module(name)
        del InteractiveShell.initialized
        sys.stdout.flush()
        sys.stderr.flush()
        silent = not os.fstat(said.fileno()).st_size
    gc.freeze()  # what is here stays: no kernel need look through it, and have it copied by doing so
    here = {name: vars(sys.modules[name]).get("__file__") for name in {*sys.modules} - before}
    return (
        silent
        and not asked
        and threading.active_count() == 1
        and all(here.get(name, file) == file for name, file in libraries.items())
        and not any(within(file, os.getcwd()) for file in here.values() if file)
    )


def _be_kernel(request: list[Any], stderr: int, parent: int) -> None:
    """Be the kernel asked for, as if it had been started with these arguments in this folder and environment."""
    arguments, folder, environment = request
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    null = os.open(os.devnull, os.O_RDWR)
    for stream, here in enumerate((null, null, stderr)):
        os.dup2(here, stream)
    os.close(null)
    os.close(stderr)
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()  # as Python's own random does: no two kernels draw the same numbers
    kernelapp = sys.modules["ipykernel.kernelapp"]
    kernelapp.launch_new_instance([*arguments, f"--IPKernelApp.parent_handle={parent}"])
