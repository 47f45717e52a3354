"""What a reader gets from a rendered book, whichever renderer made it: words, places, links, pictures; the PDF's words."""

from __future__ import annotations

import ctypes
import posixpath
import re
import unicodedata
from dataclasses import dataclass, field
from difflib import unified_diff
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pypdfium2
from pypdfium2 import raw as pdfium

VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
INLINE = {"a", "b", "code", "del", "em", "i", "kbd", "q", "small", "span", "strong", "sub", "sup", "u"}
UNREAD = {"annotation", "button", "script", "style", "svg"}
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u2060\u200b"))  # soft hyphen, word joiner, zero-width space

# Places that Quarto makes up itself, for its own scripts and styles; nothing is meant to lead to them.
MADE_UP = re.compile(r"[0-9a-f]{8}|.*-caption-[0-9a-f-]{36}|callout-\d+|quarto-.*|title-block-header")
# Where a warning came from, which press leaves out: it is another file each time.
WARNED = re.compile(r"/tmp/ipykernel_\d+/\d+\.py:\d+:\s*")
# Words that pdfium may run together with the one before, at the end of a line; they are too short to be compared.
SHORT = ("as", "at", "by", "of", "on", "or", "to")


@dataclass
class Reading:
    """One page, read from top to bottom."""

    title: str = ""
    chapters: list[str] = field(default_factory=list)  # addresses in the sidebar
    words: list[str] = field(default_factory=list)  # and marks: "1.5" is three of them
    places: list[str] = field(default_factory=list)  # ids that a link can lead to
    links: list[str] = field(default_factory=list)  # "words -> address"
    pictures: list[str] = field(default_factory=list)  # alternative texts


class _Reader(HTMLParser):
    def __init__(self, address: str) -> None:
        super().__init__()
        self.page, self.address = Reading(), address
        self.open: list[tuple[str, bool]] = []  # elements around, and whether they are unread
        self.where, self.depth, self.text = "", 0, ""  # in which of the parts read, how deep that part lies, its text
        self.link: tuple[str, int] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        part = "sidebar" if has.get("id") == "quarto-sidebar" else tag if tag in ("main", "title") else ""
        if part and not self.where:
            self.where, self.depth, self.text = part, len(self.open), ""
        unread = tag in UNREAD or "display: none" in has.get("style", "") or "data-pagefind-ignore" in has
        unread |= "quarto-page-breadcrumbs" in has.get("class", "").split()
        if tag not in VOID:
            self.open.append((tag, unread))
        if unread or any(hidden for _, hidden in self.open):
            return
        target = self._resolved(has.get("href", "")) if tag == "a" else ""
        if self.where == "sidebar" and target.endswith(".html") and target not in self.page.chapters:
            self.page.chapters.append(target)
        if self.where == "main":
            self.text += "" if tag in INLINE else "\n"
            if has.get("id") and not MADE_UP.fullmatch(has["id"]):
                self.page.places.append(has["id"])
            if tag == "img" or has.get("role") == "img":
                self.page.pictures.append(has.get("alt", has.get("aria-label", "")))
            if target:
                self.link = (target, len(self.text))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        while self.open and self.open.pop()[0] != tag:
            pass
        if tag == "title" and self.where == "title":
            self.page.title = " ".join(self.text.split())
        if self.where == "main":
            self.text += "" if tag in INLINE else "\n"
            if tag == "a" and self.link:
                target, start = self.link
                self.page.links.append(f"{' '.join(self.text[start:].split())} -> {target}")
                self.link = None
        if len(self.open) == self.depth:
            if self.where == "main":
                self.page.words = re.findall(r"\w+|[^\w\s]", self.text)
            self.where = ""

    def handle_data(self, data: str) -> None:
        if self.where and not any(hidden for _, hidden in self.open):
            self.text += data.translate(INVISIBLE)

    def _resolved(self, href: str) -> str:
        if not href or href.startswith("#") or "://" in href:
            return href
        path, hash_, fragment = href.partition("#")
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.address), path)) + hash_ + fragment


def page(html: str, address: str) -> Reading:
    """Read one page of the site."""
    reader = _Reader(address)
    reader.feed(WARNED.sub("", html))
    return reader.page


def site(root: Path) -> dict[str, Reading]:
    """Read every page of a site, by its address."""
    files = [file for file in sorted(root.rglob("*.html")) if not {"site_libs", "pagefind"} & set(file.parts)]
    return {
        str(file.relative_to(root)): page(file.read_text(encoding="utf-8"), str(file.relative_to(root)))
        for file in files
    }


def pdf(file: Path, titles: list[str]) -> dict[str, set[str]]:
    """Return the words, numbers and references of each chapter of a PDF, found by its title among the bookmarks.

    Left out is what differs by design: heads and feet of pages, tables of contents, and the line above a title.
    "Equation (1.1)" and "Chapter 1." are what the template that Quarto uses makes of Equation 1.1 and Chapter 1.
    """
    document = pypdfium2.PdfDocument(file)
    starts: dict[str, int] = {}
    for mark in document.get_toc():
        name = re.sub(r"^(\d+|[A-Z])\.? ", "", mark.get_title()).replace("’", "'")
        if name in titles or name.startswith("Part ") or name == "Appendices":
            starts.setdefault(name, mark.get_dest().get_index())
    later = dict(pairwise([*sorted(set(starts.values())), len(document)]))
    return {name: _words(document, start, later[start], name) for name, start in starts.items() if name in titles}


def addresses(file: Path) -> set[str]:
    """Return what the links of a PDF lead to outside it."""
    document, found = pypdfium2.PdfDocument(file), set()
    for sheet in document:
        position, link = ctypes.c_int(0), pdfium.FPDF_LINK()
        while pdfium.FPDFLink_Enumerate(sheet, ctypes.byref(position), ctypes.byref(link)):
            action = pdfium.FPDFLink_GetAction(link)
            if action and pdfium.FPDFAction_GetType(action) == pdfium.PDFACTION_URI:
                room = ctypes.create_string_buffer(pdfium.FPDFAction_GetURIPath(document, action, None, 0))
                pdfium.FPDFAction_GetURIPath(document, action, room, len(room))
                found.add(room.value.decode(errors="replace"))
    return found


def _words(document: pypdfium2.PdfDocument, first: int, last: int, title: str) -> set[str]:
    margin, text = 62, ""  # points
    for number in range(first, last):
        sheet = document[number]
        content = sheet.get_textpage().get_text_bounded(bottom=margin, top=sheet.get_height() - margin)
        text += "" if ". . . ." in content else content + "\n"
    text = re.sub("[\ufffe\x02\u00ad\u200b]\r?\n?", "", text)  # joins hyphenated words, and words that are too long
    text = re.sub("[\U0001d400-\U0001d7ff]", " ", text)  # letters of formulas, which are spaced in other ways
    text = unicodedata.normalize("NFKC", text)
    text = WARNED.sub("", " ".join(text.split()))
    for pattern, plain in (
        (rf"(Chapter|Appendix) (?=\w+ {re.escape(title)})", ""),
        (r"Equation \((\S+?)\)", r"Equation \1"),
        (r"(Chapter \d+|Appendix [A-Z])\.", r"\1"),
        (r"(?<=\w)- ?(?=[^\WA-Z])", ""),  # a hyphen may stand at the end of a line, or before a figure's caption
    ):
        text = re.sub(pattern, plain, text)
    references = r"(?:Figure|Table|Equation|Exercise|Section|Chapter|Appendix) (?:\d[\d.]*\d|\d|[A-Z](?:\.\d+)*)\b"
    return set(re.findall(rf"{references}|[^\W\d_]{{3,}}|\d[\d.,]*\d|\d", text))


def missing(words: set[str], there: set[str]) -> set[str]:
    """Return the words that are not there; pdfium may run a hyphenated word and the one on the next line together.

    It may do so with a power too: 2 to the 128th is read as 2 128 or as 2128.  A figure may stand between a word's halves.
    """
    return {
        word
        for word in words - there
        if not any(word[:cut] in there and word[cut:] in there for cut in range(3, len(word) - 2))
        and not (word[-2:] in SHORT and word[:-2] in there)
        and not any({word + other, other + word} & there for other in words if other.isalpha() and word.isalpha())
        and not ((power := re.fullmatch(r"(2|10)(\d+)", word)) and there.issuperset(power.groups()))
    }


def difference(quarto: list[str], press: list[str]) -> str:
    """Return what differs, "" if nothing does: - as Quarto has it, + as press has it."""
    return "\n".join(unified_diff(quarto, press, "quarto", "press", n=3, lineterm=""))
