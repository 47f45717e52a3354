"""One chapter as Typst: the resolved document, with Quarto's constructs as calls to book.typ, through pandoc.

Numbers and words come from the document, never from Typst's counters, so that the PDF says what the site says.
"""

from __future__ import annotations

from typing import Any, cast

from press import pandoc
from press.addresses import elsewhere
from press.book import Book, Node, Page
from press.pandoc_ast import Rewriter, plain, split, words
from press.pdf import maths
from press.pdf.markup import call, length, literal, optional_plain, raw
from press.pdf.tables import table_call

SHORT = 240  # characters of a paragraph that can go to the next page with the code or the table that it leads to


def typst_source(page: Page, book: Book) -> str:
    """The Typst source of one chapter; it needs book.typ beside it (see compiler)."""
    writer = _Writer(page)
    text, solved = without_solutions(page.blocks)
    blocks = writer.opening() + writer.rewrite(text, top=True) + writer.solutions(solved)
    links = str(pandoc.HOME / "links.lua")
    return maths.modern(pandoc.to_text(blocks, "typst-smart", page.chapter.path, book, "-L", links))


def without_solutions(blocks: list[Node]) -> tuple[list[Node], list[tuple[Node, Node]]]:
    """Part the chapter's text from its solutions, each with the exercise before it: nobody should read both at once.

    A solution is a callout titled "Solution" that the site shows folded, right after an exercise or another solution to it.
    """
    text: list[Node] = []
    solved: list[tuple[Node, Node]] = []
    exercise: Node | None = None
    for block in blocks:
        if exercise and _is_solution(block):
            solved.append((exercise, block))
            continue
        exercise = block if block["t"] == "Div" and "theorem" in block["c"][0][1] else None
        text.append(block)
    return text, solved


def _is_solution(block: Node) -> bool:
    if block["t"] != "Div" or "callout" not in block["c"][0][1]:
        return False
    (_, _, pairs), inside = block["c"]
    return dict(pairs).get("collapse") == "true" and words(split(inside, "title")[1]) == "Solution"


def _name(attributes: dict[str, str]) -> str:
    """Return what a numbered block is called, "Exercise 4.1", as a literal; `none` without a number."""
    return literal(f"{attributes.get('label', '')}\u00a0{attributes['number']}" if "number" in attributes else None)


def _kind(block: Node | None) -> str:
    """The kind of a block, or of the first in it where it is only a cell or its output."""
    while block and block["t"] == "Div" and {"cell", "output"} & set(block["c"][0][1]):
        block = next(iter(block["c"][1]), None)
    return block["t"] if block else ""


class _Writer(Rewriter):
    def __init__(self, page: Page) -> None:
        chapter = page.chapter
        self.page = page
        self.path = chapter.source
        self._in_table = False
        self.base = 2 if chapter.part or chapter.appendix else 1  # level of the chapter in the PDF's outline

    # -- places that links lead to

    def _label(self, ident: str) -> str:
        return literal(f"{self.path}#{ident}" if ident else None)

    def _anchor(self, ident: str) -> list[Node]:
        return [raw(f"#book.anchor({self._label(ident)});")] if ident else []

    # -- blocks

    def opening(self) -> list[Node]:
        """The chapter's heading."""
        chapter, title = self.page.chapter, self.rewrite(self.page.title)
        kind = "Appendix" if chapter.appendix else "Chapter"
        what = f"{literal(kind)}, {literal(chapter.number)}, {self.base}, {literal(self.path)}"
        return call(f"#show: book.chapter.with({what}, {self._label(self.page.ident)}, ", optional_plain(title), ")")

    def solutions(self, solved: list[tuple[Node, Node]]) -> list[Node]:
        """What ends the chapter: the solutions to its exercises."""
        if not solved:
            return []
        made = call(f"#book.section({self.base + 1}, 2, none, none, [Solutions])")
        for exercise, solution in solved:
            (ident, _, pairs), _ = exercise["c"]
            body, _ = split(solution["c"][1], "title")
            made += self._anchor(solution["c"][0][0])
            begin = f"#book.solution(name: {_name(dict(pairs))}, to: {self._label(ident)}, body: "
            made += call(begin, self.rewrite(body), ")")
        return made

    def rewrite(self, nodes: list[Node], top: bool = False) -> list[Node]:
        """Blocks or inlines ready for pandoc.  `top`: not inside another construct, so that figures may float."""
        out: list[Node] = []
        for node, after in zip(nodes, [*nodes[1:], None], strict=False):
            new = self._div(node, top) if node["t"] == "Div" else self.node(node)
            if node["t"] == "Para" and len(words([node])) < SHORT and _kind(after) in ("CodeBlock", "Table"):
                new = call("#book.leading-to(", new, ")")
            out += new
        return out

    def node(self, node: Node) -> list[Node]:
        """What stands for one block or inline."""
        kind, content = node["t"], cast(Any, node.get("c"))
        match kind:
            case "Para" | "Plain":
                shown = [inline for inline in content if inline["t"] not in ("Space", "SoftBreak", "LineBreak")]
                if shown and all(inline["t"] == "Image" for inline in shown):
                    return [plain([raw(f"#{self._picture(image)}")]) for image in shown]
            case "Header":
                level, (ident, _, attributes), inlines = content
                number = literal(dict(attributes).get("number"))
                begin = f"#book.section({level + self.base - 1}, {level}, {number}, {self._label(ident)}, "
                return call(begin, optional_plain(self.rewrite(inlines)), ")")
            case "Table":
                self._in_table = True
                made = table_call(node, self.rewrite)
                self._in_table = False
                return made
            case "Figure":  # an image alone in its paragraph; its caption is its alt text in Markdown
                _, caption, inside = content
                begin = "#book.numbered(kind: image, body: "
                return call(begin, self.rewrite(inside), "caption: ", self.rewrite(caption[1]), ")")
            case "CodeBlock":
                (ident, classes, _), code = content
                return [*optional_plain(self._anchor(ident)), {"t": kind, "c": [["", classes, []], code]}]
            case "HorizontalRule":
                return call("#book.pause")
            case "RawBlock" | "RawInline":
                return [node] if content[0] == "typst" else []
            case "Cite":
                return self.rewrite(content[1])  # citeproc has written it out
            case "Span":
                return self._span(*content)
            case "Link" if "term" in content[0][1]:  # the glossary's, to hover over
                return self.rewrite(content[1])
            case "Link":
                return self._link(*content)
            case "Math":
                return [raw(maths.MARK), node, raw(maths.MARK)]
            case "Image":
                return [raw(f"#box({self._picture(node)});")]
            case "Code":
                return [{"t": kind, "c": [["", [], []], content[1]]}]
        return super().node(node)

    def _div(self, block: Node, top: bool) -> list[Node]:
        (ident, classes, pairs), inside = block["c"]
        attributes = dict(pairs)
        label = self._label(ident)
        name = _name(attributes)
        if "figure" in classes or "table" in classes:
            body, caption = split(inside, "caption")
            kind = "image" if "figure" in classes else "table"
            float_ = "true" if top and kind == "image" else "false"
            begin = f"#book.numbered(kind: {kind}, name: {name}, at: {label}, float: {float_}, body: "
            return call(begin, self.rewrite(body), "caption: ", self.rewrite(caption), ")")
        if "theorem" in classes:
            body, title = split(inside, "title")
            begin = f"#book.exercise(name: {name}, at: {label}, title: "
            begun = self.rewrite(body[:1]) + self.rewrite(body[1:])  # its first sentence goes on after the name
            return call(begin, self.rewrite(title), "body: ", begun, ")")
        if "callout" in classes:
            body, title = split(inside, "title")
            kind = next((c.removeprefix("callout-") for c in classes if c.startswith("callout-")), "note")
            begin = f"#book.callout({literal(kind)}, at: {label}, title: "
            return call(begin, self.rewrite(title), "body: ", self.rewrite(body), ")")
        if "csl-entry" in classes:
            return call(f"#book.entry({label}, ", self.rewrite(inside), ")")
        for stream in ("stdout", "stderr", "error"):
            if f"output-{stream}" in classes:
                return call(f"#book.output({literal(stream)}, ", self.rewrite(inside), ")")
        return optional_plain(self._anchor(ident)) + self.rewrite(inside, top)

    # -- inlines

    def _span(self, attr: list[Any], inside: list[Node]) -> list[Node]:
        ident, classes, pairs = attr
        if "equation" in classes:
            number = literal(dict(pairs).get("number"))
            return [raw(f"#book.equation({number}, {self._label(ident)})["), *self.rewrite(inside), raw("];")]
        verdict = next((c.removeprefix("verdict-") for c in classes if c.startswith("verdict-")), None)
        if verdict:
            return [*self._anchor(ident), raw(f"#book.verdict({literal(verdict)})["), *self.rewrite(inside), raw("];")]
        said = self.rewrite(inside)
        return [
            *self._anchor(ident),
            *([{"t": "Span", "c": [["", classes, []], said]}] if "to-files" in classes else said),
        ]

    def _link(self, attr: list[Any], inside: list[Node], target: list[str]) -> list[Node]:
        ident, classes, _ = attr
        said, url = self.rewrite(inside), target[0]
        if "file" in classes:
            marks = ["in-table"] if self._in_table else []
            said = [{"t": "Link", "c": [["", marks, []], said, target]}]  # links.lua says where to, if anywhere
        elif url.startswith("#") or url.split("#")[0].endswith(".qmd"):
            if "xref" in classes:  # Quarto's gap in "Chapter 1" may be a line's end; here it is not
                said = [{"t": "Str", "c": "\u00a0"} if node["t"] == "Space" else node for node in said]
            place = literal(self.path + url if url.startswith("#") else url)
            said = [raw(f"#book.goto({place})["), *said, raw("];")]
        elif elsewhere(url):
            said = [raw(f"#book.web({literal(url)})["), *said, raw("];")]
        return [*self._anchor(ident), *said]

    def _picture(self, node: Node) -> str:
        (_, _, pairs), inlines, (source, _) = node["c"]
        attributes = dict(pairs)
        alt = attributes.get("fig-alt") or attributes.get("alt") or words(inlines)
        width = length(attributes.get("width", ""))
        return f"book.picture({literal('/' + source.lstrip('/'))}, {literal(alt)}, {width})"
