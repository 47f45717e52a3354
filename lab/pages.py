"""Hands a cell's figure to the renderer at work in the form that its page takes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


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
