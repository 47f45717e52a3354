"""Where a link leads: elsewhere, or to a place in the book; where pages and figures lie in the site, and how one points at another."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote

from press.book import Book, Chapter

_ELSEWHERE = re.compile(r"(?i)[a-z][a-z0-9+.-]*:|//")


def elsewhere(target: str) -> bool:
    """Say whether a link's target is an address (https://..., mailto:..., //...), not a path or a place in the book."""
    return _ELSEWHERE.match(target) is not None


def quoted(path: str) -> str:
    """Return a path as it stands in an address, where # ? and % have a meaning of their own."""
    return path.replace("%", "%25").replace("#", "%23").replace("?", "%3F")


def relative(target: str, chapter: Chapter) -> str:
    """Return a path of the site as an address in the chapter's page."""
    return quoted(posixpath.relpath(target, posixpath.dirname(chapter.html) or "."))


def href(target: str, chapter: Chapter, book: Book) -> str:
    """Return what a link's target, relative to the book's root, is in the chapter's page."""
    path, mark, fragment = target.partition("#")
    if not path or elsewhere(target):
        return target
    if path == chapter.source and fragment:
        return f"#{fragment}"
    page = next((other.html for other in book.chapters if other.source == path), unquote(path))
    return relative(page, chapter) + mark + fragment


def figure_path(source: str, chapter: Chapter) -> str:
    """Return the place in the site of an image: computed ones lie beside their page, as under Quarto."""
    if source.startswith(".press/"):
        folder = chapter.path.with_suffix("").as_posix()
        return f"{folder}_files/{posixpath.basename(source)}"
    return source
