"""A built site as its tests see it: the pages' links, ids, images and words, and what is wrong with them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

_VOID = {"meta", "link", "img", "br", "hr", "input", "col", "use", "path", "circle"}
_SILENT = {"script", "style", "annotation", "title", "svg"}
_ELSEWHERE = re.compile(r"(?i)(?:https?:)?//[\w.-]+\.\w+")
_NAMESPACES = ("http://www.w3.org/1998/Math/MathML", "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink")


@dataclass
class SitePage(HTMLParser):
    """What one page says and points at."""

    path: str  # relative to the site
    ids: list[str] = field(default_factory=list)
    targets: list[tuple[str, str, str]] = field(default_factory=list)  # tag, attribute, address
    images: list[dict[str, str]] = field(default_factory=list)
    references: list[tuple[str, str]] = field(default_factory=list)  # of every cross-reference: address, words
    words: str = ""  # of the main text, white space made plain

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._reference: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.ids.append(values["id"])
        self.targets += [(tag, name, values[name]) for name in ("href", "src", "action", "poster") if name in values]
        self.targets += [(tag, "srcset", part.split()[0]) for part in values.get("srcset", "").split(",") if part]
        if tag == "img" or values.get("role") == "img":
            self.images.append({"src": "inline", "alt": values.get("aria-label", "")} | values)
        if "quarto-xref" in values.get("class", "").split():
            self._reference = []
            self.references.append((values["href"], ""))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._reference is not None:
            self.references[-1] = (self.references[-1][0], "".join(self._reference).replace("\u00a0", " "))
            self._reference = None
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._reference is not None:
            self._reference.append(data)
        if "main" in self._open and not _SILENT & set(self._open):
            self.words += data


def read(site: Path) -> dict[str, SitePage]:
    """Return the site's pages by their path."""
    pages = {}
    for file in sorted(site.rglob("*.html")):
        page = SitePage(file.relative_to(site).as_posix())
        page.feed(file.read_text(encoding="utf-8"))
        page.words = " ".join(page.words.replace("\u2060", "").replace("\u2061", "").split())
        pages[page.path] = page
    return pages


def is_elsewhere(address: str) -> bool:
    """Say whether an address leaves the site."""
    return bool(re.match(r"(?i)[a-z][a-z0-9+.-]*:|//", address)) and not address.startswith("data:")


def dangling(site: Path, pages: dict[str, SitePage]) -> list[str]:
    """Return every internal link, image, style sheet or script that leads nowhere, with its page."""
    wrong = []
    for page in pages.values():
        for _, name, address in page.targets:
            if is_elsewhere(address) or address.startswith("data:"):
                continue
            path, _, fragment = address.partition("#")
            place = (
                posixpath.normpath(posixpath.join(posixpath.dirname(page.path), unquote(path))) if path else page.path
            )
            if not (site / place).is_file():
                wrong.append(f"{page.path}: {name}={address}: no file {place}")
            elif fragment and unquote(fragment) not in pages[place].ids:
                wrong.append(f"{page.path}: {name}={address}: no such place in {place}")
    return wrong


def fetched_from_elsewhere(site: Path, pages: dict[str, SitePage]) -> list[str]:
    """Return all that pages, style sheets, scripts and figures would fetch from another host."""
    wrong = [
        f"{page.path}: {tag} {name}={address}"
        for page in pages.values()
        for tag, name, address in page.targets
        if is_elsewhere(address) and (tag, name) != ("a", "href") and not _canonical(tag, name)
    ]
    for file in _parts(site):
        text = file.read_text(encoding="utf-8")
        for namespace in _NAMESPACES:
            text = text.replace(namespace, "")
        if file.suffix == ".svg":  # metadata names its vocabulary; only references count
            found = re.findall(r'(?:href|src)\s*=\s*["\'](?:https?:)?//[^"\']*|url\(["\']?(?:https?:)?//[^)]*', text)
        else:
            found = _ELSEWHERE.findall(re.sub(r"(?s)/\*.*?\*/|(?<!:)//[ \t].*", "", text))
        wrong += [f"{file.relative_to(site)}: {address}" for address in found]
    return wrong


def _canonical(tag: str, name: str) -> bool:
    return (tag, name) == ("link", "canonical")


def _parts(site: Path) -> Iterator[Path]:
    for suffix in (".css", ".js", ".svg"):
        yield from (file for file in sorted(site.rglob(f"*{suffix}")) if "pagefind" not in file.parts)


def outside_links(pages: dict[str, SitePage]) -> list[tuple[str, str]]:
    """Return the links for readers that leave the site: page, address."""
    return [
        (page.path, address)
        for page in pages.values()
        for tag, _, address in page.targets
        if tag == "a" and is_elsewhere(address)
    ]
