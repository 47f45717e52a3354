"""Tables: from pandoc's Table to `data-table` of book.typ, with column widths that suit the words in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from press.ast import words
from press.book import Node
from press.pdf.markup import Call

LINE = 96  # characters of table text that fit the width of the page, gaps of three between columns included
SIZE = 9.3  # of table text, in points
SHORT = 20  # a column never longer than this is set on one line
_JOINED = re.compile(r"\s(?=[±%])|(?<=±)\s")  # a number with its interval stays on one line, as in book.typ
_ALIGN = {"AlignLeft": "left", "AlignRight": "right", "AlignCenter": "center", "AlignDefault": "left"}


def table(node: Node, convert: Callable[[list[Node]], list[Node]]) -> list[Node]:
    """The blocks that set a Table; `convert` turns the blocks of a cell into what pandoc is to write."""
    _, caption, specs, head, bodies, foot = node["c"]
    header = head[1]
    rows = [row for body in bodies for row in (*body[2], *body[3])] + foot[1]
    widths = _widths([*header, *rows], len(specs))
    call = Call(f"#book.data-table(columns: ({', '.join(widths)},), size: {_size(widths, header + rows)}, ")
    call.code(f"align: ({', '.join(_ALIGN[align['t']] for align, _ in specs)},), ")
    if caption[1]:
        call.code("caption: ").content(convert(caption[1]))
    for name, part in (("header", header), ("rows", rows)):
        call.code(f"{name}: (")
        for row in part:
            for cell in row[1]:
                _cell(call, cell, convert)
        call.code("), ")
    return call.code(f"header-rows: {len(header)}").end()


def _cell(call: Call, cell: list[Any], convert: Callable[[list[Node]], list[Node]]) -> None:
    _, align, down, across, blocks = cell
    options = [f"rowspan: {down}"] * (down > 1) + [f"colspan: {across}"] * (across > 1)
    if align["t"] != "AlignDefault":
        options.append(f"align: {_ALIGN[align['t']]}")
    if options:
        call.code(f"table.cell({', '.join(options)}, ").content(convert(blocks)).code("), ")
    else:
        call.content(convert(blocks)).code(" ")


def _lengths(rows: list[Any], count: int) -> list[list[int]]:
    """Characters in each cell, by column; cells that span columns say nothing of widths."""
    lengths: list[list[int]] = [[0] for _ in range(count)]
    for row in rows:
        if len(row[1]) == count:
            for column, cell in zip(lengths, row[1], strict=True):
                column.append(len(words(cell[4])))
    return lengths


def _widths(rows: list[Any], count: int) -> list[str]:
    """`auto` for columns of short words; for prose a share of what is left, by its length."""
    lengths = _lengths(rows, count)
    longest = [max(column) for column in lengths]
    if sum(longest) + 3 * count <= LINE or max(longest) <= SHORT:
        return ["auto"] * count
    shares = [
        0.0 if most <= SHORT else (sum(column) / len(column) + max(column) / 2) ** 0.7
        for most, column in zip(longest, lengths, strict=True)
    ]
    room = LINE - sum(most if most <= SHORT else 0 for most in longest) - 3 * count
    shares = _roomy(shares, _pieces(rows, count), room)
    return [f"{share:.1f}fr" if share else "auto" for share in shares]


def _roomy(shares: list[float], pieces: list[int], room: int) -> list[float]:
    """Enlarge the shares of columns whose longest piece would stick out of its part of the room."""
    for _ in shares:  # what one column gains may make another too narrow
        for column, piece in enumerate(pieces):
            others = sum(shares) - shares[column]
            if shares[column] and shares[column] * room < piece * sum(shares) and piece < room:
                shares[column] = others * piece / (room - piece)
    return shares


def _pieces(rows: list[Any], count: int) -> list[int]:
    """Characters of the longest piece in each column that cannot be broken: a word, or a number with its interval."""
    pieces = [0] * count
    for row in rows:
        if len(row[1]) == count:
            for column, cell in enumerate(row[1]):
                text = _JOINED.sub("_", words(cell[4])).replace("-", " ")
                numbers = [piece for piece in text.split() if piece[:1] in "−0123456789"]
                pieces[column] = max([pieces[column], *map(len, numbers)])
    return pieces


def _size(widths: list[str], rows: list[Any]) -> str:
    """Size of the type: smaller for a table of many columns of numbers."""
    total = sum(max(column) + 3 for column in _lengths(rows, len(widths)))
    size = SIZE if any("fr" in width for width in widths) else max(6.5, min(SIZE, SIZE * LINE / total))
    return f"{size:.1f}pt"
