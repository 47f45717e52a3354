"""Quarto's constructs in the syntax tree: divs and labels become figures, tables, theorems, callouts and equations.

What of Quarto press cannot show is refused.
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
from press.read.qmd import KINDS, Source, prefix
from press.resolve import tex

_GLUED = re.compile(rf"\w@((?:{'|'.join(KINDS)})-[A-Za-z0-9-]*[A-Za-z0-9])(?!\.\w)")
FILE = "output-file"  # class of a picture in whose place HTML shows what stands after it
_OWN = {"cell", "output", "output-stdout", "output-stderr", "output-error", "output-display", "press-reference"} | {
    "press-references", "press-mixed", FILE, "references", "csl-bib-body", "hanging-indent",
}  # fmt: skip
CALLOUTS = ("note", "tip", "important", "warning", "caution")
# Classes that mean something to Quarto which press cannot do. Other classes are for the theme's style sheet.
_REFUSED = re.compile(
    r"(panel|column|layout|content|quarto|aside|incremental|notes?|proof|remark|solution|hidden|landscape|fragment"
    r"|cell|output|caption|title|figure|table|theorem|equation|xref|cite|file|g-col|grid|lightbox|embed)(-.*)?$"
)
_REFUSED_PREFIXES = ("sec", "eq", "lst", "alg", "nte", "tip", "wrn", "imp", "cau", "sol", "rem", "vid", "dia", "supp")


def shape(blocks: list[Node], source: Source, book: Book) -> list[Node]:
    """Return the chapter's blocks with every construct in its final form; refuse what press does not support."""
    shaped: list[Node] = pandoc_ast.change(blocks, lambda node: _shape(node, source, book))
    return shaped


def _shape(node: Node, source: Source, book: Book) -> Node | list[Node] | None:
    match kind := node["t"]:
        case "Str":
            _check_words(node["c"], source)
        case "Para" | "Plain":
            node["c"] = _equations(node["c"], source)
        case "Math":
            tex.check(node["c"][1], source)
            node["c"][1] = tex.with_gaps(node["c"][1])
        case "Code" | "CodeBlock":
            code = node["c"][1]
            if code.lstrip().startswith("{python}"):
                hint = "look for a fence that is opened and not closed, or that stands in a comment, above it"
                raise source.error(code.strip().split("\n")[0], "a cell that is read as text and not run", hint)
            if kind == "Code":  # shown, not run: Quarto takes one pair of the braces away
                node["c"][1] = re.sub(r"^\{(\{\w+\})\}", r"\1", code)
        case "Link" | "Image":
            node["c"][2][0] = _from_root(node["c"][2][0], source, kind)
            if kind == "Image" and (alt := pandoc_ast.get(node, "fig-alt")):
                node["c"][1] = [pandoc_ast.text(alt)]
        case "Table" if prefix(pandoc_ast.triple(node)[0]) == "tbl":  # `: Caption {#tbl-x}` stands below it
            (ident, classes, pairs), (_, caption), *rest = node["c"]
            return _captioned([{"t": kind, "c": [["", classes, pairs], [None, []], *rest]}], ident, caption)
        case "Figure" if prefix(pandoc_ast.triple(node)[0]) == "fig":  # `![Caption](file){#fig-x}`
            (ident, _, _), (_, caption), inside = node["c"]
            return _captioned(inside, ident, caption)
        case "RawBlock" | "RawInline":
            form, text = node["c"]
            if form != "html":
                raise source.error(text.strip()[:30], f"raw {form}", "only {=html} is supported")
            if kind == "RawBlock" and text.lstrip().startswith("<!--"):
                return []
        case "Span" if "press-mixed" in pandoc_ast.triple(node)[1]:
            raise source.error(0, "references and citations in one pair of brackets", "write two pairs")
        case "Div":
            return _shape_div(node, source, book)
    return None


def _check_words(words: str, source: Source) -> None:
    """Refuse what pandoc has read as words and was not meant to be."""
    if words.startswith("{#") and not words.startswith("{#eq-"):
        hint = "labels stand on headings, divs, displayed equations, and after a table's caption"
        raise source.error(words.strip("{}"), f"a label out of place: {words}", hint)
    if glued := _GLUED.search(words):
        hint = f"put a space before it, or write [@{glued[1]}]"
        raise source.error(f"@{glued[1]}", f"a reference glued to the word before it: @{glued[1]}", hint)
    if note := re.search(r"\[\^[^\]\s]+\]", words):
        raise source.error(note[0], f"there is no footnote {note[0]}", f"write a line that begins with {note[0]}:")


def _check_div(node: Node, source: Source) -> None:
    """Refuse a div that press cannot show as Quarto does."""
    ident, classes, pairs = pandoc_ast.triple(node)
    kind, _, rest = ident.partition("-")
    if rest and kind in _REFUSED_PREFIXES:
        hint = f"divs may be labelled {', '.join(f'#{name}-' for name in KINDS if name not in ('sec', 'eq'))}"
        raise source.error(f"#{ident}", f"a div cannot be labelled #{ident}", hint)
    if prefix(ident) and "_" in ident:
        raise source.error(f"#{ident}", f"underscore in the label {ident}", "labels use hyphens")
    known: set[str] = set()
    for name in classes:
        line = source.line_of(f".{name}") or source.line_of(name)
        if name.startswith("callout-"):
            known = {"title", "collapse"}
            if name.removeprefix("callout-") not in CALLOUTS:
                hint = f"there are: {', '.join(f'.callout-{kind}' for kind in CALLOUTS)}"
                raise source.error(line, f"unknown callout .{name}", hint)
        elif _REFUSED.match(name):
            hint = "supported are figures, tables, theorems, callouts, and plain classes for the style sheet"
            raise source.error(line, f"unknown kind of div .{name}", hint)
    for name, value in pairs:
        if name not in known:
            hint = f"known here: {', '.join(sorted(known))}" if known else "this div takes none"
            if name == "fig-alt":  # in HTML, Quarto does not hand it on to the picture
                hint = "write it into the cell as #| fig-alt: ..., or after the picture: ![](file){fig-alt=...}"
            raise source.error(name, f"unknown attribute {name}", hint)
        if name == "collapse" and value not in ("true", "false"):
            raise source.error(f'"{value}"', f"collapse is {value!r}", 'write "true" or "false"')


def _shape_div(node: Node, source: Source, book: Book) -> Node | list[Node] | None:
    (ident, classes, _), blocks = node["c"]
    if "output-display" in classes:
        node["c"][1] = [new for block in blocks for new in _shown_table(block, source, book)]
    if _OWN & set(classes):
        return None
    _check_div(node, source)
    kind = prefix(ident)
    if kind in ("fig", "tbl"):
        return _float(node, source)
    title, rest = _title(blocks)
    if kind:
        for header in pandoc_ast.every(rest):
            if header["t"] == "Header":
                pandoc_ast.triple(header)[1].append("unnumbered")
        word = KINDS[kind]
        head = [div([plain(title)], classes=["title"])] if title else []
        return div(head + rest, ident, list(dict.fromkeys(["theorem", word.lower()])), {"label": word})
    if callout := next((name for name in classes if name.startswith("callout-")), ""):
        title = title or [pandoc_ast.text(callout.removeprefix("callout-").capitalize())]
        attributes = {"collapse": pandoc_ast.get(node, "collapse")}
        return div([div([plain(title)], classes=["title"]), *rest], ident, ["callout", callout], attributes)
    return None


def _title(blocks: list[Node]) -> tuple[list[Node], list[Node]]:
    """Return the title that blocks begin with, a heading, and the rest."""
    return (blocks[0]["c"][2], blocks[1:]) if blocks and blocks[0]["t"] == "Header" else ([], blocks)


def _float(node: Node, source: Source) -> Node:
    """Return a figure or table div: its last paragraph is the caption."""
    (ident, _, _), blocks = node["c"]
    if len(blocks) < 2 or blocks[-1]["t"] != "Para":
        hint = "end its div with a paragraph: the caption"
        raise source.error(f"#{ident}", f"the {KINDS[ident[:3]].lower()} {ident} has no caption", hint)
    content = pandoc_ast.change(blocks[:-1], lambda block: block["c"][2] if block["t"] == "Figure" else None)
    if any(prefix(pandoc_ast.triple(inner)[0]) in ("fig", "tbl") for inner in pandoc_ast.every(content)):
        raise source.error(f"#{ident}", f"a labelled figure or table inside {ident}", "press has no subfigures")
    return _captioned(content, ident, blocks[-1:])


def _captioned(content: list[Node], ident: str, caption: list[Node]) -> Node:
    """Return a figure or table div: its content, and the lines of its caption."""
    label = KINDS[ident[:3]]
    words = div([plain([inline for block in caption for inline in block["c"]])], classes=["caption"])
    return div([*content, words], ident, [label.lower()], {"label": label})


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
    blocks, _, _ = pandoc.read(block["c"][1], book, source.file, form="html")
    shown: list[Node] = pandoc_ast.change(blocks, plainly)
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
