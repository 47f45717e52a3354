"""The pandoc program: Markdown and HTML to syntax trees, syntax trees to HTML and Typst, citations and the bibliography."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from press.book import Book, Node
from press.errors import SourceError

HOME = Path(__file__).parent
LIMIT = 60  # seconds; a chapter takes one, nested open brackets take for ever
_API = [1, 23, 1]  # version of pandoc's JSON
_UNKNOWN = re.compile(r"Could not convert TeX math (.*?), rendering as TeX", re.DOTALL)


@cache
def program() -> str:
    """Return the path of pandoc, the one that comes with pypandoc_binary."""
    return str(distribution("pypandoc_binary").locate_file("pypandoc/files/pandoc"))


def _run(arguments: list[str], text: str, book: Book, file: str) -> tuple[str, str]:
    """Return what pandoc writes, and what it says of that."""
    try:
        command = [program(), *arguments]
        done = subprocess.run(command, input=text.encode(), capture_output=True, cwd=book.root, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        hint = "look for many brackets, quotes or stars that are opened and not closed"
        raise SourceError(file, 0, f"pandoc has not read it after {LIMIT} s", hint) from None
    log = done.stderr.decode(errors="replace").strip()
    if done.returncode:
        raise _error(log, book, file)
    return done.stdout.decode(), log


def read(text: str, book: Book, file: str, *options: str, form: str = "markdown") -> tuple[list[Node], Node, str]:
    """Return the blocks and the metadata of a text, after the book's own filters, and what pandoc says of it."""
    own = [option for name in book.filters for option in ("-L", str(name))]  # before ours, as under Quarto
    document, log = _run([*own, *options, "-f", form, "-t", "json"], text, book, file)
    tree = json.loads(document)
    return tree["blocks"], tree["meta"], log


def citeproc(book: Book) -> list[str]:
    """Return the options with which pandoc writes out citations."""
    style = ["--csl", str(book.csl)] if book.csl else []
    files = [f"--bibliography={file}" for file in book.bibliography]
    return ["--citeproc", *files, *style] if files else []


def _error(words: str, book: Book, file: str) -> SourceError:
    """Return pandoc's error as one of the file it is about: the bibliography, the style, a filter, or the chapter read."""
    if broken := re.match(r"(?s)Error reading bibliography file (.+?):\s+\(line (\d+), column \d+\):\s*(.*)", words):
        what = " ".join(broken[3].split())
        return SourceError(broken[1], int(broken[2]), f"broken bibliography: {what}", "check braces, commas and quotes")
    if broken := re.match(r"Error running filter (.+):\n(?:\1:(\d+):)?\s*(.*)", words):
        return SourceError(broken[1], int(broken[2] or 0), f"the filter fails: {broken[3]}", f"it was reading {file}")
    file = str(book.csl) if book.csl and words.startswith("Citeproc") else file
    return SourceError(file, 0, "pandoc fails", f"its words:\n{words}")


def to_text(blocks: list[Node], form: str, chapter: Path, book: Book, *options: str) -> str:
    """Write blocks of a chapter as `form` ("html5", "typst-smart"); raise SourceError for a formula pandoc does not know."""
    document = json.dumps({"pandoc-api-version": _API, "meta": {}, "blocks": blocks})
    text, log = _run(["-f", "json", "-t", form, "--wrap=none", *options], document, book, str(chapter))
    if failed := _UNKNOWN.search(log):
        before, found, _ = (book.root / chapter).read_text(encoding="utf-8").partition(failed[1])
        line = before.count("\n") + 1 if found else 0
        raise SourceError(chapter, line, f"unknown TeX: {failed[1]}", f"pandoc's words:\n{log}")
    return text
