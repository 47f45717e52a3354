"""What a cell shows, from the messages that its kernel sends: the rules of Jupyter's protocol, as nbclient follows them."""

from __future__ import annotations

from typing import Any

Output = dict[
    str, Any
]  # {"output_type": "stream", "name": "stdout", "text": ...}, {"output_type": "display_data", "data": ...}
Displays = dict[str, list[Output]]  # what a kernel has shown under a display id, to be updated by later cells too

_SHOWN = ("stream", "display_data", "execute_result", "error")
_SAY_NOTHING = ("status", "execute_input")


class CellFailed(Exception):
    """A cell raised: what, in which line of the cell (0: unknown), and the end of the traceback."""

    def __init__(self, what: str, line: int = 0, traceback: str = "") -> None:
        super().__init__(what)
        self.what, self.line, self.traceback = what, line, traceback


class Shown:
    """What one cell has shown so far; it goes on growing while messages come in."""

    def __init__(self, displays: Displays) -> None:
        self.outputs: list[Output] = []
        self._displays = displays
        self._clear_before_next = False

    def take(self, kind: str, content: dict[str, Any]) -> None:
        """Do what a message says; raise CellFailed for one that no page can show."""
        if kind in _SHOWN:
            self._show({"output_type": kind} | content)
        elif kind == "update_display_data":
            self._update(content)
        elif kind == "clear_output" and content.get("wait"):
            self._clear_before_next = True
        elif kind == "clear_output":
            self.outputs.clear()
        elif kind.startswith("comm_"):
            what = "this cell shows a widget, which works only while its kernel runs"
            raise CellFailed(what, traceback="show its value, a figure or a table instead")
        elif kind not in _SAY_NOTHING:
            raise CellFailed(f"its kernel sends {kind}, which press does not know")

    def _show(self, output: Output) -> None:
        self._update(output)
        if self._clear_before_next:
            self.outputs.clear()
            self._clear_before_next = False
        last = self.outputs[-1] if self.outputs else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["text"] += output["text"]
            return
        self.outputs.append(output)
        if ident := _display_id(output):
            self._displays.setdefault(ident, []).append(output)

    def _update(self, content: dict[str, Any]) -> None:
        """Show the new data wherever an output stands under the same display id."""
        for output in self._displays.get(_display_id(content), []):
            output |= {"data": content["data"], "metadata": content.get("metadata", {})}


def _display_id(content: dict[str, Any]) -> str:
    return (content.get("transient") or {}).get("display_id") or ""
