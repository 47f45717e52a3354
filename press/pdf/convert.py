"""pandoc's own Typst writer: blocks in, Typst out, with the formulas put right."""

from __future__ import annotations

import json
import re
import subprocess

from press.book import Book, Node, Page
from press.errors import SourceError
from press.pandoc import HOME, program
from press.pdf import maths

_API = [1, 23, 1]  # version of pandoc's JSON
_UNKNOWN = re.compile(r"Could not convert TeX math (.*?), rendering as TeX", re.DOTALL)


def typst(blocks: list[Node], page: Page, book: Book) -> str:
    """These blocks of a page as Typst.  Raises SourceError for a formula that pandoc does not understand."""
    document = json.dumps({"pandoc-api-version": _API, "meta": {}, "blocks": blocks})
    command = [program(), "-f", "json", "-t", "typst-smart", "--wrap=none", "-L", str(HOME / "links.lua")]
    done = subprocess.run(
        command, input=document, capture_output=True, cwd=book.root, text=True, encoding="utf-8", check=True
    )
    if failed := _UNKNOWN.search(done.stderr):
        line = _line(book, page, failed[1])
        raise SourceError(
            page.chapter.path, line, f"unknown TeX: {failed[1]}", f"pandoc's words:\n{done.stderr.strip()}"
        )
    return maths.modern(done.stdout)


def _line(book: Book, page: Page, words: str) -> int:
    """The line of the chapter's file where these words begin, 0 if they are not found."""
    source = (book.root / page.chapter.path).read_text(encoding="utf-8")
    return source[: source.find(words)].count("\n") + 1 if words in source else 0
