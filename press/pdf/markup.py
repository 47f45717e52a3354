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


def call(*parts: str | Sequence[Node]) -> list[Node]:
    """The blocks of a call: strings are its code, each sequence of blocks an argument `[...],` for pandoc to convert.

    A paragraph that comes first in an argument runs on from what the function puts before it.
    """
    made: list[Node] = []
    line: list[Node] = []
    for part in parts:
        if isinstance(part, str):
            line.append(raw(part))
            continue
        line.append(raw("["))
        if part and part[0]["t"] in ("Plain", "Para"):
            inlines, part = part[0]["c"], part[1:]
            if inlines and inlines[0]["t"] == "Str" and _MARKER.match(inlines[0]["c"]):
                line.append(raw("#[]"))
            line += inlines
        if part:
            made += [{"t": "Para", "c": line}, *part]
            line = []
        line.append(raw("],"))
    return [*made, {"t": "Plain", "c": line}]
