"""Figures, tables, theorems, callouts and cells, in the HTML that Quarto gives them; their content is final already."""

from __future__ import annotations

from html import escape

from press import pandoc_ast
from press.book import Node
from press.pandoc_ast import div, get, plain, space, span, split, text, triple


def float_(node: Node, content: list[Node]) -> list[Node]:
    """A figure with its caption below, or a table with its caption above."""
    ident, classes, _ = triple(node)
    kind, place = ("fig", "bottom") if "figure" in classes else ("tbl", "top")
    content, caption = split(content, "caption")
    name = f"{get(node, 'label')}\u00a0{get(node, 'number')}"
    label = span([text(f"{name}:" if caption else name)], classes=["float-label"])
    if caption and caption[0]["t"] in ("Para", "Plain"):
        caption[0] = {"t": caption[0]["t"], "c": [label, space(), *caption[0]["c"]]}
    else:
        caption = [plain([label]), *caption]
    names = f"quarto-float-caption-{place} quarto-float-caption quarto-float-{kind}"
    below = [raw(f'<figcaption class="{names}">'), *caption, raw("</figcaption>")]
    inside = [raw("<div>"), *content, raw("</div>")]
    parts = [*inside, *below] if kind == "fig" else [*below, *inside]
    opening = raw(f'<figure class="quarto-float quarto-float-{kind} figure">')
    outer = ["quarto-float", "quarto-figure", "quarto-figure-center"]
    return [div([opening, *parts, raw("</figure>")], ident, outer)]


def theorem(node: Node, content: list[Node]) -> list[Node]:
    """A theorem or exercise: its kind, number and title run into the first paragraph."""
    ident, classes, _ = triple(node)
    blocks, title = split(content, "title")
    words = [text(get(node, "label")), space(), text(get(node, "number"))]
    if title:
        words += [space(), text("("), *_line(title), text(")")]
    start: list[Node] = [span([{"t": "Strong", "c": words}], classes=["theorem-title"]), space()]
    first = blocks.pop(0)["c"] if blocks and blocks[0]["t"] in ("Para", "Plain") else []
    return [div([{"t": "Para", "c": [*start, *first]}, *blocks], ident, classes)]


def callout(node: Node, content: list[Node]) -> list[Node]:
    """A callout; one that can be collapsed is a `details` element, which needs no script and opens for links into it."""
    ident, classes, _ = triple(node)
    content, title = split(content, "title")
    kind = next(name for name in classes if name.startswith("callout-")).removeprefix("callout-").capitalize()
    words = _line(title) or [text(kind)]
    if pandoc_ast.words(words) != kind:  # as under Quarto, only a screen reader says it
        words = [span([text(kind)], classes=["screen-reader-only"]), *words]
    collapse = get(node, "collapse")
    outer, inner = ("details", "summary") if collapse else ("div", "div")
    names = " ".join([*classes, "callout-style-default", "callout-titled"])
    place, opened = f' id="{escape(ident)}"' if ident else "", ' open=""' if collapse == "false" else ""
    return [
        raw(f'<{outer}{place} class="{escape(names)}"{opened}>'),
        _wrapped(
            f'<{inner} class="callout-header"><span class="callout-title-container">', words, f"</span></{inner}>"
        ),
        div(content, classes=["callout-body-container", "callout-body"]),
        raw(f"</{outer}>"),
    ]


def cell(node: Node, content: list[Node]) -> list[Node]:
    """A cell: its code, folded or not, and what it showed."""
    ident, classes, _ = triple(node)
    fold = get(node, "fold")
    blocks: list[Node] = []
    for block in content:
        if block["t"] != "CodeBlock":
            blocks.append(block)
            continue
        (own, names, pairs), code = block["c"]
        source: Node = {"t": "CodeBlock", "c": [[own, [*names, "cell-code"], pairs], code]}
        if fold:
            summary = _wrapped("<summary>", [text(get(node, "summary", "Code"))], "</summary>")
            opened = " open" if fold == "show" else ""
            blocks += [raw(f'<details class="code-fold"{opened}>'), summary, source, raw("</details>")]
        else:
            blocks.append(source)
    return [div(blocks, ident, classes)]


def _line(blocks: list[Node]) -> list[Node]:
    """Return the inlines of a title."""
    return [inline for block in blocks for inline in (block["c"][2] if block["t"] == "Header" else block["c"])]


def raw(code: str, kind: str = "RawBlock") -> Node:
    """A block of HTML, or with "RawInline" some inside a line."""
    return {"t": kind, "c": ["html", code]}


def _wrapped(opening: str, inlines: list[Node], closing: str) -> Node:
    """Inlines between two pieces of HTML."""
    return plain([raw(opening, "RawInline"), *inlines, raw(closing, "RawInline")])
