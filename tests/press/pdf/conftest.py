"""A small book, set once for all tests; and a way to set one chapter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pdf_pages import page

from press import pdf
from press.book import Book, Chapter

HERE = Path(__file__).parent
ROOT_SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="460.8pt" height="273.6pt" viewBox="0 0 460.8 273.6">{}</svg>'
LINE = '<path d="M20 250 L440 30" stroke="#14507a" fill="none" stroke-width="3"/>'


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Book, dict[Path, str]]:
    """The book of sample.md: preface, two parts of one chapter each, references, an appendix; and its Typst sources."""
    root = tmp_path_factory.mktemp("book")
    (root / ".press/figures").mkdir(parents=True)
    (root / ".press/figures/spread.svg").write_text(ROOT_SVG.format(LINE))
    chapters = (
        Chapter(Path("index.qmd")),
        Chapter(Path("book/tanh.qmd"), "Starting weights", "1"),
        Chapter(Path("book/zero.qmd"), "Optimisers", "2"),
        Chapter(Path("references.qmd")),
        Chapter(Path("book/ledger.qmd"), None, "A", appendix=True),
    )
    titles = ("Preface", "What gain keeps a signal alive?", "Can all weights start at zero?", "References", "Ledger")
    book = Book(root, "Notes, Measured", chapters, "Put to the test", ("Ada Author",), "2026-01-31", "A book.", "en-GB")
    sources = (HERE / "sample.md").read_text().split("\n=====\n")
    pages = [page(*parts) for parts in zip(chapters, titles, sources, strict=True)]
    return book, {one.chapter.path: pdf.typst_source(one, book) for one in pages}


@pytest.fixture(scope="session")
def built(sample: tuple[Book, dict[Path, str]]) -> Path:
    """The sample book's PDF."""
    book, texts = sample
    pdf.typeset(book, texts, book.root / "_book/sample.pdf")
    return book.root / "_book/sample.pdf"


@pytest.fixture
def set_chapter(tmp_path: Path) -> Callable[[str], Path]:
    """Set one chapter from Markdown: -> its PDF."""

    def make(markdown: str) -> Path:
        chapter = Chapter(Path("book/one.qmd"), None, "1")
        book = Book(tmp_path, "Title", (chapter,))
        pdf.typeset(book, {chapter.path: pdf.typst_source(page(chapter, "One", markdown), book)}, tmp_path / "one.pdf")
        return tmp_path / "one.pdf"

    return make
