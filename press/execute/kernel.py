"""One Jupyter kernel: start it, run code in it, ask it for values, stop it."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from queue import Empty
from typing import Any

from press.execute.messages import CellFailed, Displays, Output, Shown
from press.execute.terminal import as_shown

# Figures as Quarto sets them up for fig-format: svg; sizes are in matplotlibrc. Without dates and random ids, the same
# figure is the same file. Nothing here imports matplotlib: pages without figures start twice as fast.
_SETUP = """
from press.execute import recorder
from press.execute.source_imports import from_source
from_source(".")
(recorder.active() or recorder.start(".")).lenient = True
del from_source, recorder

def _press():
    import sys
    from IPython import get_ipython
    if matplotlib := sys.modules.get("matplotlib"):  # imported before this kernel began; a project may have its own settings
        matplotlib.rc_file(matplotlib.matplotlib_fname())
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
# In the environment: how figures look.
FIGURES = {"MATPLOTLIBRC": str(Path(__file__).with_name("matplotlibrc"))}


class Kernel:
    """A kernel of this Python, with the project's root as its working directory; use it with `async with`."""

    def __init__(self, root: Path, environment: Mapping[str, str], asks: str = "") -> None:
        """`asks`: where a process listens that the kernel is to be a copy of, if there is one (press.fork_server)."""
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager

        from press.quarto_kernels import Provisioner

        # Without a history: its thread warns, into the page, where the machine is so busy that it does not end in time.
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--HistoryManager.enabled=False"]
        self._manager = AsyncKernelManager()
        self._manager._kernel_spec = KernelSpec(argv=argv, display_name="press", language="python")
        self._manager.provisioner = Provisioner(parent=self._manager, kernel_spec=self._manager._kernel_spec)
        self._manager.provisioner.asks = asks
        self._root, self._environment = root, dict(environment)
        self._client: Any = None
        self._displays: Displays = {}
        self._shown: dict[str, Shown] = {}  # by the message that asked for it

    async def __aenter__(self) -> Kernel:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the kernel)
        try:
            log = self._log.fileno()
            await self._manager.start_kernel(cwd=str(self._root), env=self._environment, stdout=log, stderr=log)
            self._client = self._manager.client()
            self._client.start_channels()
            await self._client.wait_for_ready(timeout=120)
            await self._run(_SETUP, silent=True)
        except BaseException as error:
            last = self._last_words()
            await self.__aexit__()
            if isinstance(error, RuntimeError):
                raise CellFailed("the kernel did not start", traceback=last) from None
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
        await self._manager.provisioner.cleanup()  # also where none was started
        self._log.close()

    async def execute(self, code: str, may_fail: bool = False) -> list[Output]:
        """Run a cell and return its outputs, which may change until the last cell has run; raise CellFailed if it raises.

        A figure that cannot be drawn is an error, too, although the cell has ended well by then.
        """
        outputs, reply = await self._run(code)
        errors = [output for output in outputs if output["output_type"] == "error"]
        if (errors or reply["status"] != "ok") and not (may_fail and errors):
            error = errors[-1] if errors else reply
            trace = [as_shown(line) for line in error.get("traceback", [])]
            places = re.findall(rf"Cell In\[{reply.get('execution_count')}\], line (\d+)", "\n".join(trace))
            what = f"{error.get('ename', 'stopped')}: {as_shown(error.get('evalue', ''))}".splitlines()[0]
            last = "\n".join(trace).rstrip().splitlines()[-12:]
            raise CellFailed(what, int(places[-1]) if places else 0, "\n".join(last))
        if asked := reply.get("payload"):
            what = f"this cell asks for {asked[0]['source']}, which only a notebook can show"
            raise CellFailed(what, traceback="print what the page is to show")
        return outputs

    async def evaluate(self, expressions: list[str]) -> list[dict[str, Any]]:
        """Return the value of each expression as Jupyter shows it: its data by kind, or its error."""
        outputs, reply = await self._run("", expressions={str(index): text for index, text in enumerate(expressions)})
        if outputs:
            said = outputs[0].get("text") or ", ".join(outputs[0].get("data", {}))
            raise CellFailed("inline code shows something besides its value", traceback=as_shown(said).strip())
        return [reply["user_expressions"][str(index)] for index in range(len(expressions))]

    async def _run(
        self, code: str, silent: bool = False, expressions: dict[str, str] | None = None
    ) -> tuple[list[Output], dict[str, Any]]:
        ident = self._client.execute(
            code,
            silent=silent,
            store_history=bool(code) and not silent,
            user_expressions=expressions,
            allow_stdin=False,
        )
        shown = self._shown[ident] = Shown(self._displays)
        while True:
            message = await self._next(self._client.get_iopub_msg)
            kind, content, asked = message["msg_type"], message["content"], message["parent_header"].get("msg_id")
            if asked in self._shown:  # also an earlier cell, whose threads and children may say something yet
                self._shown[asked].take(kind, content)
            if asked == ident and kind == "status" and content["execution_state"] == "idle":
                break
        while (reply := await self._next(self._client.get_shell_msg))["parent_header"].get("msg_id") != ident:
            pass
        return shown.outputs, reply["content"]

    async def _next(self, get: Callable[..., Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        while True:
            try:
                return await get(timeout=1)
            except Empty:
                if not await self._manager.is_alive():
                    raise CellFailed("the kernel died", traceback=self._last_words()) from None

    def _last_words(self) -> str:
        self._log.seek(0)
        last = self._log.read().decode(errors="replace").strip().splitlines()[-8:]
        return "\n".join(last) or "it may have run out of memory"
