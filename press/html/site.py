"""The site: each chapter in its frame, and what the pages need around them: style sheets, scripts, figures, the search index."""

from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from press.addresses import figure_path, relative
from press.book import Book, Chapter, Page, Progress
from press.errors import SourceError
from press.html import outward
from press.html.body import ChapterText, chapter_text
from press.read.project import site_files
from press.resolve.references import images, linked

HOME = Path(__file__).parent
_NARROW = """\
if (matchMedia("(max-width: 79.99rem)").matches) document.getElementById("quarto-margin-sidebar").open = false"""
ASSETS = ("site.css", "site.js", "preview.js", "search.js")
NEEDED = ("pagefind-entry", "pagefind-worker")  # of the files that pagefind adds to its index
_SECTION = re.compile(r'<section id="([^"]+)"([^>]*)>\s*<h(\d)')
_WEIGHT = {"h1": 10, "h2": 7, "h3": 5, "figcaption": 3}  # how much more than a word of the text one of these counts
_UNREAD = re.compile(r'(?s)<annotation .*?</annotation>|<section id="footnotes".*?</section>')


def write_site(book: Book, pages: tuple[Page, ...], out: Path, tell: Progress) -> None:
    """Write the site into the folder `out`: the pages and everything they need."""
    texts = {page.chapter.source: chapter_text(page, book) for page in pages}
    for page in pages:
        tell("write", "html", page.chapter.source)
        file = out / page.chapter.html
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_whole_page(page, book, pages, texts), encoding="utf-8")
        for source in images([page]):
            _copy(book.root / source, out / figure_path(source, page.chapter))
    for name in ASSETS:
        _copy(HOME / "assets" / name, out / "site" / name)
    for path in site_files(book):
        _copy(book.root / path, out / path)
    outward.write_lists(book, pages, out)
    (out / ".nojekyll").touch()
    tell("write", "html", "search index")
    _index(book, pages, out)
    for name in linked(pages):  # a file that a page links to is part of the site, as in Quarto
        if (book.root / name).is_file() and not (out / name).exists():
            _copy(book.root / name, out / name)


def _whole_page(page: Page, book: Book, pages: tuple[Page, ...], texts: Mapping[str, ChapterText]) -> str:
    """Return the page of one chapter as HTML; `texts` has all chapters, by their source."""
    from markupsafe import Markup

    chapter = page.chapter
    index = next(place for place, other in enumerate(pages) if other.chapter == chapter)
    home = chapter == book.chapters[0]
    own = texts[chapter.source]
    site = outward.site_address(book)
    text: str = _template().render(
        book=book,
        page=page,
        home=home,
        root=relative(".", chapter) + "/",
        up=lambda path: relative(path, chapter),
        label=lambda other: _label(other.chapter, other.title_text),
        name=lambda other: Markup(texts[other.chapter.source].title),
        groups=[(name, list(group)) for name, group in groupby(pages, lambda page: page.chapter.group)],
        before=pages[index - 1] if index else None,
        after=pages[index + 1] if index + 1 < len(pages) else None,
        description=outward.description(page, book),
        picture=outward.card_picture(page, book),
        size=(outward.WIDTH, outward.HEIGHT),
        actions=outward.actions(page, book),
        pdf=f"{book.output_file}.pdf" if "pdf" in (book.settings.get("downloads") or "") else "",
        address=f"{site}{chapter.html}" if site else "",
        theme=Markup((HOME / "assets/theme.js").read_text(encoding="utf-8").strip()),
        narrow=Markup(_NARROW),
        contents=Markup(own.contents),
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


def _copy(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)


def _index(book: Book, pages: tuple[Page, ...], out: Path) -> None:
    """Write the search index; results point at sections, whose ids the index wants on their headings.

    By the program itself: the service that the Python package talks to is ended while it may still be writing.
    """
    from pagefind.service import get_executable

    folder = book.root / ".press/search"  # in the book, so that what a killed render leaves the next one replaces
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for page in (page for page in pages if not page.left_out):
            text = (out / page.chapter.html).read_text(encoding="utf-8")
            file = folder / page.chapter.html
            file.parent.mkdir(parents=True, exist_ok=True)
            marked = _SECTION.sub(r'<section\2><h\3 id="\1"', _UNREAD.sub("", text))
            for name, weight in _WEIGHT.items():
                marked = re.sub(rf"<{name}\b", f'<{name} data-pagefind-weight="{weight}"', marked)
            if page.chapter.appendix or 'id="refs"' in text:  # found after the chapters that use what it lists
                marked = marked.replace("<main ", '<main data-pagefind-meta="appendix:yes" ', 1)
            file.write_text(marked, encoding="utf-8")
        language = book.lang.partition("-")[0]
        command = [get_executable(), "--site", folder, "--output-path", out / "pagefind", "--force-language", language]
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            hint = "\n".join(["is the disk full?", *done.stderr.strip().splitlines()[-5:]])
            what = f"it could not be written: pagefind ended with {done.returncode}"
            raise SourceError("search index", 0, what, hint)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for file in (out / "pagefind").glob("pagefind-*"):
        if not file.name.startswith(NEEDED):  # the site has a search box of its own
            file.unlink()
