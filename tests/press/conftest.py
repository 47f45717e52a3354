"""Small books for press's tests: written by a test, or the fixture book with one of each construct."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from press.book import Page
from press.build import read_pages, read_sources
from press.read.project import read_project

FIXTURE_BOOK = Path(__file__).with_name("fixture_book")

SETTINGS = """\
project:
  type: book
  execute-dir: project
book:
  title: A book
  author: Nobody
  output-file: a-book
  chapters:
    - index.qmd
    - one.qmd
    - two.qmd
    - references.qmd
  appendices:
    - extra.qmd
bibliography: references.bib
execute:
  echo: false
format:
  html:
    html-math-method: mathml
  typst:
    citeproc: true
"""
CHAPTERS = {
    "_quarto.yml": SETTINGS,
    "index.qmd": "# Preface {.unnumbered}\n\nHello.\n",
    "one.qmd": "# One {#sec-one}\n\nText.\n",
    "two.qmd": "# Two {#sec-two}\n\nText.\n",
    "extra.qmd": "# Extra {#sec-extra}\n\nText.\n",
    "references.qmd": "# References {.unnumbered}\n\n::: {#refs}\n:::\n",
    "references.bib": "@book{euclid, author={Euclid of Alexandria}, title={Elements}, publisher={A Press}, year={1908}}\n"
    "@article{gauss, author={Gauss, Carl}, title={Counting}, journal={Numbers}, year={1801}}\n",
}

MakeBook = Callable[[Mapping[str, str]], Path]


@pytest.fixture(scope="session")
def read_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what reading the small book's own chapters leaves in .press, so that pandoc reads them once in all."""
    root = tmp_path_factory.mktemp("small")
    write_files(root, CHAPTERS)
    pages_of(root)
    return root / ".press"


@pytest.fixture
def make_book(tmp_path: Path, read_before: Path) -> MakeBook:
    """Write a small book of five pages, with some of its files replaced or added, and return its root."""

    def make(files: Mapping[str, str]) -> Path:
        if not (tmp_path / ".press").exists():
            shutil.copytree(read_before, tmp_path / ".press")
        write_files(tmp_path, {**CHAPTERS, **files})
        return tmp_path

    return make


def write_files(root: Path, files: Mapping[str, str]) -> None:
    """Write texts to files in `root`."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def pages_of(root: Path) -> dict[str, Page]:
    """Read a book up to its pages, by their path, as `render` does."""
    book = read_project(root)
    sources = read_sources(book)
    pages = read_pages(book, sources, dict.fromkeys(sources, "key"), lambda *_: None)
    return {page.chapter.source: page for page in pages}


def found(page: Page, kind: str, name: str = "") -> list[dict[str, Any]]:
    """Return a page's nodes of a kind, with a class or an id."""
    from press import pandoc_ast

    nodes = [node for node in pandoc_ast.every(page.blocks) if node["t"] == kind]
    return [node for node in nodes if not name or name in [pandoc_ast.triple(node)[0], *pandoc_ast.triple(node)[1]]]


@pytest.fixture(scope="session")
def fixture_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the fixture book to where it may be rendered."""
    root = tmp_path_factory.mktemp("fixture") / "book"
    shutil.copytree(FIXTURE_BOOK, root, ignore=shutil.ignore_patterns(".press", "_book"))
    return root


@pytest.fixture(scope="session")
def fixture_pages(fixture_book: Path) -> dict[str, Page]:
    """Return the fixture book's pages, executed."""
    return pages_of(fixture_book)
