"""One Jupyter kernel: start it, run code in it, ask it for values, stop it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from ast import literal_eval
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from press.execute.forked_kernels import Nursery

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

# Figures as Quarto sets them up for fig-format: svg; sizes are in matplotlibrc. Without dates and random ids, the same
# figure is the same file. Nothing here imports matplotlib: pages without figures start twice as fast.
_SETUP = """
from press.execute.source_imports import from_source
from_source(".")
del from_source

def _press():
    from IPython import get_ipython
    shell = get_ipython()
    options = {"bbox_inches": "tight", "metadata": {"Date": None}}
    shell.config.InlineBackend.figure_formats = {"svg"}
    shell.config.InlineBackend.print_figure_kwargs = options

    def svg(figure):
        from IPython.core.pylabtools import print_figure
        return print_figure(figure, fmt="svg", **options)

    shell.display_formatter.formatters["image/svg+xml"].for_type_by_name("matplotlib.figure", "Figure", svg)
_press()
del _press
"""
_LONGEST_SOCKET = 96  # bytes of a socket's path, less its ending: systems take 104 or 108
_LIBRARIES = "__import__('json').dumps(__import__('press.execute.source_imports').execute.source_imports.libraries())"
# In the environment: figures are for the page, as ipykernel has it by default, and look as follows.
DEFAULTS = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
FIGURES = {"MATPLOTLIBRC": str(Path(__file__).with_name("matplotlibrc"))}


class CellFailed(Exception):
    """A cell raised: what, in which line of the cell (0: unknown), and the end of the traceback."""

    def __init__(self, what: str, line: int, traceback: str) -> None:
        super().__init__(what)
        self.what, self.line, self.traceback = what, line, traceback


def plain(text: str) -> str:
    """Return text without the colours of a terminal."""
    return _ANSI.sub("", text)


class Kernel:
    """A kernel of this Python, with the project's root as its working directory; use it with `async with`.

    The nursery, if there is one, forks it; or learns from it which libraries to import, if it knows none yet.
    """

    def __init__(self, root: Path, environment: Mapping[str, str], nursery: Nursery | None = None) -> None:
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager

        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        # Through files, not ports: a port found free may be taken before the kernel binds it, and any user may connect.
        self._files = tempfile.TemporaryDirectory(prefix="press-")
        connection = Path(self._files.name, "kernel.json")
        files = os.name == "posix" and len(os.fsencode(connection)) < _LONGEST_SOCKET
        self._manager = AsyncKernelManager(transport="ipc" if files else "tcp", connection_file=str(connection))
        self._manager._kernel_spec = KernelSpec(argv=argv, display_name="press", language="python")
        self._root, self._environment, self._nursery = root, dict(environment), nursery
        self._client: Any = None

    async def __aenter__(self) -> Kernel:
        if self._nursery is not None and await self._nursery.ready():
            self._manager.provisioner = self._nursery.provisioner(self._manager)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the kernel)
        try:
            await self._manager.start_kernel(
                cwd=str(self._root), env=self._environment, stdout=subprocess.DEVNULL, stderr=self._log
            )
            self._client = self._manager.client()
            self._client.start_channels()
            await self._client.wait_for_ready(timeout=120)
            await self._run(_SETUP, silent=True)
        except BaseException as error:
            last = self._last_words()
            await self.__aexit__()
            if isinstance(error, RuntimeError):
                raise CellFailed("the kernel did not start", 0, last) from None
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.stop_channels()
        if self._manager.has_kernel:
            await self._manager.provisioner.kill()
            for _look in range(200):  # it ends in milliseconds; Jupyter would look again after a tenth of a second
                if not await self._manager.is_alive():
                    break
                await asyncio.sleep(0.005)
            await self._manager.shutdown_kernel(now=True)
        self._manager.context.term()
        self._log.close()
        self._files.cleanup()

    async def execute(self, code: str) -> list[dict[str, Any]]:
        """Run a cell and return its outputs; raise CellFailed if it raises."""
        messages, reply = await self._run(code)
        if reply["status"] != "ok":
            error = next((m for m in reversed(messages) if m["output_type"] == "error"), reply)
            trace = [plain(line) for line in error.get("traceback", [])]
            places = re.findall(rf"Cell In\[{reply.get('execution_count')}\], line (\d+)", "\n".join(trace))
            what = f"{error.get('ename', 'stopped')}: {plain(error.get('evalue', ''))}".splitlines()[0]
            last = "\n".join(trace).rstrip().splitlines()[-12:]
            raise CellFailed(what, int(places[-1]) if places else 0, "\n".join(last))
        if self._nursery is not None and not self._nursery.taught:
            self._nursery.taught = True
            [libraries] = await self.evaluate([_LIBRARIES])
            self._nursery.imports(json.loads(literal_eval(libraries["data"]["text/plain"])))
        return messages

    async def evaluate(self, expressions: list[str]) -> list[dict[str, Any]]:
        """Return the value of each expression as Jupyter shows it: its data by kind, or its error."""
        _, reply = await self._run("", expressions={str(index): text for index, text in enumerate(expressions)})
        return [reply["user_expressions"][str(index)] for index in range(len(expressions))]

    async def _run(
        self, code: str, silent: bool = False, expressions: dict[str, str] | None = None
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        ident = self._client.execute(
            code,
            silent=silent,
            store_history=bool(code) and not silent,
            user_expressions=expressions,
            allow_stdin=False,
        )
        messages: list[dict[str, Any]] = []
        while True:
            message = await self._next(self._client.get_iopub_msg)
            if message["parent_header"].get("msg_id") != ident:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind == "clear_output":
                messages.clear()
            elif kind == "stream" and messages and messages[-1].get("name") == content["name"]:
                messages[-1]["text"] += content["text"]
            elif kind in ("stream", "display_data", "execute_result", "error"):
                messages.append({"output_type": kind} | content)
        while (reply := await self._next(self._client.get_shell_msg))["parent_header"].get("msg_id") != ident:
            pass
        return messages, reply["content"]

    async def _next(self, get: Callable[..., Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        while True:
            try:
                return await get(timeout=1)
            except Empty:
                if not await self._manager.is_alive():
                    raise CellFailed("the kernel died", 0, self._last_words()) from None

    def _last_words(self) -> str:
        self._log.seek(0)
        last = self._log.read().decode(errors="replace").strip().splitlines()[-8:]
        return "\n".join(last) or "it may have run out of memory"
