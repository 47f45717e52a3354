"""Hands a cell's figure to the renderer at work in the form that its page takes, and notes what data the figure shows."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_shown: dict[str, None] = {}  # files of the tables that figures have looked at since the last one was shown, in order


def noting_tables(name: str, result: T, tables: set[str]) -> T:
    """Return a result that notes which of its tables the functions of figures/ look at, where IPython shows what they draw."""
    if (ipython := sys.modules.get("IPython")) is None or ipython.get_ipython() is None:
        return result
    usual: type[Any] = type(result)

    def look(self: Any, field: str) -> Any:
        if field in tables and _within_figures():
            _shown[f"results/{name}/{field}.csv"] = None
        return object.__getattribute__(self, field)

    kind = type(usual.__name__, (usual,), {"__getattribute__": look, "__module__": usual.__module__})
    object.__setattr__(result, "__class__", kind)
    return result


def data_shown() -> list[str]:
    """Return the files whose numbers the figure at hand shows, from the project's root."""
    files = list(_shown)
    _shown.clear()
    return files


def _within_figures() -> bool:
    frame = sys._getframe(2)
    while frame and not frame.f_globals.get("__name__", "").startswith("figures."):
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None


def offer_html(kind: type[T], html: Callable[[T], str]) -> None:
    """Have IPython, where it runs, offer HTML of all objects of a kind, beside the file that it makes of a figure itself.

    press takes HTML for pages and the file for the PDF.  Quarto takes every HTML output for a widget and loads two scripts from
    another host with the page: to Quarto it is raw HTML within Markdown, and for the PDF, where that counts for nothing, only the
    file is there.  Quarto says in a file which format it wants.
    """
    from IPython import get_ipython

    if (shell := get_ipython()) is None:
        return
    formatters = shell.display_formatter.formatters
    if (info := os.environ.get("QUARTO_EXECUTE_INFO")) is None:
        formatters["text/html"].for_type(kind, html)
    elif str(json.loads(Path(info).read_text(encoding="utf-8"))["format"]["pandoc"]["to"]).startswith("html"):
        formatters["text/markdown"].for_type(kind, lambda shown: f"```{{=html}}\n{html(shown)}\n```")
