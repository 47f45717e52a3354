"""From the chapters' Typst sources to the PDF: one compilation, the same bytes from the same sources.

The sources are left in .press/pdf/, one file a chapter, so that an error of Typst names the chapter it is in.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typst

from press.book import Book, Chapter, Page, Progress
from press.errors import SourceError
from press.files import cached_json, code_hash, write_whole
from press.pdf.markup import literal
from press.pdf.writer import typst_source
from press.read.qmd import read_text
from press.read.settings import FILE

WORK = Path(".press/pdf")  # relative to the root
TEMPLATE = Path(__file__).with_name("book.typ")
_NOBODYS = "\U0010fffd"  # private use, in no font: what its box looks like, every other one does
_PAGE = '#set page(width: 20pt, height: 20pt, margin: 2pt)\n#set text(font: "Libertinus Serif")\n'


def write_pdf(book: Book, pages: Iterable[Page], out: Path, tell: Progress) -> None:
    """Write the book's PDF into the folder `out`; the Typst of chapters that have not changed is kept in .press/typst."""
    sources = {}
    for page in (page for page in pages if not page.left_out):
        tell("write", "pdf", page.chapter.source)
        made_of = [code_hash(), code_hash("pdf"), repr(page.chapter), page.ident, page.text]
        made_of.append(str(book.settings.get("site-url")))  # where links to files lead
        folder = book.root / ".press/typst" / page.chapter.path.with_suffix("")
        sources[page.chapter.path] = cached_json(folder, made_of, partial(typst_source, page, book))
    tell("write", "pdf", "typesetting")
    typeset(book, sources, out / f"{book.output_file}.pdf")


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
    _check_letters(book, {chapter: sources[chapter.path] for chapter in chapters})
    fonts: Any = [book.root / folder for folder in book.fonts]
    try:
        pdf = typst.compile(main, root=book.root, ignore_system_fonts=True, font_paths=fonts, timestamp=0)
    except typst.TypstError as error:
        if "decode" in error.message:  # a picture's, which it does not name
            _check_pictures(book, sources)
        raise _error(error, chapters) from error
    write_whole(out, pdf)


def missing_letters(texts: Iterable[str], fonts: Sequence[Path], root: Path) -> list[str]:
    """Return the characters of these texts that Typst's own fonts and those in the folders `fonts` do not have.

    Arabic counts as missing without a font of its own: Typst's has its letters, but unjoined.
    """
    signs = {sign for sign in set().union(*texts) if ord(sign) > 0x17F and unicodedata.category(sign)[0] in "LNSP"}
    unjoined = {sign for sign in signs if unicodedata.bidirectional(sign) == "AL" and not fonts}
    wanted = sorted(signs - unjoined)
    files = [file for folder in fonts for file in sorted((root / folder).rglob("*")) if file.is_file()]
    made_of = [version("typst"), "".join(wanted), json.dumps([[str(f), f.stat().st_mtime_ns] for f in files])]

    def make() -> list[str]:
        pages = [f"#{literal(sign)}" for sign in (_NOBODYS, *wanted)]
        text = (_PAGE + "\n#pagebreak()\n".join(pages)).encode()
        places: Any = [root / folder for folder in fonts]
        svg: Any = typst.compile(text, format="svg", ignore_system_fonts=True, font_paths=places)
        box, *shown = svg  # a list, one for each page
        return [sign for sign, page in zip(wanted, shown, strict=True) if page == box]

    found: list[str] = cached_json(root / ".press/letters", made_of, make) if wanted else []
    return sorted({*found, *unjoined})


def _check_letters(book: Book, sources: Mapping[Chapter, str]) -> None:
    """Refuse the first character that no font has, with its chapter and line."""
    shown = {chapter.source: text for chapter, text in sources.items()} | {FILE: _main(book, [])}
    if not (lost := missing_letters(shown.values(), book.fonts, book.root)):
        return
    file = next(file for file, text in shown.items() if lost[0] in text)
    lines = enumerate(read_text(book.root, file).split("\n"), 1)
    line = next((number for number, text in lines if lost[0] in text), 0)
    others = f", nor for {' '.join(lost[1:8])}{' ...' if len(lost) > 8 else ''}" if lost[1:] else ""
    hint = (
        "put a font file that has it into a folder of the book, and name the folder in _quarto.yml as\n"
        "format:\n  typst:\n    font-paths: fonts"
    )
    raise SourceError(file, line, f"the PDF has no letter for {lost[0]} (U+{ord(lost[0]):04X}){others}", hint)


def _check_pictures(book: Book, sources: Mapping[Path, str]) -> None:
    """Refuse the first picture that Typst cannot read, with its chapter and line."""
    for chapter, text in sources.items():
        for picture in re.findall(r'book\.picture\("/((?:[^"\\]|\\.)*)"', text):
            alone: Any = f'#image("/{picture}")'.encode()
            try:
                typst.compile(alone, root=book.root, ignore_system_fonts=True)
            except typst.TypstError as error:
                name = picture.rpartition("/")[2]
                lines = enumerate(read_text(book.root, chapter).split("\n"), 1)
                line = next((number for number, written in lines if name in written), 0)
                raise SourceError(chapter, line, f"{picture}: {error.message}", "save the picture again") from error


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
            parts += not chapter.appendix
            number = "none" if chapter.appendix else f'"Part " + numbering("I", {parts})'
            lines.append(f"#book.part({number}, {literal(chapter.group)})")
        part = chapter.group
        lines.append(f"#include {literal('/' + _file(chapter).as_posix())}")
    return "\n".join(lines) + "\n"


def _error(error: typst.TypstError, chapters: list[Chapter]) -> SourceError:
    """Typst's error as one of the chapter it points to."""
    hint = "\n".join([*error.hints, "Typst's words:", *error.diagnostic.strip().splitlines()])
    seen = "\n".join([error.diagnostic, *error.trace])
    file = next((chapter.source for chapter in chapters if _file(chapter).as_posix() in seen), TEMPLATE.name)
    return SourceError(file, 0, f"the PDF could not be set: {error.message}", hint)
