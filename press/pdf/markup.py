"""Typst code inside a pandoc document: raw elements, string literals, and calls whose arguments are pandoc content.

pandoc converts text, maths, lists and code to Typst by itself.  A construct of Quarto becomes a call to a function of
`book.typ`: raw code, then blocks for pandoc to convert, then raw code again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from press.book import Node

# At the start of content Typst would read these as a list, a heading or a term.
_MARKER = re.compile(r"([-+/]|=+|\d+\.)$")


def literal(text: str | None) -> str:
    """A Typst string literal; `none` for None."""
    if text is None:
        return "none"
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def raw(code: str) -> Node:
    """Typst code as an inline element."""
    return {"t": "RawInline", "c": ["typst", code]}


def optional_plain(inlines: list[Node]) -> list[Node]:
    """The inlines as a block of text, which is not a paragraph; nothing for none."""
    return [{"t": "Plain", "c": inlines}] if inlines else []


def length(width: str) -> str:
    """A Typst length or ratio from an attribute such as `6.4in` or `80%`; `none` for anything else."""
    return width if re.fullmatch(r"\d+(\.\d+)?(in|cm|mm|pt|%)", width) else "none"


class Call:
    """A call under construction, in code mode: `code` adds Typst code, `content` adds a `[...]` argument."""

    def __init__(self, code: str = "") -> None:
        self._blocks: list[Node] = []
        self._line: list[Node] = []
        self.code(code)

    def code(self, code: str) -> Call:
        """Add Typst code."""
        if code:
            self._line.append(raw(code))
        return self

    def content(self, blocks: Sequence[Node]) -> Call:
        """Add `[blocks],`; a paragraph that comes first runs on from what the function puts before it."""
        self.code("[")
        if blocks and blocks[0]["t"] in ("Plain", "Para"):
            inlines, blocks = blocks[0]["c"], blocks[1:]
            if inlines and inlines[0]["t"] == "Str" and _MARKER.match(inlines[0]["c"]):
                self.code("#[]")
            self._line.extend(inlines)
        if blocks:
            self._flush("Para")
            self._blocks.extend(blocks)
        return self.code("],")

    def end(self, code: str = ")") -> list[Node]:
        """Close the call; return its blocks."""
        self.code(code)
        self._flush()
        return self._blocks

    def _flush(self, kind: str = "Plain") -> None:
        if self._line:
            self._blocks.append({"t": kind, "c": self._line})
            self._line = []
