"""From the chapters' Typst sources to the PDF: one compilation, the same bytes from the same sources.

The sources are left in .press/pdf/, one file a chapter, so that an error of Typst names the chapter it is in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import typst

from press.book import Book, Chapter
from press.errors import SourceError
from press.files import write_whole
from press.pdf.markup import literal

WORK = Path(".press/pdf")  # relative to the root
TEMPLATE = Path(__file__).with_name("book.typ")


def typeset(book: Book, sources: Mapping[Path, str], out: Path) -> None:
    """Write the PDF of `book` to `out`; `sources` holds what `typst_source` returned, by the chapter's path.

    Chapters without a source are left out.  Raises SourceError, naming the chapter, for what Typst cannot set.
    """
    chapters = [chapter for chapter in book.chapters if chapter.path in sources]
    write_whole(book.root / WORK / "book.typ", TEMPLATE.read_text(encoding="utf-8"))
    for chapter in chapters:
        write_whole(book.root / _file(chapter), f'#import "/{WORK.as_posix()}/book.typ"\n\n{sources[chapter.path]}')
    main = book.root / WORK / "main.typ"
    write_whole(main, _main(book, chapters))
    try:
        pdf = typst.compile(main, root=book.root, ignore_system_fonts=True, timestamp=0)
    except typst.TypstError as error:
        raise _error(error, chapters) from error
    write_whole(out, pdf)


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
        f"  date: {literal(book.published)}, description: {literal(book.description)}, lang: {literal(lang)},",
        f"  region: {literal(region or None)}, paper: {literal(paper)}, depth: {depth})",
    ]
    part, parts = "", 0
    for chapter in chapters:
        if chapter.group != part and chapter.group:
            number = None
            if not chapter.appendix:
                parts += 1
                number = f"Part {_roman(parts)}"
            lines.append(f"#book.part({literal(number)}, {literal(chapter.group)})")
        part = chapter.group
        lines.append(f"#include {literal('/' + _file(chapter).as_posix())}")
    return "\n".join(lines) + "\n"


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
