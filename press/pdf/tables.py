"""Tables: from pandoc's Table to `data-table` of book.typ, with the columns' own widths or such as suit their words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from press.book import Node
from press.pandoc_ast import words
from press.pdf.markup import Call

LINE = 96  # characters of table text that fit the width of the page, gaps of three between columns included
SIZE = 9.3  # of table text, in points
SMALLEST = 6.5  # the same, for many columns of numbers
SHORT = 20  # a column never longer than this has room for its longest line, or word
BOLD = 2  # characters more that a word may take which is not set as most are
PARAGRAPH = 40  # a table with two columns longer than this may be parted between its rows
_TEX = re.compile(r"\\[a-zA-Z]+ ?")  # a sign in print, however long its name
GLUE = "\u00a0"  # no place to break
_ALIGN = {"AlignLeft": "left", "AlignRight": "right", "AlignCenter": "center", "AlignDefault": "left"}


def table_call(node: Node, convert: Callable[[list[Node]], list[Node]]) -> list[Node]:
    """The blocks that set a Table; `convert` turns the blocks of a cell into what pandoc is to write."""
    parts = _parts(node)
    if len(parts) > 1:  # one below the other, each with the first column
        return [block for part in parts for block in table_call(_columns(node, part, part is parts[0]), convert)]
    _, caption, specs, head, bodies, foot = node["c"]
    header = head[1]
    rows = [row for body in bodies for row in (*body[2], *body[3])] + foot[1]
    widths, lengths = _widths([*header, *rows], specs), _lengths(rows, len(specs))
    call = Call(f"#book.data-table(columns: ({', '.join(widths)},), size: {_size(widths, header + rows)}, ")
    hyphenate = ", ".join(str(max(column) > PARAGRAPH).lower() for column in lengths)
    call.code(f"paragraphs: {str(_of_paragraphs(lengths)).lower()}, hyphenate: ({hyphenate},), ")
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


def _parts(node: Node) -> list[list[int]]:
    """The columns of each of the tables in which one must be set that is too wide for the page even in small type."""
    _, _, specs, head, bodies, foot = node["c"]
    rows = [*head[1], *(row for body in bodies for row in (*body[2], *body[3])), *foot[1]]
    count = len(specs)
    every = list(range(count))
    if any(len(row[1]) != count or any(cell[2] > 1 or cell[3] > 1 for cell in row[1]) for row in rows):
        return [every]
    widest = [max(column) + 3 for column in _lengths(rows, count)]
    room = LINE * SIZE / SMALLEST
    if sum(widest) <= room or _widths(rows, specs) != ["auto"] * count:
        return [every]
    parts: list[list[int]] = [[0]]
    for column in every[1:]:
        if len(parts[-1]) > 1 and sum(widest[other] for other in [*parts[-1], column]) > room:
            parts.append([0])
        parts[-1].append(column)
    return parts


def _columns(node: Node, chosen: list[int], first: bool) -> Node:
    """Some columns of a table, with its caption if they are its first."""
    attr, caption, specs, head, bodies, foot = node["c"]

    def of(rows: list[Any]) -> list[Any]:
        return [[row[0], [row[1][column] for column in chosen]] for row in rows]

    new_bodies = [[body[0], body[1], of(body[2]), of(body[3])] for body in bodies]
    caption = caption if first else [None, []]
    own = [specs[column] for column in chosen]
    return {"t": "Table", "c": [attr, caption, own, [head[0], of(head[1])], new_bodies, [foot[0], of(foot[1])]]}


def _cell(call: Call, cell: list[Any], convert: Callable[[list[Node]], list[Node]]) -> None:
    _, align, down, across, blocks = cell
    options = [f"rowspan: {down}"] * (down > 1) + [f"colspan: {across}"] * (across > 1)
    if align["t"] != "AlignDefault":
        options.append(f"align: {_ALIGN[align['t']]}")
    if options:
        call.code(f"table.cell({', '.join(options)}, ").content(convert(blocks)).code("), ")
    else:
        call.content(convert(blocks)).code(" ")


def _text(cell: list[Any]) -> str:
    """What a cell says, about as long as it is in print."""
    return _TEX.sub("x", words(cell[4]))


def _lengths(rows: list[Any], count: int) -> list[list[int]]:
    """Characters in each cell, by column; cells that span columns say nothing of widths."""
    lengths: list[list[int]] = [[0] for _ in range(count)]
    for row in rows:
        if len(row[1]) == count:
            for column, cell in zip(lengths, row[1], strict=True):
                column.append(len(_text(cell)))
    return lengths


def _of_paragraphs(lengths: list[list[int]]) -> bool:
    """Whether the rows are paragraphs side by side."""
    return sum(max(column) > PARAGRAPH for column in lengths) > 1


def _widths(rows: list[Any], specs: list[Any]) -> list[str]:
    """`auto` for columns of short cells, for prose a share by its length; in a table of words, shares for all columns.

    Those of a table of paragraphs are as the roots of their lengths, which makes it lowest; another keeps the shares
    that it was given, so that tables of one kind have one look.  (pandoc makes up shares for long rows of numbers too.)
    """
    count = len(specs)
    lengths = _lengths(rows, count)
    words_only = [width for align, width in specs if width["t"] == "ColWidth" and align["t"] != "AlignRight"]
    if len(words_only) == count:
        given = [100 * width["c"] for width in words_only]
        if _of_paragraphs(lengths):
            given = [(sum(column) / len(column) + max(column) / 2) ** 0.5 for column in lengths]
        return [f"{share:.1f}fr" for share in _roomy(given, _pieces(rows, lengths), LINE - 3 * count)]
    longest = [max(column) for column in lengths]
    if sum(longest) + 3 * count <= LINE or max(longest) <= SHORT:
        return ["auto"] * count
    shares = [
        0.0 if most <= SHORT else (sum(column) / len(column) + max(column) / 2) ** 0.7
        for most, column in zip(longest, lengths, strict=True)
    ]
    room = LINE - sum(most if most <= SHORT else 0 for most in longest) - 3 * count
    shares = _roomy(shares, _pieces(rows, lengths), room)
    return [f"{share:.1f}fr" if share else "auto" for share in shares]


def _roomy(shares: list[float], pieces: list[int], room: int) -> list[float]:
    """Enlarge the shares of columns whose longest piece would stick out of its part of the room."""
    for _ in shares:  # what one column gains may make another too narrow
        for column, piece in enumerate(pieces):
            others = sum(shares) - shares[column]
            if shares[column] and shares[column] * room < piece * sum(shares) and piece < room:
                shares[column] = others * piece / (room - piece)
    return shares


def _pieces(rows: list[Any], lengths: list[list[int]]) -> list[int]:
    """Characters of the longest piece of each column that is not to be broken.

    That is a number with its interval, what a no-break space joins, and in a column of short cells every word.
    """
    pieces = [0] * len(lengths)
    for row in rows:
        if len(row[1]) == len(lengths):
            for column, cell in enumerate(row[1]):
                short = max(lengths[column]) <= PARAGRAPH
                whole = [
                    piece
                    for piece in re.split("[ -]", _text(cell))
                    if short or GLUE in piece or piece[:1] in "−0123456789"
                ]
                pieces[column] = max([pieces[column], *(len(piece) + short * BOLD for piece in whole)])
    return pieces


def _size(widths: list[str], rows: list[Any]) -> str:
    """Size of the type: smaller for a table of many columns of numbers."""
    total = sum(max(column) + 3 for column in _lengths(rows, len(widths)))
    size = SIZE if any("fr" in width for width in widths) else max(SMALLEST, min(SIZE, SIZE * LINE / total))
    return f"{size:.1f}pt"
