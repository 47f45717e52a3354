"""Tables: from pandoc's Table to `data-table` of book.typ, with the columns' own widths or such as suit their words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from press.book import Node
from press.pandoc_ast import words
from press.pdf.markup import call

LINE = 96  # characters of table text that fit the width of the page, gaps of three between columns included
SIZE = 9.3  # of table text, in points
SMALLEST = 6.5  # the same, for many columns of numbers
SHORT = 20  # a column never longer than this has room for its longest line, or word
BOLD = 2  # characters more that a word may take which is not set as most are
PARAGRAPH = 40  # a table with two columns longer than this may be parted between its rows
_TEX = re.compile(r"\\[a-zA-Z]+ ?")  # a sign in print, however long its name
Cells = list[Any]  # of a row
_ALIGN = {"AlignLeft": "left", "AlignRight": "right", "AlignCenter": "center", "AlignDefault": "left"}


def table_call(node: Node, convert: Callable[[list[Node]], list[Node]]) -> list[Node]:
    """The blocks that set a Table; `convert` turns the blocks of a cell into what pandoc is to write."""
    _, (_, caption), specs, head, bodies, foot = node["c"]
    header = [row[1] for row in head[1]]
    rows = [row[1] for row in [row for body in bodies for row in (*body[2], *body[3])] + foot[1]]
    parts = _parts(header + rows, specs)
    if len(parts) == 1:
        return _table(header, rows, specs, caption, convert)
    made = []
    for part in parts:  # one below the other, each with the first column
        own_header, own_rows = ([[cells[column] for column in part] for cells in some] for some in (header, rows))
        own = [specs[column] for column in part]
        made += _table(own_header, own_rows, own, caption if part is parts[0] else [], convert)
    return made


def _table(
    header: list[Cells], rows: list[Cells], specs: list[Any], caption: list[Node], convert: Callable[[Any], list[Node]]
) -> list[Node]:
    texts = _texts(header + rows, len(specs))
    longest = [max(map(len, column)) for column in texts]
    widths = _widths(texts, specs)
    hyphenate = ", ".join(str(most > PARAGRAPH).lower() for most in longest)
    paragraphs = str(_of_paragraphs(longest)).lower()
    aligned = ", ".join(_ALIGN[align["t"]] for align, _ in specs)
    options = (
        f"size: {_size(widths, longest)}, paragraphs: {paragraphs}, hyphenate: ({hyphenate},), align: ({aligned},)"
    )
    arguments: list[str | list[Node]] = [f"#book.data-table(columns: ({', '.join(widths)},), {options}, "]
    if caption:
        arguments += ["caption: ", convert(caption)]
    for name, part in (("header", header), ("rows", rows)):
        arguments.append(f"{name}: (")
        for _, align, down, across, blocks in (cell for cells in part for cell in cells):
            own = "" if align["t"] == "AlignDefault" else f"align: {_ALIGN[align['t']]}, "
            arguments += [f"table.cell(rowspan: {down}, colspan: {across}, {own}", convert(blocks), "), "]
        arguments.append("), ")
    return call(*arguments, f"header-rows: {len(header)})")


def _parts(rows: list[Cells], specs: list[Any]) -> list[list[int]]:
    """The columns of each of the tables in which one must be set that is too wide for the page even in small type."""
    every = list(range(len(specs)))
    if any(cell[2] > 1 or cell[3] > 1 for cells in rows for cell in cells):
        return [every]
    texts = _texts(rows, len(specs))
    widest = [max(map(len, column)) + 3 for column in texts]
    room = LINE * SIZE / SMALLEST
    if sum(widest) <= room or set(_widths(texts, specs)) != {"auto"}:
        return [every]
    parts: list[list[int]] = [[0]]
    for column in every[1:]:
        if len(parts[-1]) > 1 and sum(widest[other] for other in [*parts[-1], column]) > room:
            parts.append([0])
        parts[-1].append(column)
    return parts


def _texts(rows: list[Cells], count: int) -> list[list[str]]:
    """What the cells of each column say, about as long as it is in print; cells that span columns say nothing of widths."""
    whole = [cells for cells in rows if len(cells) == count]
    return [["", *(_TEX.sub("x", words(cells[column][4])) for cells in whole)] for column in range(count)]


def _of_paragraphs(longest: list[int]) -> bool:
    """Whether the rows are paragraphs side by side."""
    return sum(most > PARAGRAPH for most in longest) > 1


def _widths(columns: list[list[str]], specs: list[Any]) -> list[str]:
    """`auto` for columns of short cells, for prose a share by its length; in a table of words, shares for all columns.

    Those of a table of paragraphs are as the roots of their lengths, which makes it lowest; another keeps the shares
    that it was given, so that tables of one kind have one look.  (pandoc makes up shares for long rows of numbers too.)
    """
    longest = [max(map(len, column)) for column in columns]
    roots = [(sum(map(len, column)) / len(column) + max(map(len, column)) / 2) ** 0.5 for column in columns]
    shares = [100 * width["c"] for align, width in specs if width["t"] == "ColWidth" and align["t"] != "AlignRight"]
    room = LINE - 3 * len(specs)
    if len(shares) < len(specs):
        if sum(longest) <= room or max(longest) <= SHORT:
            return ["auto"] * len(specs)
        shares = [0.0 if most <= SHORT else root for most, root in zip(longest, roots, strict=True)]
        room -= sum(most for most in longest if most <= SHORT)
    elif _of_paragraphs(longest):
        shares = roots
    for _ in columns:  # room for what is not to be broken; what one column gains may make another too narrow
        for column, texts in enumerate(columns):
            piece = BOLD + max(len(piece) for text in texts for piece in re.split("[ -]", text))
            others = sum(shares) - shares[column]
            if piece <= SHORT and piece < room and 0 < shares[column] * room < piece * sum(shares):
                shares[column] = others * piece / (room - piece)
    return [f"{share:.1f}fr" if share else "auto" for share in shares]


def _size(widths: list[str], longest: list[int]) -> str:
    """Size of the type: smaller for a table of many columns of numbers."""
    total = sum(longest) + 3 * len(longest)
    size = SIZE if any("fr" in width for width in widths) else max(SMALLEST, min(SIZE, SIZE * LINE / total))
    return f"{size:.1f}pt"
