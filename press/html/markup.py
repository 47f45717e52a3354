"""Raw HTML in pandoc's syntax tree."""

from __future__ import annotations

from html import escape
from typing import Any

from press.book import Node
from press.pandoc_ast import plain


def raw(text: str) -> Node:
    """A block of HTML."""
    return {"t": "RawBlock", "c": ["html", text]}


def raw_inline(text: str) -> Node:
    """HTML inside a line."""
    return {"t": "RawInline", "c": ["html", text]}


def wrapped(opening: str, inlines: list[Node], closing: str) -> Node:
    """Inlines between two pieces of HTML."""
    return plain([raw_inline(opening), *inlines, raw_inline(closing)])


def attributes(pairs: dict[str, Any]) -> str:
    """Attributes of an HTML element, each with a space before it; those that are None are left out."""
    return "".join(f' {name}="{escape(str(value))}"' for name, value in pairs.items() if value is not None)
