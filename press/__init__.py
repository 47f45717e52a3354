"""A small renderer for Quarto books: the same sources, words, numbers and anchors, as an HTML site and a PDF.

    press.render(root)        the whole book into its output folder

The way of a chapter: `project` reads _quarto.yml, `source` the chapter, `constructs` says what is supported, `execute` runs
the cells in a Jupyter kernel, `document` joins text and outputs through pandoc, `crossref` numbers and refers, `citations`
cites; `html` and `pdf` write; `build` does only what is needed of all this and swaps the finished site in at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from press.build import render as render
    from press.errors import SourceError as SourceError

__all__ = ["SourceError", "render"]


def __getattr__(name: str) -> Any:
    """Import on first use: `import press` costs nothing."""
    if name == "render":
        from press.build import render

        return render
    if name == "SourceError":
        from press.errors import SourceError

        return SourceError
    raise AttributeError(f"module 'press' has no attribute {name!r}")
