"""How the command line prints: tables, colours where there is a terminal, plain text where there is none."""

from __future__ import annotations

import codecs
import io
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
LEGIBLE = 24  # characters of a column; one that is narrower and has more to show breaks words
_ANSI = {"red": 31, "green": 32, "yellow": 33, "cyan": 36}


def print_columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print short cells in columns, one row a line, without rich, which takes longer to load than `lab status` may take."""
    terminal = sys.stdout.isatty()
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        if terminal:
            room = max(shutil.get_terminal_size().columns - sum(widths[:-1]) - 2 * len(widths) + 2, 20)
            cells[-1] = row[-1] if len(row[-1]) <= room else f"{row[-1][: room - 1]}…"
        if terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb":
            cells = [
                f"\x1b[{_ANSI[WORDS[c]]}m{cell}\x1b[0m" if (c := cell.strip()) in WORDS else cell for cell in cells
            ]
        print("  ".join(cells).rstrip())


# For a terminal, or a file, whose encoding lacks what we print.
_PLAIN = dict(zip("−×…’“”\N{NO-BREAK SPACE}⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-x.''' -0123456789", strict=True)) | {"±": "+/-", "→": "->"}


def plainly() -> None:
    """Print signs that an output has no code for as the nearest that it has, and never fail for want of one."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="lab.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


codecs.register_error("lab.plain", _plain)


@cache
def console(stderr: bool = False) -> Console:
    """Return standard output (or error): as wide as the terminal, without end where there is none."""
    from rich.console import Console

    found = Console(stderr=stderr, highlight=False, markup=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, markup=False, width=100_000)


def print_table(rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> None:
    """Print rows in columns that wrap where the terminal ends; words of state and verdict in their colour.

    Where it is too narrow for that, each row is a paragraph: two cells, and the others below them, one a line.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return

    def text(cell: str, name: str = "") -> Text:
        return Text.assemble(name, (cell, WORDS.get(cell, "")))

    needed = sum(min(max(map(len, cells)), LEGIBLE) + 2 for cells in zip(*rows, strict=True))
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(head), header_style="bold")
    lines: list[Text | Padding] = []
    for index in range(len(rows[0])):
        made.add_column(head[index] if head else "", no_wrap=index == 0, overflow="fold")
    for row in rows:
        made.add_row(*map(text, row))
        lines.append(Text("  ").join(map(text, row[:2])))
        below = [text(cell, f"{name}: " if name else "") for name, cell in zip(head[2:], row[2:], strict=True) if cell]
        lines += [Padding(line, (0, 0, 0, 2)) for line in below]
    with console().capture() as printed:
        console().print(made if needed <= console().width else Group(*lines))
    print("\n".join(line.rstrip() for line in printed.get().splitlines()))


def first_reasons(reasons: Sequence[str], most: int = 2) -> str:
    """Return the first lines of the first few reasons, and how many there are more."""
    shown = "; ".join(reason.splitlines()[0] for reason in reasons[:most])
    return shown + (f"; and {len(reasons) - most} more" if len(reasons) > most else "")
