"""The finished files: each format from the same pages, side by side, into an empty folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from press import code_hash
from press.book import Book, Page
from press.build_record import digest
from press.resolve.references import linked
from press.text_cache import kept

Progress = Callable[[str, str, str], None]


def write(
    book: Book, pages: tuple[Page, ...], formats: list[str], out: Path, tell: Progress
) -> dict[str, dict[str, str]]:
    """Write the formats into an empty folder, side by side; return their files with their hashes."""
    writers = {"html": _write_html, "pdf": _write_pdf}
    with ThreadPoolExecutor(len(formats)) as pool:
        futures = {name: pool.submit(writers[name], book, pages, out / f".{name}", tell) for name in formats}
        for future in futures.values():
            future.result()
    written: dict[str, dict[str, str]] = {}
    for name in formats:
        part = out / f".{name}"
        files = sorted(path.relative_to(part) for path in part.rglob("*") if path.is_file())
        written[name] = {file.as_posix(): digest(part / file) for file in files}
        for file in files:
            (out / file).parent.mkdir(parents=True, exist_ok=True)
            (part / file).rename(out / file)
        shutil.rmtree(part)
    return written


def _write_html(book: Book, pages: tuple[Page, ...], out: Path, tell: Progress) -> None:
    from press import html

    for page in pages:
        tell("write", "html", page.chapter.source)
        file = out / page.chapter.html
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(html.write(page, book, pages), encoding="utf-8")
    tell("write", "html", "search index")
    html.site(book, pages, out)
    for name in linked(pages):  # a file that a page links to is part of the site, as in Quarto
        if (book.root / name).is_file() and not (out / name).exists():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(book.root / name, out / name)


def _write_pdf(book: Book, pages: tuple[Page, ...], out: Path, tell: Progress) -> None:
    from press import pdf

    texts = {}
    for page in pages:
        tell("write", "pdf", page.chapter.source)
        made_of = [code_hash.code(), code_hash.code("pdf"), repr(page.chapter), page.ident, page.text]
        made_of.append(str(book.config["book"].get("site-url")))  # where links to files lead
        folder = book.root / ".press/typst" / page.chapter.path.with_suffix("")
        texts[page.chapter.path] = kept(folder, made_of, partial(pdf.write, page, book))
    tell("write", "pdf", "typesetting")
    pdf.compile(book, texts, out / f"{book.output_file}.pdf")
