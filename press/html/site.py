"""What the pages need around them: style sheets, scripts, figures, the book's own files and the search index."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from press.book import Book, Page
from press.html.page import HOME
from press.html.paths import figure, images
from press.read import globs

ASSETS = ("site.css", "site.js", "preview.js", "search.js")
NEEDED = ("pagefind-entry", "pagefind-worker")  # of the files that pagefind adds to its index
_SECTION = re.compile(r'<section id="([^"]+)"([^>]*)>\s*<h(\d)')
_UNREAD = re.compile(r'(?s)<annotation .*?</annotation>|<section id="footnotes".*?</section>')


def site(book: Book, pages: tuple[Page, ...], out: Path) -> None:
    """Put beside the pages, written into `out` already, everything else that makes the site."""
    (out / "site").mkdir(parents=True, exist_ok=True)
    for name in ASSETS:
        shutil.copyfile(HOME / "assets" / name, out / "site" / name)
    for page in pages:
        for source in images(page):
            _copy(book.root / source, out / figure(source, page.chapter))
    css = book.option("html", "css") or []
    icon = book.config["book"].get("favicon")
    for name in [*([css] if isinstance(css, str) else css), *([icon] if icon else [])]:
        _copy(book.root / name, out / name)
    for file in globs.files(book.root, book.resources, book.output_dir):
        _copy(book.root / file, out / file)
    (out / ".nojekyll").touch()
    _index(book, pages, out)


def _copy(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)


def _index(book: Book, pages: tuple[Page, ...], out: Path) -> None:
    """Write the search index; results point at sections, whose ids the index wants on their headings.

    By the program itself: the service that the Python package talks to is ended while it may still be writing.
    """
    from pagefind.service import get_executable

    with tempfile.TemporaryDirectory() as folder:
        for page in pages:
            text = (out / page.chapter.html).read_text(encoding="utf-8")
            file = Path(folder) / page.chapter.html
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_SECTION.sub(r'<section\2><h\3 id="\1"', _UNREAD.sub("", text)), encoding="utf-8")
        language = book.lang.partition("-")[0]
        command = [get_executable(), "--site", folder, "--output-path", out / "pagefind", "--force-language", language]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for file in (out / "pagefind").glob("pagefind-*"):
        if not file.name.startswith(NEEDED):  # the site has a search box of its own
            file.unlink()
