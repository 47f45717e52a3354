"""A whole page: the text of a chapter in the site's frame."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from press.book import Book, Chapter, Page
from press.html import outward
from press.html.body import ChapterText
from press.html.paths import relative

HOME = Path(__file__).parent
_NARROW = """\
if (matchMedia("(max-width: 79.99rem)").matches) document.getElementById("quarto-margin-sidebar").open = false"""


def whole_page(page: Page, book: Book, pages: tuple[Page, ...], texts: Mapping[str, ChapterText]) -> str:
    """Return the page of one chapter as HTML; `texts` has all chapters, by their source."""
    from markupsafe import Markup

    chapter = page.chapter
    index = next(place for place, other in enumerate(pages) if other.chapter == chapter)
    home = chapter == book.chapters[0]
    own = texts[chapter.source]
    headings = iter(own.headings)
    site = outward.site_address(book)
    text: str = _template().render(
        book=book,
        page=page,
        home=home,
        root=relative(".", chapter) + "/",
        up=lambda path: relative(path, chapter),
        label=lambda other: _label(other.chapter, other.title_text),
        name=lambda other: Markup(texts[other.chapter.source].title),
        heading=lambda: Markup(next(headings)),  # they stand in the contents in the same order
        groups=[(name, list(group)) for name, group in groupby(pages, lambda page: page.chapter.group)],
        before=pages[index - 1] if index else None,
        after=pages[index + 1] if index + 1 < len(pages) else None,
        description=outward.description(page, book),
        picture=outward.card_picture(page, book),
        size=(outward.WIDTH, outward.HEIGHT),
        actions=outward.actions(page, book),
        css=book.css,
        icon=book.favicon,
        pdf=f"{book.output_file}.pdf" if "pdf" in book.downloads else "",
        repo=book.settings.get("repo-url", ""),
        footer=book.settings.get("page-footer", ""),
        address=f"{site}{chapter.html}" if site else "",
        theme=Markup((HOME / "assets/theme.js").read_text(encoding="utf-8").strip()),
        narrow=Markup(_NARROW),
        body=Markup(own.body),
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
    environment.filters["fingerprint"] = lambda script: b64encode(sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html.j2")


def _label(chapter: Chapter, title: str) -> str:
    """Return a chapter's name where there is only text: 1  Title; Appendix A — Title."""
    if chapter.number is None:
        return title
    return f"Appendix {chapter.number} — {title}" if chapter.appendix else f"{chapter.number}\u00a0 {title}"
