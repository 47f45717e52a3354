"""A whole page: the text of a chapter in the site's frame."""

from __future__ import annotations

import json
from datetime import date
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any

from press import code_hash
from press.book import Book, Chapter, Heading, Page
from press.html import inlines
from press.html.body import body
from press.html.paths import relative
from press.text_cache import kept

HOME = Path(__file__).parent


def write(page: Page, book: Book, pages: tuple[Page, ...]) -> str:
    """Return the page of one chapter as HTML."""
    from markupsafe import Markup

    chapter = page.chapter
    index = next(place for place, other in enumerate(pages) if other.chapter == chapter)
    home = chapter == book.chapters[0]
    settings = book.config.get("book") or {}
    text: str = _template().render(
        book=book,
        page=page,
        home=home,
        root=relative(".", chapter) + "/",
        up=lambda path: relative(path, chapter),
        label=lambda other: label(other.chapter, other.title_text),
        name=lambda other: Markup(inlines.html(other.title, other.chapter.path, book.root)),
        heading=lambda entry: Markup(_heading(entry, chapter, book)),
        groups=_groups(pages),
        before=pages[index - 1] if index else None,
        after=pages[index + 1] if index + 1 < len(pages) else None,
        description=(home and " ".join(book.description.split())) or page.description or page.title_text,
        published=_published(book.date),
        css=_texts(book.option("html", "css")),
        icon=settings.get("favicon"),
        pdf=f"{book.output_file}.pdf" if "pdf" in _texts(settings.get("downloads")) else "",
        repo=settings.get("repo-url", ""),
        footer=settings.get("page-footer", ""),
        address=f"{settings['site-url'].rstrip('/')}/{chapter.html}" if settings.get("site-url") else "",
        theme=Markup((HOME / "assets/theme.js").read_text(encoding="utf-8").strip()),
        body=Markup(_body(page, book)),
    )
    return text


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(HOME)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["curly"] = lambda words: words.replace("'", "\u2019")  # as Quarto sets what _quarto.yml says
    return environment.get_template("page.html.j2")


def _body(page: Page, book: Book) -> str:
    """Return the chapter's text, the one kept in .press/html if nothing changed."""
    chapters = [chapter.source for chapter in book.chapters]
    made_of = json.dumps([chapters, page.chapter.source]) + page.text
    folder = book.root / ".press/html" / page.chapter.path.with_suffix("")
    text = kept(folder, [code_hash.code(), code_hash.code("html"), made_of], partial(body, page, book))
    if page.chapter == book.chapters[0]:  # the book's title is the heading of this page
        for level in range(5, 0, -1):
            text = text.replace(f"<h{level}", f"<h{level + 1}").replace(f"</h{level}>", f"</h{level + 1}>")
    return text


def _groups(pages: tuple[Page, ...]) -> list[tuple[str, list[Page]]]:
    """Return the pages by part, as the sidebar shows them."""

    def part(page: Page) -> str:
        return "Appendices" if page.chapter.appendix else page.chapter.part or ""

    return [(name, list(group)) for name, group in groupby(pages, part)]


def _heading(entry: Heading, chapter: Chapter, book: Book) -> str:
    number = f'<span class="header-section-number">{entry.number}</span> ' if entry.number else ""
    return number + inlines.html(entry.inlines, chapter.path, book.root)


def _published(day: str) -> str:
    try:
        when = date.fromisoformat(day)
    except ValueError:
        return day
    return f"{when.day} {when:%B %Y}"


def _texts(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def label(chapter: Chapter, title: str) -> str:
    """Return a chapter's name where there is only text: 1  Title; Appendix A — Title."""
    if chapter.number is None:
        return title
    return f"Appendix {chapter.number} — {title}" if chapter.appendix else f"{chapter.number}\u00a0 {title}"
