"""One chapter as Typst: the resolved document, with Quarto's constructs as calls to book.typ, through pandoc.

Numbers and words come from the document, never from Typst's counters, so that the PDF says what the site says.
"""

from __future__ import annotations

from typing import Any, cast

from press.book import Book, Node, Page
from press.pandoc_ast import words
from press.pdf import maths
from press.pdf.convert import typst
from press.pdf.markup import Call, length, literal, plain, raw, split
from press.pdf.tables import table

SHORT = 240  # characters of a paragraph that can go to the next page with the code or the table that it leads to


def write(page: Page, book: Book) -> str:
    """The Typst source of one chapter; it needs book.typ beside it (see compiler)."""
    page = page.copy()
    writer = _Writer(page)
    return typst(writer.opening() + writer.blocks(page.blocks, top=True), page, book)


def _kind(block: Node | None) -> str:
    """The kind of a block, or of the first in it where it is only a cell or its output."""
    while block and block["t"] == "Div" and {"cell", "output"} & set(block["c"][0][1]):
        block = next(iter(block["c"][1]), None)
    return block["t"] if block else ""


class _Writer:
    def __init__(self, page: Page) -> None:
        chapter = page.chapter
        self.page = page
        self.path = chapter.source
        self.base = 2 if chapter.part or chapter.appendix else 1  # level of the chapter in the PDF's outline

    # -- places that links lead to

    def _label(self, ident: str) -> str:
        return literal(f"{self.path}#{ident}" if ident else None)

    def _anchor(self, ident: str) -> list[Node]:
        return [raw(f"#book.anchor({self._label(ident)});")] if ident else []

    # -- blocks

    def opening(self) -> list[Node]:
        """The chapter's heading."""
        chapter, title = self.page.chapter, self.inlines(self.page.title)
        kind = "Appendix" if chapter.appendix else "Chapter"
        call = Call("#show: book.chapter.with(")
        call.code(f"{literal(kind)}, {literal(chapter.number)}, {self.base}, {literal(self.path)}, ")
        call.code(f"{self._label(self.page.ident)}, ")
        return call.content(plain(title)).end()

    def blocks(self, blocks: list[Node], top: bool = False) -> list[Node]:
        """Blocks ready for pandoc.  `top`: not inside another construct, so that figures may float."""
        out: list[Node] = []
        for block, after in zip(blocks, [*blocks[1:], None], strict=False):
            new = self._block(block, top)
            if block["t"] == "Para" and len(words([block])) < SHORT and _kind(after) in ("CodeBlock", "Table"):
                new = Call("#book.leading-to(").content(new).end()
            out += new
        return out

    def _block(self, block: Node, top: bool) -> list[Node]:
        kind, content = block["t"], cast(Any, block.get("c"))
        match kind:
            case "Para" | "Plain":
                shown = [node for node in content if node["t"] not in ("Space", "SoftBreak", "LineBreak")]
                if shown and all(node["t"] == "Image" for node in shown):
                    return [{"t": "Plain", "c": [raw(f"#{self._picture(node)}")]} for node in shown]
                return [{"t": kind, "c": self.inlines(content)}]
            case "Header":
                level, (ident, _, attributes), inlines = content
                number = literal(dict(attributes).get("number"))
                call = Call(f"#book.section({level + self.base - 1}, {level}, {number}, {self._label(ident)}, ")
                return call.content(plain(self.inlines(inlines))).end()
            case "Div":
                return self._div(block, top)
            case "Table":
                return table(block, self.blocks)
            case "Figure":  # an image alone in its paragraph; its caption is its alt text in Markdown
                _, caption, inside = content
                call = Call("#book.numbered(kind: image, body: ").content(self.blocks(inside))
                return call.code("caption: ").content(self.blocks(caption[1])).end()
            case "CodeBlock":
                (ident, classes, _), code = content
                return [*plain(self._anchor(ident)), {"t": kind, "c": [["", classes, []], code]}]
            case "BlockQuote":
                return [{"t": kind, "c": self.blocks(content)}]
            case "BulletList":
                return [{"t": kind, "c": [self.blocks(item) for item in content]}]
            case "OrderedList":
                return [{"t": kind, "c": [content[0], [self.blocks(item) for item in content[1]]]}]
            case "DefinitionList":
                items = [[self.inlines(term), [self.blocks(body) for body in bodies]] for term, bodies in content]
                return [{"t": kind, "c": items}]
            case "LineBlock":
                return [{"t": kind, "c": [self.inlines(line) for line in content]}]
            case "HorizontalRule":
                return Call("#book.pause").end("")
            case "RawBlock":
                return [block] if content[0] == "typst" else []
        return [block]

    def _div(self, block: Node, top: bool) -> list[Node]:
        (ident, classes, pairs), inside = block["c"]
        attributes = dict(pairs)
        label = self._label(ident)
        name = literal(f"{attributes.get('label', '')}\u00a0{attributes['number']}" if "number" in attributes else None)
        if "figure" in classes or "table" in classes:
            body, caption = split(inside, "caption")
            kind = "image" if "figure" in classes else "table"
            float_ = "true" if top and kind == "image" else "false"
            call = Call(f"#book.numbered(kind: {kind}, name: {name}, at: {label}, float: {float_}, body: ")
            return call.content(self.blocks(body)).code("caption: ").content(self.blocks(caption)).end()
        if "theorem" in classes:
            body, title = split(inside, "title")
            call = Call(f"#book.exercise(name: {name}, at: {label}, title: ")
            return call.content(self.blocks(title)).code("body: ").content(self.blocks(body)).end()
        if "callout" in classes:
            body, title = split(inside, "title")
            kind = next((c.removeprefix("callout-") for c in classes if c.startswith("callout-")), "note")
            call = Call(f"#book.callout({literal(kind)}, at: {label}, title: ").content(self.blocks(title))
            return call.code("body: ").content(self.blocks(body)).end()
        if "csl-entry" in classes:
            return Call(f"#book.entry({label}, ").content(self.blocks(inside)).end()
        for stream in ("stdout", "stderr", "error"):
            if f"output-{stream}" in classes:
                return Call(f"#book.output({literal(stream)}, ").content(self.blocks(inside)).end()
        return plain(self._anchor(ident)) + self.blocks(inside, top)

    # -- inlines

    def inlines(self, inlines: list[Node]) -> list[Node]:
        """Inlines ready for pandoc."""
        return [new for node in inlines for new in self._inline(node)]

    def _inline(self, node: Node) -> list[Node]:
        kind, content = node["t"], cast(Any, node.get("c"))
        match kind:
            case "Emph" | "Strong" | "Underline" | "Strikeout" | "Superscript" | "Subscript" | "SmallCaps":
                return [{"t": kind, "c": self.inlines(content)}]
            case "Quoted":
                return [{"t": kind, "c": [content[0], self.inlines(content[1])]}]
            case "Cite":
                return self.inlines(content[1])  # citeproc has written it out
            case "Note":
                return [{"t": kind, "c": self.blocks(content)}]
            case "Span":
                return self._span(*content)
            case "Link":
                return self._link(*content)
            case "Math":
                return [raw(maths.MARK), node, raw(maths.MARK)]
            case "Image":
                return [raw(f"#box({self._picture(node)});")]
            case "Code":
                return [{"t": kind, "c": [["", [], []], content[1]]}]
            case "RawInline":
                return [node] if content[0] == "typst" else []
        return [node]

    def _span(self, attr: list[Any], inside: list[Node]) -> list[Node]:
        ident, classes, pairs = attr
        if "equation" in classes:
            number = literal(dict(pairs).get("number"))
            return [raw(f"#book.equation({number}, {self._label(ident)})["), *self.inlines(inside), raw("];")]
        verdict = next((c.removeprefix("verdict-") for c in classes if c.startswith("verdict-")), None)
        if verdict:
            return [*self._anchor(ident), raw(f"#book.verdict({literal(verdict)})["), *self.inlines(inside), raw("];")]
        return [*self._anchor(ident), *self.inlines(inside)]

    def _link(self, attr: list[Any], inside: list[Node], target: list[str]) -> list[Node]:
        ident, classes, _ = attr
        said, url = self.inlines(inside), target[0]
        if "file" in classes:
            said = [{"t": "Link", "c": [["", [], []], said, target]}]  # links.lua says where to, if anywhere
        elif url.startswith("#") or url.split("#")[0].endswith(".qmd"):
            if "xref" in classes:  # Quarto's gap in "Chapter 1" may be a line's end; here it is not
                said = [{"t": "Str", "c": "\u00a0"} if node["t"] == "Space" else node for node in said]
            place = literal(self.path + url if url.startswith("#") else url)
            said = [raw(f"#book.goto({place})["), *said, raw("];")]
        elif "://" in url or url.startswith("mailto:"):
            said = [raw(f"#book.web({literal(url)})["), *said, raw("];")]
        return [*self._anchor(ident), *said]

    def _picture(self, node: Node) -> str:
        (_, _, pairs), inlines, (source, _) = node["c"]
        attributes = dict(pairs)
        alt = attributes.get("fig-alt") or attributes.get("alt") or words(inlines)
        return (
            f"book.picture({literal('/' + source.lstrip('/'))}, {literal(alt)}, {length(attributes.get('width', ''))})"
        )
