"""HTML from pandoc's syntax tree, and raw HTML in it."""

from __future__ import annotations

import json
import re
import subprocess
from html import escape
from pathlib import Path
from typing import Any

from press import pandoc
from press.book import Node
from press.errors import SourceError
from press.html.maths import spaced
from press.pandoc_ast import plain

_OPTIONS = ["--from=json", "--to=html5", "--mathml", "--section-divs", "--wrap=none", "--email-obfuscation=none"]
_API = [1, 23, 1]  # version of pandoc's JSON
_UNKNOWN = re.compile(r"Could not convert TeX math (.*?), rendering as TeX", re.DOTALL)


def html(blocks: list[Node], file: Path, root: Path) -> str:
    """Return the blocks, which are from a chapter's `file` in the book's `root`, as pandoc writes them.

    Raises SourceError for a formula that pandoc does not understand.
    """
    document = json.dumps({"pandoc-api-version": _API, "meta": {}, "blocks": blocks})
    done = subprocess.run(
        [pandoc.program(), *_OPTIONS], input=document, capture_output=True, text=True, encoding="utf-8"
    )
    if done.returncode:
        raise RuntimeError(f"pandoc cannot write {file} as HTML: {done.stderr.strip()}")
    if failed := _UNKNOWN.search(done.stderr):
        before, found, _ = (root / file).read_text(encoding="utf-8").partition(failed[1])
        line = before.count("\n") + 1 if found else 0
        raise SourceError(file, line, f"unknown TeX: {failed[1]}", f"pandoc's words:\n{done.stderr.strip()}")
    return spaced(done.stdout)


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
