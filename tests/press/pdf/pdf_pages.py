"""Pages in the form that the PDF writer gets: Markdown with the attributes that resolving would have added."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pypdfium2

from press.book import Chapter, Page
from press.pandoc import program


def blocks(markdown: str) -> list[dict[str, Any]]:
    """Pandoc's JSON of some Markdown."""
    command = [program(), "-f", "markdown", "-t", "json"]
    done = subprocess.run(command, input=markdown, capture_output=True, text=True, check=True)
    read: list[dict[str, Any]] = json.loads(done.stdout)["blocks"]
    return read


def page(chapter: Chapter, title: str, markdown: str) -> Page:
    """A page of the book, titled in plain words."""
    inlines = blocks(title)[0]["c"]
    return Page(chapter, inlines, title, f"sec-{chapter.path.stem}", blocks(markdown))


def text(path: Path) -> str:
    """The words of a PDF, lines joined and hyphens at their ends removed."""
    document = pypdfium2.PdfDocument(path)
    words = "\n".join(document[i].get_textpage().get_text_range() for i in range(len(document)))
    return " ".join(words.replace("\ufffe\r\n", "").replace("\x02\r\n", "").replace("\ufffe", "").split())
