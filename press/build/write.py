"""The finished files: each format from the same pages, side by side, into an empty folder."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from press.book import Book, Page, Progress
from press.files import cached_json, code_hash, digest


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

    html.write_site(book, pages, out, tell)


def _write_pdf(book: Book, pages: tuple[Page, ...], out: Path, tell: Progress) -> None:
    from press import pdf

    sources = {}
    for page in (page for page in pages if not page.left_out):
        tell("write", "pdf", page.chapter.source)
        made_of = [code_hash(), code_hash("pdf"), repr(page.chapter), page.ident, page.text]
        made_of.append(str(book.settings.get("site-url")))  # where links to files lead
        folder = book.root / ".press/typst" / page.chapter.path.with_suffix("")
        sources[page.chapter.path] = cached_json(folder, made_of, partial(pdf.typst_source, page, book))
    tell("write", "pdf", "typesetting")
    pdf.typeset(book, sources, out / f"{book.output_file}.pdf")
