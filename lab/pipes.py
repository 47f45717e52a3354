"""Tables as Markdown, in the form that both Quarto and press read: pipes."""

from __future__ import annotations

from collections.abc import Sequence


def pipes(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    widths: Sequence[int] | None = None,
    right: Sequence[bool] = (),
) -> str:
    """Return a pipe table of Markdown cells.  `widths` are shares of the line, used where a row is longer than one."""
    lines = ["-" * (widths[index] if widths else 3) for index in range(len(header))]
    rule = [
        f"{line[:-1]}:" if index < len(right) and right[index] else f":{line[1:]}" for index, line in enumerate(lines)
    ]
    return "\n".join(
        f"| {' | '.join(cells)} |" for cells in ([*map(cell, header)], rule, *([*map(cell, row)] for row in rows))
    )


def cell(text: str) -> str:
    """Return Markdown that fits a cell: on one line, pipes escaped, and no break before an error's half-width."""
    return " ".join(text.split()).replace("|", "\\|").replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")
