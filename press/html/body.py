"""The text of a page: the resolved document as HTML with Quarto's ids, classes and words.

What Quarto adds to Markdown becomes raw HTML and attributes around pandoc's own blocks; pandoc writes the rest.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from press import pandoc
from press.addresses import figure_path, href, relative
from press.book import Book, Node, Page
from press.files import cached_json, code_hash
from press.html import boxes
from press.html.boxes import raw
from press.html.maths import spaced
from press.pandoc_ast import Rewriter, attr, div, get, plain, span, text, triple, words
from press.resolve.quarto_ast import FILE

_SIZE = re.compile(r"([\d.]+)(px|in|cm|mm|%)?$")
_PIXELS = {"px": 1.0, None: 1.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4}
_CUT = "<!-- press -->\n"  # between texts that pandoc writes in one go
_PARTS = Path(__file__).with_name("assets") / "parts.html"


class ChapterText(NamedTuple):
    """One chapter as HTML."""

    contents: str  # a list of its sections, without links, notes and anchors of its own; "" where there are none
    title: str
    body: str  # without the title


def chapter_text(page: Page, book: Book) -> ChapterText:
    """Return a chapter's contents, title and text, those kept in .press/html if nothing changed."""
    made_of = [code_hash(), code_hash("html"), *(chapter.source for chapter in book.chapters)]
    folder = book.root / ".press/html" / page.chapter.path.with_suffix("")
    return ChapterText(*cached_json(folder, [*made_of, page.chapter.source, page.text], lambda: _write(page, book)))


def _write(page: Page, book: Book) -> tuple[str, str, str]:
    blocks = [plain(page.title), raw(_CUT), *_Writer(page, book).rewrite(page.blocks)]
    options = ["--mathml", "--section-divs", "--email-obfuscation=none"]
    options += ["--toc", "--toc-depth=6", f"--template={_PARTS}", "--metadata=pagetitle:-"]
    html = spaced(pandoc.to_text(blocks, "html5", page.chapter.path, book, *options))
    contents, title, body = html.split(_CUT)
    if page.chapter == book.chapters[0]:  # the book's title is the heading of this page
        for level in range(5, 0, -1):
            body = body.replace(f"<h{level}", f"<h{level + 1}").replace(f"</h{level}>", f"</h{level + 1}>")
    return re.sub(r' id="[^"]*"', "", contents.strip()), title.strip(), body


def _kind(node: Node) -> str:
    kind: str = node["c"][0]["t"] if node["t"] == "Math" else node["t"]
    return kind


def _together(before: Node, *more: Node) -> Node:
    """Return these inlines as one that no line breaks; word joiners do not hold browsers back from a formula."""
    inside = before["c"][1] if before["t"] == "Span" and triple(before)[1] == ["together"] else [before]
    return span([*inside, *more], classes=["together"])


class _Writer(Rewriter):
    """Turns the document of one page into one that pandoc can write as HTML."""

    def __init__(self, page: Page, book: Book) -> None:
        self.chapter, self.book = page.chapter, book

    def rewrite(self, nodes: list[Node]) -> list[Node]:
        """Return blocks or inlines in their final form."""
        out: list[Node] = []
        last = ""
        for node in nodes:
            here = self.node(node)
            if {last, _kind(node)} == {"Str", "InlineMath"}:  # it stays with its brackets and its full stop
                here = [_together(out.pop(), *here)]
            last = _kind(node)
            out += here
        return out

    def node(self, node: Node) -> list[Node]:
        """Return what stands for one block or inline."""
        match node["t"]:
            case "Div":
                return self._div(node)
            case "Header":
                level, own, inlines = node["c"]
                number = get(node, "number")
                start = [span([text(number)], classes=["header-section-number"]), text(" ")] if number else []
                return [{"t": "Header", "c": [level, own, [*start, *self.rewrite(inlines)]]}]
            case "Table":
                (ident, classes, pairs), *rest = node["c"]
                table = {"t": "Table", "c": [[ident, [*classes, "table"], pairs], *self.inside(rest)]}
                return [div([table], classes=["table-scroll"])]
            case "Figure":  # an image alone in its paragraph
                _, (_, caption), content = node["c"]
                parts = [raw('<figure class="figure">'), *self.rewrite(content), raw("<figcaption>")]
                parts += [*self.rewrite(caption), raw("</figcaption></figure>")]
                return [div(parts, classes=["quarto-figure", "quarto-figure-center"])]
            case "Image":
                return [self._image(node)]
            case "Link":
                return [self._link(node)]
            case "Span" if "equation" in triple(node)[1]:
                numbered = span([text(f"({get(node, 'number')})")], classes=["equation-number"])
                return [span([*self.rewrite(node["c"][1]), numbered], triple(node)[0], ["equation"])]
            case "Math" if node["c"][0]["t"] == "DisplayMath":
                return [span([node], classes=["math-scroll"])]
        return super().node(node)

    def _link(self, node: Node) -> Node:
        (ident, classes, pairs), inlines, (target, title) = node["c"]
        if "cite" in classes:
            pairs = [*pairs, ["role", "doc-biblioref"]]
        names = ["quarto-xref" if name == "xref" else name for name in classes if name not in ("cite", "file")]
        to = href(target, self.chapter, self.book)
        return {"t": "Link", "c": [[ident, names, pairs], self.rewrite(inlines), [to, title]]}

    def _image(self, node: Node) -> Node:
        (ident, classes, _), inlines, (source, title) = node["c"]
        sizes = {}
        for name in ("width", "height"):
            if size := _SIZE.match(get(node, name)):
                sizes[name] = size[0] if size[2] == "%" else f"{float(size[1]) * _PIXELS[size[2]]:.0f}"
        own = attr(ident, [*classes, "img-fluid", "figure-img"], {**sizes, "alt": get(node, "alt") or words(inlines)})
        return {"t": "Image", "c": [own, [], [relative(figure_path(source, self.chapter), self.chapter), title]]}

    def _div(self, node: Node) -> list[Node]:
        (ident, classes, pairs), content = node["c"]
        if FILE in classes:
            return []
        inside = self.rewrite(content)
        for name, box in boxes.BOXES.items():
            if name in classes:
                return box(node, inside)
        if "output" in classes:
            classes = ["cell-output", *(f"cell-{name}" for name in classes if name != "output")]
        return [div(inside, ident, classes, dict(pairs))]
