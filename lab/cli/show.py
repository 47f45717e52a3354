"""How the command line prints: tables, colours where there is a terminal, plain text where there is none."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from itertools import zip_longest

WORDS = {  # states and verdicts with their colours
    "fresh": "green",
    "stale": "yellow",
    "missing": "yellow",
    "damaged": "red",
    "running": "cyan",
    "failed": "red",
    "holds": "green",
    "holds with a caveat": "yellow",
    "fails": "red",
    "undecided": "cyan",
    "no": "red",
}
LEGIBLE = 24  # characters of a column; one that is narrower and has more to show breaks words
_ANSI = {"red": 31, "green": 32, "yellow": 33, "cyan": 36}


def print_table(
    rows: Sequence[Sequence[str]], head: Sequence[str] = (), right: Sequence[int] = (), cut: bool = False
) -> None:
    """Print rows in columns that fit the terminal; words of state and verdict in their colour.

    Cells wrap, or with `cut` those of the last column end where the terminal does.  Where it is too narrow for that, each row
    is a paragraph: two cells, and the others below them, one a line.
    """
    if not rows:
        return
    room = terminal_width()
    table = [head, *rows] if head else rows
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    if room and cut:
        widths[-1] = min(widths[-1], max(room - sum(widths[:-1]) - 2 * len(widths) + 2, 20))
    elif room and not _shrink(widths, room):
        for row in rows:
            _print_paragraph(row, head, room)
        return
    for row in table:
        cells = [
            textwrap.wrap(cell, width or 1, max_lines=1 if cut else None, placeholder="…")
            for cell, width in zip(row, widths, strict=True)
        ]
        for line in zip_longest(*cells, fillvalue=""):
            placed = [
                text.rjust(width) if column in right else text.ljust(width)
                for column, (text, width) in enumerate(zip(line, widths, strict=True))
            ]
            print("  ".join(map(_coloured, placed, row)).rstrip())


def terminal_width() -> int | None:
    """Return the columns of the terminal that is printed to, None if there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _shrink(widths: list[int], room: int) -> bool:
    """Make the widest columns but the first narrower until all fit; say whether that can be done."""
    while sum(widths) + 2 * len(widths) - 2 > room:
        widest = max(range(1, len(widths)), key=lambda index: widths[index], default=0)
        if not widest or widths[widest] <= LEGIBLE:
            return False
        widths[widest] -= 1
    return True


def _print_paragraph(row: Sequence[str], head: Sequence[str], room: int) -> None:
    print("  ".join(map(_coloured, row[:2], row[:2])))
    for name, cell in zip(head[2:], row[2:], strict=True):
        if cell:
            text = f"{name}: {cell}" if name else cell
            for line in textwrap.wrap(text, room, initial_indent="  ", subsequent_indent="  "):
                print(line.replace(cell, _coloured(cell, cell)))


def _coloured(text: str, cell: str) -> str:
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain or cell not in WORDS else f"\x1b[{_ANSI[WORDS[cell]]}m{text}\x1b[0m"
