"""Tables as Markdown, in the form that both Quarto and press read."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MARKS = frozenset("\\`*_{}[]()<>#+!|~^$@&\"'-=:/.")  # whatever Markdown may take for more than a sign
GAP = 3  # characters that the room around a cell takes


def markdown_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    widths: Sequence[int] | None = None,
    right: Sequence[bool] = (),
) -> str:
    """Return a pipe table of Markdown cells.

    `widths` are shares of the line, used where a row is longer than one; without them, as the longest cells ask.
    """
    table = [[cell(text) for text in row] for row in (header, *rows)]
    lines = ["-" * width for width in widths or _needs(table)]
    rule = [
        f"{line[:-1]}:" if index < len(right) and right[index] else f":{line[1:]}" for index, line in enumerate(lines)
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (table[0], rule, *table[1:]))


def _needs(table: Sequence[Sequence[str]]) -> list[int]:
    """Return the characters that each column needs for its longest cell; a header may take two lines."""
    head, *rows = ([len(text) + GAP for text in row] for row in table)
    return [max(3, (wide + GAP + 1) // 2, *cells) for wide, *cells in zip(head, *rows, strict=True)]


def cell(text: str) -> str:
    """Return Markdown that fits a cell: on one line, pipes escaped, and no break before an error's half-width."""
    return " ".join(text.split()).replace("|", "\\|").replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")


def as_text(value: object) -> str:
    """Return Markdown that prints a value as it is: whatever comes out of a result's file is text, never markup."""
    text = "".join(character for character in " ".join(str(value).split()) if character.isprintable())
    return "".join(f"&#{ord(mark)};" if mark in _MARKS else mark for mark in text)


def plain(text: str) -> str:
    """Return Markdown as it reads without its marks: spans, superscripts, emphasis, code."""
    text = re.sub(r"\[([^\[\]]*)\]\{[^{}]*\}", r"\1", text)
    pieces = text.split("`")  # every other one is code, and stays
    pieces[::2] = [re.sub(r"\^([^\s^]+)\^", r"^\1", piece).replace("*", "") for piece in pieces[::2]]
    return "".join(pieces)
