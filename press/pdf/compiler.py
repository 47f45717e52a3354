"""From the chapters' Typst sources to the PDF: one compilation, the same bytes from the same sources.

The sources are left in .press/pdf/, one file a chapter, so that an error of Typst names the chapter it is in.
"""

from __future__ import annotations

import os
import re
import tempfile
from calendar import month_name
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import typst

from press.book import Book, Chapter
from press.errors import SourceError
from press.pdf.markup import literal

WORK = Path(".press/pdf")  # relative to the root
TEMPLATE = Path(__file__).with_name("book.typ")


def compile(book: Book, texts: Mapping[Path, str], out: Path) -> None:
    """Write the PDF of `book` to `out`; `texts` holds what `write` returned, by the chapter's path.

    Chapters without a text are left out.  Raises SourceError, naming the chapter, for what Typst cannot set.
    """
    chapters = [chapter for chapter in book.chapters if chapter.path in texts]
    _put(book.root / WORK / "book.typ", TEMPLATE.read_text(encoding="utf-8"))
    for chapter in chapters:
        _put(book.root / _file(chapter), f'#import "/{WORK.as_posix()}/book.typ"\n\n{texts[chapter.path]}')
    main = book.root / WORK / "main.typ"
    _put(main, _main(book, chapters))
    try:
        pdf = typst.compile(main, root=book.root, ignore_system_fonts=True, timestamp=0)
    except typst.TypstError as error:
        raise _error(error, chapters) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=out.parent, suffix=".pdf", delete=False) as aside:
        aside.write(pdf)
    os.chmod(aside.name, 0o644)
    os.replace(aside.name, out)


def _file(chapter: Chapter) -> Path:
    return WORK / chapter.path.with_suffix(".typ")


def _main(book: Book, chapters: list[Chapter]) -> str:
    """The book: its settings, then its parts and chapters in order."""
    authors = "".join(f"{literal(author)}, " for author in book.authors)
    depth = int(book.option("typst", "toc-depth", 3))  # 3 is Quarto's
    paper = book.option("typst", "papersize", "a4")
    lang, _, region = book.lang.partition("-")
    lines = [
        f'#import "/{WORK.as_posix()}/book.typ"',
        f"#show: book.whole.with(title: {literal(book.title)}, subtitle: {literal(book.subtitle)}, authors: ({authors}),",
        f"  date: {literal(_date(book.date))}, description: {literal(book.description)}, lang: {literal(lang)},",
        f"  region: {literal(region or None)}, paper: {literal(paper)}, depth: {depth})",
    ]
    part, parts = None, 0
    for chapter in chapters:
        heading = "Appendices" if chapter.appendix else chapter.part
        if heading != part and heading is not None:
            number = None
            if not chapter.appendix:
                parts += 1
                number = f"Part {_roman(parts)}"
            lines.append(f"#book.part({literal(number)}, {literal(heading)})")
        part = heading
        lines.append(f"#include {literal('/' + _file(chapter).as_posix())}")
    return "\n".join(lines) + "\n"


def _date(text: str) -> str:
    """2026-01-31 -> 31 January 2026; other dates as they are written."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return f"{day.day} {month_name[day.month]} {day.year}"


def _roman(number: int) -> str:
    """1 -> I, 4 -> IV; enough for the parts of a book."""
    out = ""
    for value, letters in ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")):
        out += letters * (number // value)
        number %= value
    return out


def _error(error: typst.TypstError, chapters: list[Chapter]) -> SourceError:
    """Typst's error as one of the chapter it points to."""
    place = re.search(rf"{re.escape(WORK.as_posix())}/(.+?\.typ):(\d+):(\d+)", error.diagnostic)
    hint = "\n".join([*error.hints, "Typst's words:", *error.diagnostic.strip().splitlines()])
    for chapter in chapters:
        if any(_file(chapter).as_posix() in seen for seen in [error.diagnostic, *error.trace]):
            return SourceError(chapter.path, 0, f"the PDF could not be set: {error.message}", hint)
    where = f"{WORK.as_posix()}/{place[1]}" if place else TEMPLATE.name
    return SourceError(where, 0, f"the PDF could not be set: {error.message}", hint)


def _put(path: Path, text: str) -> None:
    """Write a file only where it changed."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
