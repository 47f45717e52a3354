"""Titles and headings as HTML, for the sidebar and the contents of a page."""

from __future__ import annotations

import json
from functools import lru_cache
from html import escape
from pathlib import Path

from press.book import Node
from press.html import markup
from press.pandoc_ast import plain

_TAGS = {
    "Emph": "em",
    "Strong": "strong",
    "Strikeout": "del",
    "Superscript": "sup",
    "Subscript": "sub",
    "Underline": "u",
}
_QUOTES = {"DoubleQuote": "“”", "SingleQuote": "‘’"}


def html(inlines: list[Node], file: Path, root: Path) -> str:
    """Return the inlines, from a chapter's `file`, as HTML without links and footnotes, so that they can stand in a link."""
    out = ""
    for node in inlines:
        kind, content = node["t"], node.get("c", "")
        if kind == "Str":
            out += escape(content, quote=False)
        elif kind in ("Space", "SoftBreak", "LineBreak"):
            out += " "
        elif kind == "Code":
            out += f"<code>{escape(content[1], quote=False)}</code>"
        elif kind == "Math":
            out += _maths(json.dumps(node), file, root)
        elif kind == "Quoted":
            marks = _QUOTES[content[0]["t"]]
            out += marks[0] + html(content[1], file, root) + marks[1]
        elif kind in _TAGS:
            out += f"<{_TAGS[kind]}>{html(content, file, root)}</{_TAGS[kind]}>"
        elif kind == "SmallCaps":
            out += f'<span class="smallcaps">{html(content, file, root)}</span>'
        elif kind == "Span":
            classes = " ".join(content[0][1])
            inside = html(content[1], file, root)
            out += f'<span class="{escape(classes)}">{inside}</span>' if classes else inside
        elif kind in ("Link", "Cite"):
            out += html(content[1], file, root)
    return out


@lru_cache(maxsize=1000)
def _maths(node: str, file: Path, root: Path) -> str:
    return markup.html([plain([json.loads(node)])], file, root).strip()
