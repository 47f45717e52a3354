"""The book as everything else sees it: its chapters in order, and a page for each when it has been read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

Node = dict[str, Any]  # a pandoc block or inline, {"t": ..., "c": ...}
Keys = Mapping[str, str | None]  # by chapter: what identifies the outputs of its cells; None: they are run in any case
Progress = Callable[[str, str, str], None]  # event ("execute", "read", "write", ...), chapter or format, detail


@dataclass(frozen=True)
class Chapter:
    """One .qmd file and its place in the book."""

    path: Path  # relative to the root: book/tanh_gain.qmd
    part: str | None = None  # title of its part; None outside parts
    number: str | None = None  # "1", "A" in the appendices, None where unnumbered
    appendix: bool = False

    @property
    def html(self) -> str:
        """The page's address in the site: book/tanh_gain.html."""
        return self.path.with_suffix(".html").as_posix()

    @property
    def source(self) -> str:
        """The chapter as links and errors name it: book/tanh_gain.qmd."""
        return self.path.as_posix()

    @property
    def group(self) -> str:
        """What it stands under in a list of chapters: its part, "Appendices", or nothing."""
        return "Appendices" if self.appendix else self.part or ""


@dataclass(frozen=True)
class Book:
    """What _quarto.yml says."""

    root: Path  # absolute
    title: str
    chapters: tuple[Chapter, ...]  # in reading order, appendices last
    subtitle: str = ""
    authors: tuple[str, ...] = ()
    date: str = ""  # ISO, or as written
    description: str = ""
    lang: str = "en"
    output_dir: Path = Path("_book")  # relative to the root
    output_file: str = "book"  # stem of the PDF
    resources: tuple[str, ...] = ()  # patterns, as press.read.globs reads them
    bibliography: tuple[Path, ...] = ()  # relative to the root
    csl: Path | None = None  # relative to the root
    filters: tuple[Path, ...] = ()  # in Lua, relative to the root
    css: tuple[str, ...] = ()  # style sheets, relative to the root
    fonts: tuple[Path, ...] = ()  # folders with font files for the PDF, relative to the root
    favicon: str | None = None  # relative to the root
    pre_render: tuple[str, ...] = ()  # scripts or commands
    config: dict[str, Any] = field(default_factory=dict)  # the whole of _quarto.yml, checked
    variables: tuple[tuple[str, str], ...] = ()  # of its kernels' environment, beside the usual: a variant's
    libraries: tuple[str, ...] = ()  # installed modules that its kernels have from the beginning, where there are many
    outputs: Path = Path(".press")  # where cells/ and figures/ lie, relative to the root
    lenient: bool = False  # a cell that fails leaves a gap in the page: a variant's may lack what a chapter speaks of

    @property
    def settings(self) -> dict[str, Any]:
        """What stands under `book:`."""
        return self.config.get("book") or {}

    def option(self, fmt: str, name: str, default: Any = None) -> Any:
        """A setting of one format ("html", "typst"): the format's own, else the book's."""
        own = self.config.get("format", {}).get(fmt) or {}
        return own.get(name, self.config.get(name, default))

    @property
    def references_made_of(self) -> list[Path]:
        """The files that citations come from and pass through."""
        return [file for file in (*self.bibliography, self.csl, *self.filters) if file]

    @property
    def published(self) -> str:
        """The date in words where it is an ISO date, else as written: 31 January 2026."""
        try:
            day = date.fromisoformat(self.date)
        except ValueError:
            return self.date
        return f"{day.day} {day:%B %Y}"


@dataclass
class Page:
    """A chapter, read, executed and numbered, then resolved: what the writers write, who leave it as it is."""

    chapter: Chapter
    title: list[Node]  # inlines of the chapter's heading
    title_text: str
    ident: str  # of the chapter's heading: "sec-tanh-gain"
    blocks: list[Node]  # resolved pandoc AST without the chapter's heading
    description: str = ""  # how its first paragraph begins, in plain text
    ids: set[str] = field(default_factory=set)  # what links can lead to
    left_out: bool = False  # its cells have not been run: what stands here only says so

    @cached_property
    def text(self) -> str:
        """Title and blocks as JSON: what a writer makes its text of."""
        return json.dumps([self.title, self.blocks])
