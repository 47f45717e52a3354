"""References, links and images that lead where they should, or are refused."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree

from press import pandoc_ast
from press.addresses import elsewhere
from press.book import Book, Node, Page
from press.read.qmd import Source, prefix

_IN_RAW = re.compile(
    r"""(?i)<(?:img|a|source|video|audio|object|iframe)\b[^>]*?\s(?:src|href|data)\s*=\s*["']([^"'#?]+)"""
)
_BEGINS = {"png": rb"\x89PNG\r\n", "jpg": rb"\xff\xd8\xff", "gif": rb"GIF8", "webp": rb"RIFF....WEBP"}


class Label(NamedTuple):
    """Where a label is, and what a reference to it says."""

    page: str
    word: str  # "Figure", "Chapter"
    number: str


def images(pages: Iterable[Page]) -> set[str]:
    """Return the images that the pages show, relative to the root."""
    return {node["c"][2][0] for node in _nodes(pages) if node["t"] == "Image"}


def linked(pages: Iterable[Page]) -> set[str]:
    """Return the files that the pages link to, relative to the root."""
    links = [node for node in _nodes(pages) if node["t"] == "Link" and "file" in pandoc_ast.triple(node)[1]]
    return {unquote(link["c"][2][0].partition("#")[0]) for link in links}


def _nodes(pages: Iterable[Page]) -> Iterator[Node]:
    return (node for page in pages for node in pandoc_ast.every(page.blocks))


@dataclass
class Resolver:
    """The rule that resolves one page's references, links and images."""

    book: Book
    pages: Mapping[str, Page]
    labels: Mapping[str, Label]
    published: Collection[Path]
    source: Source

    def rule(self, node: Node) -> Node | list[Node] | None:
        """Resolve one node, as `pandoc_ast.change` wants it."""
        match node["t"]:
            case "Span" if "press-references" in pandoc_ast.triple(node)[1]:
                found = [self._reference(part) for part in node["c"][1]]
                return [piece for link in found for piece in (pandoc_ast.text(", "), link)][1:]
            case "Link":
                self._resolve_link(node)
            case "Image":
                self._resolve_image(node)
            case "RawBlock" | "RawInline":
                self._check_raw(node["c"][1])
        return None

    def _check_raw(self, html: str) -> None:
        """Refuse a picture or link in raw HTML to a file of the book that is not part of the site."""
        for target in _IN_RAW.findall(html):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(self.source.file), unquote(target)))
            if not elsewhere(target) and (self.book.root / path).is_file() and Path(path) not in self.published:
                hint = "write ![](file) or [words](file), or name it under project.resources"
                raise self.source.error(target, f"raw HTML names {target}, which is not part of the site", hint)

    def _reference(self, part: Node) -> Node:
        written = pandoc_ast.get(part, "label")
        name = written[:1].lower() + written[1:]
        if after := pandoc_ast.get(part, "after").strip():
            hint = f"put it after the bracket: [@{written}] {after}"
            raise self.source.error(f"@{written}", f"words after the label {name}: {after}", hint)
        label, before = self.labels.get(name), part["c"][1]
        if label is None:
            raise self.source.error(f"@{written}", f"nothing is labelled {name}", self._near(name))
        if prefix(name) == "sec" and not self.pages[self.source.file].chapter.number:
            hint = "Quarto prints its title on the site and its number in the PDF; write a link: [words](file.qmd)"
            raise self.source.error(f"@{written}", f"a reference to {name} on an unnumbered page", hint)
        words = before or ([] if pandoc_ast.get(part, "mode") == "SuppressAuthor" else [pandoc_ast.text(label.word)])
        gap = {"t": "Space"} if prefix(name) == "sec" and not before else pandoc_ast.text("\u00a0")
        whole = prefix(name) == "sec" and self.pages[label.page].ident == name and label.page != self.source.file
        target = label.page if whole else f"{label.page}#{name}"
        said = [*words, *([gap] if words else []), pandoc_ast.text(label.number)]
        return {"t": "Link", "c": [pandoc_ast.attr("", ["xref"]), said, [target, ""]]}

    def _near(self, name: str) -> str:
        nodes = (node for page in self.pages.values() for node in pandoc_ast.every(page.blocks))
        if any(node["t"] == "Image" and pandoc_ast.triple(node)[0] == name for node in nodes):
            return "it is the label of a picture in a line of text, or without a caption: put it in a paragraph of its own, and a caption in its brackets"
        if any(name in page.ids for page in self.pages.values()):
            return "it is the label of an unnumbered heading; link to it instead, or number it"
        near = get_close_matches(name, list(self.labels), 3)
        return f"did you mean {' or '.join(near)}?" if near else "label it, or correct the reference"

    def _resolve_link(self, node: Node) -> None:
        target, classes = node["c"][2][0], pandoc_ast.triple(node)[1]
        if "xref" in classes or elsewhere(target):
            return
        if target.startswith("#ref-"):
            node["c"][2][0] = self._references_page() + target
            classes.append("cite")
            return
        path, _, fragment = target.partition("#")
        if not path:
            owners = [self.source.file, *self.pages]
            path = next((file for file in owners if fragment in self.pages[file].ids), self.source.file)
            node["c"][2][0] = target if path == self.source.file else f"{path}#{fragment}"
        if path in self.pages:
            if fragment and fragment not in self.pages[path].ids and not self.pages[path].left_out:
                hint = "correct the link, or label the place"
                raise self.source.error(f"#{fragment}", f"{path} has no #{fragment}", hint)
        elif (self.book.root / unquote(path)).is_file():
            classes.append("file")
        else:
            what, hint = f"there is no {unquote(path)} to link to", "correct the path, or make the file"
            if (self.book.root / unquote(path)).is_dir():
                what, hint = f"{unquote(path)} is a folder, which a site cannot show", "link to a file in it"
            raise self.source.error(path.rpartition("/")[2], what, hint)

    def _references_page(self) -> str:
        page = next((file for file, page in self.pages.items() if "refs" in page.ids), None)
        if page is None:
            hint = "list a references.qmd with a div ::: {#refs} among the chapters"
            raise self.source.error(0, "it cites, but no page of the book has the references", hint)
        return page

    def _resolve_image(self, node: Node) -> None:
        source = node["c"][2][0]
        file = self.book.root / source
        if wrong := _unfit(source, file):
            raise self.source.error(source.rpartition("/")[2], *wrong)
        if file.suffix == ".svg" and source.startswith(".press/"):
            head = file.read_text(encoding="utf-8")[:2000]
            for side in ("width", "height"):
                if points := re.search(rf'<svg[^>]*\s{side}="([\d.]+)pt"', head):
                    pandoc_ast.put(node, side, f"{float(points[1]) / 72:.4g}in")


def _unfit(source: str, file: Path) -> tuple[str, str] | None:
    """Return what is wrong with a picture and what to do; None if nothing is."""
    if elsewhere(source):
        return f"an image from elsewhere: {source}", "put the file into the book; nothing is fetched from elsewhere"
    if not file.is_file():
        return f"there is no image {source}", "correct the path, or make the file"
    if source.startswith(".press/"):
        return None
    content, kind = file.read_bytes(), file.suffix.lower().removeprefix(".").replace("jpeg", "jpg")
    if kind == "svg":
        try:
            if not ElementTree.fromstring(content).tag.endswith("svg"):
                return f"{source}: it is no SVG", "save it again"
        except ElementTree.ParseError as error:
            return f"{source}: it is no SVG ({error})", "save it again"
        what = f"{source}: it holds HTML (a foreignObject), which a PDF cannot show"
        html = re.search(rb"<(\w+:)?foreignObject\b", content)
        return (what, "save it with its text as paths or text elements") if html else None
    if kind not in _BEGINS:
        what = f"{source}: browsers or Typst show no {kind or 'such'} picture"
        return what, f"save it as svg, {', '.join(_BEGINS)}"
    found = next((name for name, begin in _BEGINS.items() if re.match(begin, content, re.DOTALL)), "")
    what = f"{source}: it is {f'a {found}' if found else 'no picture'}, not the {kind} that its name says"
    return None if found == kind else (what, "rename it, or save it again")
