"""The list of references: one, on the page that has `::: {#refs}`, of everything the book cites."""

from __future__ import annotations

from collections.abc import Mapping

from press import pandoc, pandoc_ast
from press.book import Book, Node
from press.code_hash import code_hash
from press.files import cached_json
from press.read.qmd import read_text


def put_references(documents: Mapping[str, list[Node]], book: Book) -> None:
    """Fill the refs div with the references that the documents cite."""
    nodes = [node for blocks in documents.values() for node in pandoc_ast.every(blocks) if node["t"] in ("Div", "Cite")]
    place = next((node for node in nodes if _is_place(node)), None)
    cited = {cite["citationId"]: None for node in nodes if node["t"] == "Cite" for cite in node["c"][0]}
    if place is not None:
        entries = cited and book.bibliography is not None
        place["c"] = _references(list(cited), book)["c"] if entries else [pandoc_ast.attr("refs"), []]


def _is_place(node: Node) -> bool:
    return node["t"] == "Div" and bool(pandoc_ast.triple(node)[0] == "refs")


def _references(keys: list[str], book: Book) -> Node:
    made_of = [*keys, code_hash(), *(read_text(book.root, file) for file in book.references_made_of)]

    def make() -> Node:
        return next(node for node in pandoc_ast.every(pandoc.references(keys, book)) if _is_place(node))

    place: Node = cached_json(book.root / ".press/references", made_of, make)
    return place
