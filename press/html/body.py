"""The text of a page: the resolved document as HTML with Quarto's ids, classes and words.

What Quarto adds to Markdown becomes raw HTML and attributes around pandoc's own blocks; pandoc writes the rest.
"""

from __future__ import annotations

import re
from typing import Any

from press import pandoc_ast
from press.book import Book, Node, Page
from press.html import boxes, markup
from press.html.markup import attributes, raw, raw_inline
from press.html.paths import figure, href, relative

_SIZE = re.compile(r"([\d.]+)(px|in|cm|mm|%)?$")
_PIXELS = {"px": 1.0, None: 1.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4}
_SPACE: Node = {"t": "Space"}


def body(page: Page, book: Book) -> str:
    """Return the content of a page, without its title, as HTML."""
    return markup.html(Writer(page, book).blocks(page.copy().blocks), page.chapter.path, book.root)


def _kind(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    kind: str = value["c"][0]["t"] if value["t"] == "Math" else value["t"]
    return kind


def _together(before: Node, *more: Node) -> Node:
    """Return these inlines as one that no line breaks; word joiners do not hold browsers back from a formula."""
    inside = before["c"][1] if before["t"] == "Span" and pandoc_ast.triple(before)[1] == ["together"] else [before]
    return pandoc_ast.span([*inside, *more], classes=["together"])


class Writer:
    """Turns the document of one page into one that pandoc can write as HTML."""

    def __init__(self, page: Page, book: Book) -> None:
        self.chapter, self.book = page.chapter, book
        self.alt = ""  # of the figure around

    def blocks(self, nodes: list[Node]) -> list[Node]:
        """Return blocks or inlines in their final form."""
        result: list[Node] = self._walk(nodes)
        return result

    def _walk(self, value: Any) -> Any:
        if isinstance(value, list):
            out: list[Any] = []
            last = ""
            for item in value:
                if isinstance(item, dict) and "t" in item:
                    here = self.node(item)
                    if {last, _kind(item)} == {"Str", "InlineMath"}:  # it stays with its brackets and its full stop
                        here = [_together(out.pop(), *here)]
                    last = _kind(item)
                    out += here
                else:
                    out.append(self._walk(item))
            return out
        if isinstance(value, dict):
            return self.node(value)[0] if "t" in value else {key: self._walk(item) for key, item in value.items()}
        return value

    def node(self, node: Node) -> list[Node]:
        """Return what stands for one block or inline."""
        match node["t"]:
            case "Div":
                return self._div(node)
            case "Header":
                return [self._header(node)]
            case "Table":
                (ident, classes, pairs), *rest = node["c"]
                table = {"t": "Table", "c": [[ident, [*classes, "table"], pairs], *self._walk(rest)]}
                return [pandoc_ast.div([table], classes=["table-scroll"])]
            case "Figure":  # an image alone in its paragraph
                _, (_, caption), content = node["c"]
                parts = [raw('<figure class="figure">'), *self.blocks(content), raw("<figcaption>")]
                parts += [*self.blocks(caption), raw("</figcaption></figure>")]
                return [pandoc_ast.div(parts, classes=["quarto-figure", "quarto-figure-center"])]
            case "Image":
                return [self._image(node)]
            case "Link":
                return [self._link(node)]
            case "Span" if "equation" in pandoc_ast.triple(node)[1]:
                number = pandoc_ast.span(
                    [pandoc_ast.text(f"({pandoc_ast.get(node, 'number')})")], classes=["equation-number"]
                )
                return [pandoc_ast.span([*self.blocks(node["c"][1]), number], pandoc_ast.triple(node)[0], ["equation"])]
            case "Math" if node["c"][0]["t"] == "DisplayMath":
                return [pandoc_ast.span([node], classes=["math-scroll"])]
        return [{"t": node["t"], "c": self._walk(node["c"])} if "c" in node else node]

    def _header(self, node: Node) -> Node:
        level, attr, inlines = node["c"]
        number = pandoc_ast.get(node, "number")
        start = (
            [pandoc_ast.span([pandoc_ast.text(number)], classes=["header-section-number"]), _SPACE] if number else []
        )
        return {"t": "Header", "c": [level, attr, [*start, *self.blocks(inlines)]]}

    def _link(self, node: Node) -> Node:
        (ident, classes, pairs), inlines, (target, title) = node["c"]
        if "cite" in classes:
            pairs = [*pairs, ["role", "doc-biblioref"]]
        names = ["quarto-xref" if name == "xref" else name for name in classes if name not in ("cite", "file")]
        to = href(target, self.chapter, self.book)
        return {"t": "Link", "c": [[ident, names, pairs], self.blocks(inlines), [to, title]]}

    def _image(self, node: Node) -> Node:
        (ident, classes, pairs), inlines, (source, title) = node["c"]
        options = dict(pairs)
        pixels, style = {}, ""
        for name in ("width", "height"):
            if size := _SIZE.match(options.get(name, "")):
                if size[2] == "%":
                    style += f"{name}: {size[0]};"
                else:
                    pixels[name] = round(float(size[1]) * _PIXELS[size[2]])
        source = relative(figure(source, self.chapter), self.chapter)
        alt = options.get("alt") or self.alt or pandoc_ast.words(inlines)
        names = " ".join([*classes, "img-fluid", "figure-img"])
        own = {"src": source, "alt": alt, "id": ident or None, "class": names, "title": title or None}
        return raw_inline(f"<img{attributes(own | pixels | {'style': style or None})}>")

    def _div(self, node: Node) -> list[Node]:
        (ident, classes, pairs), content = node["c"]
        if {"figure", "table"} & set(classes):
            self.alt, outer = pandoc_ast.get(node, "alt"), self.alt
            inside = self.blocks(content)
            self.alt = outer
            return boxes.float_(node, inside)
        inside = self.blocks(content)
        if "theorem" in classes:
            return boxes.theorem(node, inside)
        if "callout" in classes:
            return boxes.callout(node, inside)
        if "cell" in classes:
            return boxes.cell(node, inside)
        if "output" in classes:
            classes = ["cell-output", *(f"cell-{name}" for name in classes if name != "output")]
        return [pandoc_ast.div(inside, ident, classes, dict(pairs))]
