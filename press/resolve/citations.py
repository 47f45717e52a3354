"""The list of references: one, on the page that has `::: {#refs}`, of everything the book cites."""

from __future__ import annotations

import json
from collections.abc import Mapping

from press import code_hash, pandoc, pandoc_ast
from press.book import Book, Node
from press.read.qmd import read_text
from press.text_cache import kept


def put_in(documents: Mapping[str, list[Node]], book: Book) -> None:
    """Fill the refs div with the references that the documents cite."""
    nodes = [node for blocks in documents.values() for node in pandoc_ast.every(blocks) if node["t"] in ("Div", "Cite")]
    place = next((node for node in nodes if _is_place(node)), None)
    cited = {cite["citationId"]: None for node in nodes if node["t"] == "Cite" for cite in node["c"][0]}
    if place is not None:
        entries = cited and book.bibliography is not None
        place["c"] = _entries(list(cited), book)["c"] if entries else [pandoc_ast.attr("refs"), []]


def _is_place(node: Node) -> bool:
    return node["t"] == "Div" and bool(pandoc_ast.triple(node)[0] == "refs")


def _entries(keys: list[str], book: Book) -> Node:
    files = [file for file in (book.bibliography, book.csl, *book.filters) if file]
    made_of = [*keys, code_hash.code(), *(read_text(book.root, file) for file in files)]

    def make() -> str:
        return json.dumps(next(node for node in pandoc_ast.every(pandoc.bibliography(keys, book)) if _is_place(node)))

    place: Node = json.loads(kept(book.root / ".press/references", made_of, make))
    return place
