"""How the command line prints: tables, colours where there is a terminal, plain text where there is none."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

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
_ANSI = {"red": 31, "green": 32, "yellow": 33, "cyan": 36}


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print short cells in columns, one row a line, without rich, which takes longer to load than `lab status` may take."""
    terminal = sys.stdout.isatty()
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        if terminal and "NO_COLOR" not in os.environ:
            room = max(shutil.get_terminal_size().columns - sum(widths[:-1]) - 2 * len(widths) + 2, 20)
            cells[-1] = row[-1] if len(row[-1]) <= room else f"{row[-1][: room - 1]}…"
            cells = [
                f"\x1b[{_ANSI[WORDS[c]]}m{cell}\x1b[0m" if (c := cell.strip()) in WORDS else cell for cell in cells
            ]
        print("  ".join(cells).rstrip())


@cache
def console(stderr: bool = False) -> Console:
    """Return standard output (or error): as wide as the terminal, without end where there is none."""
    from rich.console import Console

    found = Console(stderr=stderr, highlight=False, markup=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, markup=False, width=100_000)


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> None:
    """Print rows in columns that wrap where the terminal ends; words of state and verdict in their colour."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(head), header_style="bold")
    for index in range(len(rows[0]) if rows else 0):
        made.add_column(head[index] if head else "", no_wrap=index == 0, overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell, style=WORDS.get(cell, "")) for cell in row))
    with console().capture() as printed:
        console().print(made)
    print("\n".join(line.rstrip() for line in printed.get().splitlines()))


def short(reasons: Sequence[str], most: int = 2) -> str:
    """Return the first lines of the first few reasons, and how many there are more."""
    shown = "; ".join(reason.splitlines()[0] for reason in reasons[:most])
    return shown + (f"; and {len(reasons) - most} more" if len(reasons) > most else "")
