"""Quarto's constructs in the syntax tree: divs and labels become figures, tables, theorems, callouts and equations.

Each is a Div or Span with a class that says what it is, so that the writers need no rules about Markdown:
`figure`, `table` and `theorem` carry `label` ("Figure") and end in a `caption` or begin with a `title`; `numbers` adds `number`.
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote

from press import pandoc, pandoc_ast
from press.addresses import elsewhere, quoted
from press.book import Book, Node
from press.pandoc_ast import div, plain, span
from press.read import supported
from press.read.qmd import Source
from press.resolve import tex

_GLUED = re.compile(rf"\w@((?:{'|'.join(supported.KINDS)})-[A-Za-z0-9-]*[A-Za-z0-9])(?!\.\w)")
FILE = "output-file"  # class of a picture in whose place HTML shows what stands after it
_OWN = {"cell", "title", "output", "output-stdout", "output-stderr", "output-error", "output-display", "press-reference"} | {
    "press-references", "press-mixed", FILE, "cell-code", "references", "csl-bib-body", "hanging-indent",
}  # fmt: skip


def shape(blocks: list[Node], source: Source, book: Book) -> list[Node]:
    """Return the chapter's blocks with every construct in its final form; refuse what press does not support."""
    for node in pandoc_ast.every(blocks):
        _refuse_unsupported(node, source)
    shaped: list[Node] = pandoc_ast.change(blocks, lambda node: _shape(node, source, book))
    return shaped


def _refuse_unsupported(node: Node, source: Source) -> None:
    kind = node["t"]
    if kind == "Str" and node["c"].startswith("{#") and not node["c"].startswith("{#eq-"):
        hint = "labels stand on headings, divs, displayed equations, and after a table's caption"
        raise source.error(node["c"].strip("{}"), f"a label out of place: {node['c']}", hint)
    if kind == "Str" and (glued := _GLUED.search(node["c"])):
        hint = f"put a space before it, or write [@{glued[1]}]"
        raise source.error(f"@{glued[1]}", f"a reference glued to the word before it: @{glued[1]}", hint)
    if kind == "Str" and (note := re.search(r"\[\^[^\]\s]+\]", node["c"])):
        raise source.error(note[0], f"there is no footnote {note[0]}", f"write a line that begins with {note[0]}:")
    if kind in ("Code", "CodeBlock") and node["c"][1].lstrip().startswith("{python}"):
        hint = "look for a fence that is opened and not closed, or that stands in a comment, above it"
        raise source.error(node["c"][1].strip().split("\n")[0], "a cell that is read as text and not run", hint)
    if kind == "Math":
        tex.check(node["c"][1], source)
    if kind in ("Div", "Span"):
        ident, classes, pairs = pandoc_ast.triple(node)
        if "press-mixed" in classes:
            raise source.error(0, "references and citations in one pair of brackets", "write two pairs")
        if kind == "Div" and not _OWN & set(classes):
            line = source.line_of(f"#{ident}" if ident else f".{classes[0]}" if classes else ":::")
            supported.check_div(ident, classes, dict(pairs), source.file, line)
    if kind in ("RawBlock", "RawInline"):
        form, text = node["c"]
        if form != "html":
            raise source.error(text.strip()[:30], f"raw {form}", "only {=html} is supported")


def _shape(node: Node, source: Source, book: Book) -> Node | list[Node] | None:
    kind = node["t"]
    if kind in ("Para", "Plain"):
        node["c"] = _equations(node["c"], source)
    elif kind == "Math":
        node["c"][1] = tex.with_gaps(node["c"][1])
    elif kind == "Code":  # shown, not run: Quarto takes one pair of the braces away
        node["c"][1] = re.sub(r"^\{(\{\w+\})\}", r"\1", node["c"][1])
    elif kind in ("Link", "Image"):
        node["c"][2][0] = _from_root(node["c"][2][0], source, kind)
        if kind == "Image" and (alt := pandoc_ast.get(node, "fig-alt")):
            node["c"][1] = [pandoc_ast.text(alt)]
            pandoc_ast.put(node, "fig-alt", None)
    elif kind == "CodeBlock":
        classes = pandoc_ast.triple(node)[1]
        classes[:] = [name for name in classes if name != "cell-code"]
    elif kind == "Table":
        return _captioned_table(node)
    elif kind == "Figure" and supported.prefix(pandoc_ast.triple(node)[0]) == "fig":
        (ident, _, _), caption, blocks = node["c"]
        return _captioned(blocks, ident, caption[1])  # an image with a label, `![Caption](file){#fig-x}`
    elif kind == "RawBlock" and node["c"][1].lstrip().startswith("<!--"):
        return []
    elif kind == "Div":
        return _shape_div(node, source, book)
    return None


def _shape_div(node: Node, source: Source, book: Book) -> Node | list[Node] | None:
    (ident, classes, _), blocks = node["c"]
    kind = supported.prefix(ident)
    if "output-display" in classes:
        node["c"][1] = [new for block in blocks for new in _shown_table(block, source, book)]
        return None
    if kind in ("fig", "tbl"):
        return _float(node, source)
    if kind:
        title, rest = _title(blocks)
        for header in pandoc_ast.every(rest):
            if header["t"] == "Header":
                pandoc_ast.triple(header)[1].append("unnumbered")
        word = supported.KINDS[kind]
        names = list(dict.fromkeys(["theorem", word.lower()]))
        head = [div([plain(title)], classes=["title"])] if title else []
        return div(head + rest, ident, names, {"label": word})
    if callout := next((name for name in classes if name.startswith("callout-")), ""):
        title, rest = _title(blocks)
        title = title or [pandoc_ast.text(callout.removeprefix("callout-").capitalize())]
        attributes = {"collapse": pandoc_ast.get(node, "collapse")}
        return div([div([plain(title)], classes=["title"]), *rest], ident, ["callout", callout], attributes)
    return None


def _title(blocks: list[Node]) -> tuple[list[Node], list[Node]]:
    """Return the title that blocks begin with, as a heading or a `title` div, and the rest."""
    if blocks and blocks[0]["t"] == "Header":
        return blocks[0]["c"][2], blocks[1:]
    if blocks and blocks[0]["t"] == "Div" and pandoc_ast.triple(blocks[0])[1] == ["title"]:
        return [inline for block in blocks[0]["c"][1] for inline in block["c"]], blocks[1:]
    return [], blocks


def _float(node: Node, source: Source) -> Node:
    """Return a figure or table div: its last paragraph is the caption."""
    (ident, _, _), blocks = node["c"]
    if len(blocks) < 2 or blocks[-1]["t"] != "Para":
        hint = "end its div with a paragraph: the caption"
        raise source.error(f"#{ident}", f"the {supported.KINDS[ident[:3]].lower()} {ident} has no caption", hint)
    content = pandoc_ast.change(blocks[:-1], lambda block: block["c"][2] if block["t"] == "Figure" else None)
    if any(supported.prefix(pandoc_ast.triple(inner)[0]) in ("fig", "tbl") for inner in pandoc_ast.every(content)):
        raise source.error(f"#{ident}", f"a labelled figure or table inside {ident}", "press has no subfigures")
    return _captioned(content, ident, blocks[-1:])


def _captioned(content: list[Node], ident: str, caption: list[Node]) -> Node:
    """Return a figure or table div: its content, and the lines of its caption."""
    label = supported.KINDS[ident[:3]]
    words = div([plain([inline for block in caption for inline in block["c"]])], classes=["caption"])
    return div([*content, words], ident, [label.lower()], {"label": label})


def _captioned_table(table: Node) -> Node | None:
    """Return a Markdown table whose caption carries a label, `: Caption {#tbl-x}`, as a table div."""
    ident = pandoc_ast.triple(table)[0]
    if supported.prefix(ident) != "tbl":
        return None
    caption = table["c"][1][1]
    table["c"][0][0] = ""
    table["c"][1] = [None, []]
    return _captioned([table], ident, caption)


def _equations(inlines: list[Node], source: Source) -> list[Node]:
    """Join each displayed equation with the label after it: `$$ ... $$ {#eq-x}`."""
    joined: list[Node] = []
    for inline in inlines:
        if inline["t"] == "Str" and inline["c"].startswith("{#eq-"):
            while joined and joined[-1]["t"] in ("Space", "SoftBreak"):
                joined.pop()
            label = re.fullmatch(r"\{#(eq-[^\s}]+)\}", inline["c"])
            if not label or not joined or joined[-1]["t"] != "Math" or joined[-1]["c"][0]["t"] != "DisplayMath":
                hint = "write $$ ... $$ {#eq-name}, with nothing else on the label's side"
                place = inline["c"].strip("{}#.,;")
                raise source.error(place, f"a label without its equation: {inline['c']}", hint)
            joined.append(span([joined.pop()], label[1], ["equation"]))
        else:
            joined.append(inline)
    return joined


def _shown_table(block: Node, source: Source, book: Book) -> list[Node]:
    """Return HTML with tables that a cell shows, such as a DataFrame: tables, and what stands around them; other HTML stays as it is."""
    if block["t"] != "RawBlock" or "<table" not in block["c"][1].lower():
        return [block]

    def plainly(node: Node) -> list[Node] | None:
        if node["t"] == "Table":
            node["c"][0] = ["", ["dataframe"], []]
            node["c"][2] = [[{"t": "AlignRight"} if right else align, width] for align, width in node["c"][2]]
        if node["t"] == "Header":  # no section of the chapter's
            return [{"t": "Para", "c": [{"t": "Strong", "c": node["c"][2]}]}]
        inside: list[Node] | None = node["c"][1] if node["t"] == "Div" else None
        return inside

    right = "text-align: right" in block["c"][1]
    shown: list[Node] = pandoc_ast.change(pandoc.from_html(block["c"][1], book, source.file), plainly)
    return shown


def _from_root(target: str, source: Source, kind: str) -> str:
    """Return the target of a Link, as an address, or of an Image, as a path, from the root on; addresses elsewhere stay as they are."""
    if elsewhere(target):
        return target
    path, hash_, fragment = target.partition("#")
    path, fragment = unquote(path), unquote(fragment)
    if not path:
        return hash_ + fragment
    inside = path[1:] if path.startswith("/") else posixpath.join(posixpath.dirname(source.file), path)
    inside = posixpath.normpath(inside)
    if inside.startswith(".."):
        raise source.error(target, f"{target} is outside the book", "link to files of the project")
    return (quoted(inside) if kind == "Link" else inside) + hash_ + fragment
