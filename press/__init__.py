"""A small renderer for Quarto books: the same sources, words, numbers and anchors, as an HTML site and a PDF.

    press.render(root)                    the whole book into its output folder
    press.render_variant(root, chapter)   one chapter, run another way, into a folder of its own

The way of a chapter: `read` reads _quarto.yml and the chapter and says what is supported, `execute` runs the cells in a Jupyter
kernel, `resolve` joins text and outputs through pandoc, numbers, refers and cites; `html` and `pdf` write; `build` does only what
is needed of all this and swaps the finished site in at the end.

press knows nothing of experiments.  What it offers to others is listed here, and others import nothing else of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from press.book import Book, Progress
    from press.build import read_sources, render, render_variant
    from press.errors import SourceError
    from press.execute import reads, recorder
    from press.execute.source_imports import forget, from_source
    from press.files import cached, cached_file, keep, swap, sync_folder, write_whole
    from press.fork_server import wake_kernels
    from press.read.project import read_project
    from press.read.qmd import Cell, Source

__all__ = ["Book", "Cell", "Progress", "Source", "SourceError", "cached", "cached_file", "forget"]
__all__ += ["from_source", "keep", "read_project", "read_sources", "reads", "recorder", "render", "render_variant"]
__all__ += ["swap", "sync_folder", "wake_kernels", "write_whole"]
_HOMES = {
    "press.book": ["Book", "Progress"],
    "press.build": ["read_sources", "render", "render_variant"],
    "press.errors": ["SourceError"],
    "press.execute": ["reads", "recorder"],
    "press.execute.source_imports": ["forget", "from_source"],
    "press.files": ["cached", "cached_file", "keep", "swap", "sync_folder", "write_whole"],
    "press.fork_server": ["wake_kernels"],
    "press.read.project": ["read_project"],
    "press.read.qmd": ["Cell", "Source"],
}


def __getattr__(name: str) -> Any:
    """Import on first use: `import press` costs nothing."""
    for home, names in _HOMES.items():
        if name in names:
            return import_module(f"{home}.{name}") if home == "press.execute" else getattr(import_module(home), name)
    raise AttributeError(f"module 'press' has no attribute {name!r}")
