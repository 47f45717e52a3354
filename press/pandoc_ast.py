"""pandoc's syntax tree as plain JSON: {"t": type, "c": content}; making nodes, walking and changing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from press.book import Node

Attributes = dict[str, str]
_FIRST = ("Div", "Span", "CodeBlock", "Code", "Link", "Image", "Table", "Figure")  # begin with their attributes


def attr(ident: str = "", classes: Sequence[str] = (), attributes: Attributes | None = None) -> list[Any]:
    """Return pandoc's triple of id, classes and attributes."""
    return [ident, list(classes), [[name, value] for name, value in (attributes or {}).items()]]


def text(value: str) -> Node:
    """Return a piece of text."""
    return {"t": "Str", "c": value}


def plain(inlines: list[Node]) -> Node:
    """Return a block of inlines that is no paragraph."""
    return {"t": "Plain", "c": inlines}


def div(blocks: list[Node], ident: str = "", classes: Sequence[str] = (), attributes: Attributes | None = None) -> Node:
    """Return a Div."""
    return {"t": "Div", "c": [attr(ident, classes, attributes), blocks]}


def span(
    inlines: list[Node], ident: str = "", classes: Sequence[str] = (), attributes: Attributes | None = None
) -> Node:
    """Return a Span."""
    return {"t": "Span", "c": [attr(ident, classes, attributes), inlines]}


def triple(node: Node) -> list[Any]:
    """Return the node's own [id, classes, attributes], shared with the node: changing it changes the node."""
    own: list[Any] = node["c"][0] if node["t"] in _FIRST else node["c"][1] if node["t"] == "Header" else attr()
    return own


def get(node: Node, name: str) -> str:
    """Return an attribute's value, "" where it has none."""
    return next((value for key, value in triple(node)[2] if key == name), "")


def put(node: Node, name: str, value: str) -> None:
    """Set an attribute."""
    pairs = triple(node)[2]
    pairs[:] = [pair for pair in pairs if pair[0] != name] + [[name, value]]


def change(value: Any, rule: Callable[[Node], Node | list[Node] | None]) -> Any:
    """Return a tree with every node replaced by what `rule` makes of it, innermost first.

    None keeps a node, a list is spliced into the list it stands in. The tree itself may be changed on the way.
    """
    if isinstance(value, list):
        changed: list[Any] = []
        for item in value:
            new = change(item, rule)
            changed += new if isinstance(new, list) and isinstance(item, dict) else [new]
        return changed
    if isinstance(value, dict) and "t" in value:
        if isinstance(value.get("c"), list):
            value["c"] = change(value["c"], rule)
        new = rule(value)
        return value if new is None else new
    return value


def split(blocks: list[Node], name: str) -> tuple[list[Node], list[Node]]:
    """Return the blocks without those divs that have the class `name`, and what is in these: a caption, a title."""
    named = [block for block in blocks if block["t"] == "Div" and name in triple(block)[1]]
    return [block for block in blocks if block not in named], [inner for block in named for inner in block["c"][1]]


def every(value: Any) -> Iterator[Node]:
    """Yield every node of a tree, in the order of the text, outermost first."""
    waiting = [value]  # the next one last; by recursion it would take three times as long
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "t" in value:
                yield value
            value = value.get("c")
        if isinstance(value, list):
            waiting += [item for item in reversed(value) if isinstance(item, dict | list)]


class Rewriter:
    """Writes a tree anew from the outside in, for one format: a subclass says what stands for a node."""

    def rewrite(self, nodes: list[Node]) -> list[Node]:
        """Return what stands for blocks or inlines."""
        return [new for node in nodes for new in self.node(node)]

    def node(self, node: Node) -> list[Node]:
        """Return what stands for one block or inline: itself, with its content written anew."""
        return [{"t": node["t"], "c": self.inside(node["c"])}] if "c" in node else [node]

    def inside(self, value: Any) -> Any:
        """Return the content of a node with every list of nodes in it written anew."""
        if not isinstance(value, list):
            return value
        if all(isinstance(item, dict) and "t" in item for item in value):
            return self.rewrite(value)
        return [self.inside(item) for item in value]


def words(value: Any) -> str:
    """Return the bare text of inlines or blocks."""
    if isinstance(value, list):
        return "".join(map(words, value))
    if not isinstance(value, dict):
        return ""
    content = value.get("c")
    match value.get("t"):
        case "Str":
            return str(content)
        case "Space" | "SoftBreak" | "LineBreak":
            return " "
        case "Code" | "Math":
            return str(value["c"][1])
        case "Quoted":
            opening, closing = "“”" if value["c"][0]["t"] == "DoubleQuote" else "‘’"
            return opening + words(value["c"][1]) + closing
        case "Cite":
            return words(value["c"][1])
        case "Note" | "RawInline" | "RawBlock":
            return ""
    return words(content)
