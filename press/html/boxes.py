"""Figures, tables, theorems, callouts and cells, in the HTML that Quarto gives them; their content is final already."""

from __future__ import annotations

from html import escape

from press import pandoc_ast
from press.book import Node
from press.pandoc_ast import div, get, plain, span, split, text, triple


def _float(node: Node, content: list[Node]) -> list[Node]:
    """A figure with its caption below, or a table with its caption above."""
    ident, classes, _ = triple(node)
    kind, place = ("fig", "bottom") if "figure" in classes else ("tbl", "top")
    content, [caption] = split(content, "caption")
    label = span([text(f"{get(node, 'label')}\u00a0{get(node, 'number')}:")], classes=["float-label"])
    names = f"quarto-float-caption-{place} quarto-float-caption quarto-float-{kind}"
    words = [raw(f'<figcaption class="{names}">'), plain([label, text(" "), *caption["c"]]), raw("</figcaption>")]
    inside = [raw("<div>"), *content, raw("</div>")]
    opening = raw(f'<figure class="quarto-float quarto-float-{kind} figure">')
    parts = [opening, *(inside + words if kind == "fig" else words + inside), raw("</figure>")]
    return [div(parts, ident, ["quarto-float", "quarto-figure", "quarto-figure-center"])]


def _theorem(node: Node, content: list[Node]) -> list[Node]:
    """A theorem or exercise: its kind, number and title run into the first paragraph."""
    ident, classes, _ = triple(node)
    blocks, title = split(content, "title")
    words = [text(f"{get(node, 'label')} {get(node, 'number')}")]
    for line in title:
        words += [text(" ("), *line["c"], text(")")]
    start: list[Node] = [span([{"t": "Strong", "c": words}], classes=["theorem-title"]), text(" ")]
    first = blocks.pop(0)["c"] if blocks and blocks[0]["t"] in ("Para", "Plain") else []
    return [div([{"t": "Para", "c": [*start, *first]}, *blocks], ident, classes)]


def _callout(node: Node, content: list[Node]) -> list[Node]:
    """A callout; one that can be collapsed is a `details` element, which needs no script and opens for links into it."""
    ident, classes, _ = triple(node)
    content, [title] = split(content, "title")
    kind = next(name for name in classes if name.startswith("callout-")).removeprefix("callout-").capitalize()
    words = title["c"]
    if pandoc_ast.words(words) != kind:  # as under Quarto, only a screen reader says it
        words = [span([text(kind)], classes=["screen-reader-only"]), *words]
    collapse = get(node, "collapse")
    outer, inner = ("details", "summary") if collapse else ("div", "div")
    names = " ".join([*classes, "callout-style-default", "callout-titled"])
    place, opened = f' id="{escape(ident)}"' if ident else "", ' open=""' if collapse == "false" else ""
    head = f'<{inner} class="callout-header"><span class="callout-title-container">'
    return [
        raw(f'<{outer}{place} class="{escape(names)}"{opened}>'),
        _wrapped(head, words, f"</span></{inner}>"),
        div(content, classes=["callout-body-container", "callout-body"]),
        raw(f"</{outer}>"),
    ]


def _cell(node: Node, content: list[Node]) -> list[Node]:
    """A cell: its code, folded or not, and what it showed."""
    ident, classes, _ = triple(node)
    fold = get(node, "fold")
    blocks: list[Node] = []
    for block in content:
        if block["t"] == "CodeBlock" and fold:
            summary = _wrapped("<summary>", [text(get(node, "summary"))], "</summary>")
            opened = " open" if fold == "show" else ""
            blocks += [raw(f'<details class="code-fold"{opened}>'), summary, block, raw("</details>")]
        else:
            blocks.append(block)
    return [div(blocks, ident, classes)]


def raw(code: str, kind: str = "RawBlock") -> Node:
    """A block of HTML, or with "RawInline" some inside a line."""
    return {"t": kind, "c": ["html", code]}


def _wrapped(opening: str, inlines: list[Node], closing: str) -> Node:
    """Inlines between two pieces of HTML."""
    return plain([raw(opening, "RawInline"), *inlines, raw(closing, "RawInline")])


BOXES = {"figure": _float, "table": _float, "theorem": _theorem, "callout": _callout, "cell": _cell}  # by class
