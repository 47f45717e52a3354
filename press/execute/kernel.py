"""One Jupyter kernel: start it, run code in it, ask it for values.  nbclient, which Quarto runs cells with, hears it out."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

from press.execute.outputs import Output, as_shown
from press.quarto_kernels import Provisioner

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


class CellFailed(Exception):
    """A cell raised: what, in which line of the cell (0: unknown), and the end of the traceback."""

    def __init__(self, what: str, line: int = 0, traceback: str = "") -> None:
        super().__init__(what)
        self.what, self.line, self.traceback = what, line, traceback


class Kernel(NotebookClient):  # type: ignore[misc]
    """A kernel of this Python, with the project's root as its working directory."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        # Without a history: its thread warns, into the page, where the machine is so busy that it does not end in time.
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--HistoryManager.enabled=False"]
        manager = AsyncKernelManager()
        manager._kernel_spec = KernelSpec(argv=argv, display_name="press", language="python")
        manager.provisioner = Provisioner(parent=manager, kernel_spec=manager._kernel_spec)
        super().__init__(
            new_notebook(),
            manager,
            startup_timeout=120,
            shell_timeout_interval=1,
            shutdown_kernel="immediate",
            allow_errors=True,
            record_timing=False,
            on_cell_executed=_refuse_payload,
            log=logging.Logger("press", logging.CRITICAL + 1),  # what happens is said by errors
        )
        self.clear_before_next_output = False
        self._root, self._environment = root, dict(environment)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the kernel)

    async def aclose(self) -> None:
        """End it, if it runs."""
        if self.km is not None:
            await self._async_cleanup_kernel()
        self._said.close()

    async def start(self) -> None:
        """Start it, and have it draw figures as Quarto does."""
        said = self._said.fileno()
        try:
            await self.async_start_new_kernel(cwd=str(self._root), env=self._environment, stdout=said, stderr=said)
            await self.async_start_new_kernel_client()
        except RuntimeError:
            raise CellFailed("the kernel did not start", traceback=self._last_words()) from None
        await self.run(_SETUP, counted=False)

    async def run(self, code: str, may_fail: bool = False, counted: bool = True) -> list[Output]:
        """Run a cell and return its outputs, which may change until the last cell has run; raise CellFailed if it raises.

        A figure that cannot be drawn is an error, too, although the cell has ended well by then.
        """
        cell = new_code_cell(code)
        self.nb.cells.append(cell)
        try:
            await self.async_execute_cell(cell, len(self.nb.cells) - 1, store_history=counted)
        except DeadKernelError:
            raise self._ended() from None
        errors = [output for output in cell.outputs if output["output_type"] == "error"]
        if errors and not may_fail:
            error = errors[-1]
            trace = as_shown("\n".join(error["traceback"]))
            places = re.findall(rf"Cell In\[{cell.execution_count}\], line (\d+)", trace)
            what = as_shown(f"{error['ename']}: {error['evalue']}").splitlines()[0]
            last = "\n".join(trace.rstrip().splitlines()[-12:])
            raise CellFailed(what, int(places[-1]) if places else 0, last)
        outputs: list[Output] = cell.outputs
        return outputs

    async def evaluate(self, expressions: list[str]) -> list[dict[str, Any]]:
        """Return the value of each expression as Jupyter shows it: its data by kind, or its error."""
        asked = {str(index): text for index, text in enumerate(expressions)}
        ident = self.kc.execute("", store_history=False, user_expressions=asked, allow_stdin=False)
        beside = new_code_cell()
        hearing = asyncio.ensure_future(self._async_poll_output_msg(ident, beside, -1))
        try:
            reply = await self.async_wait_for_reply(ident)
            await hearing
        except DeadKernelError:
            raise self._ended() from None
        finally:
            hearing.cancel()
        if beside.outputs:
            said = beside.outputs[0].get("text") or ", ".join(beside.outputs[0].get("data", {}))
            raise CellFailed("inline code shows something besides its value", traceback=as_shown(said).strip())
        return [reply["content"]["user_expressions"][index] for index in asked]

    def output(self, outs: Any, msg: Any, *place: Any) -> Any:
        """Take in an output; refuse a message that nbclient would leave out with a word to its log."""
        if msg["msg_type"] not in ("stream", "display_data", "execute_result", "error"):
            raise CellFailed(f"its kernel sends {msg['msg_type']}, which press does not know")
        return super().output(outs, msg, *place)

    def handle_comm_msg(self, *_: Any) -> None:
        """Refuse a widget."""
        what = "this cell shows a widget, which works only while its kernel runs"
        raise CellFailed(what, traceback="show its value, a figure or a table instead")

    def _ended(self) -> BaseException:
        """Return what to raise where nbclient says that the kernel died: it says so, too, where the render is stopped."""
        task = asyncio.current_task()
        stopped = task is not None and task.cancelling()
        return asyncio.CancelledError() if stopped else CellFailed("the kernel died", traceback=self._last_words())

    def _last_words(self) -> str:
        self._said.seek(0)
        last = self._said.read().decode(errors="replace").strip().splitlines()[-8:]
        return "\n".join(last) or "it may have run out of memory"


def _refuse_payload(execute_reply: dict[str, Any], **_: Any) -> None:
    if asked := execute_reply["content"].get("payload"):
        what = f"this cell asks for {asked[0]['source']}, which only a notebook can show"
        raise CellFailed(what, traceback="print what the page is to show")
