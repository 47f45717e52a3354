"""Text as a terminal would leave it on the screen: what was overwritten is gone, and no control character is left.

Progress bars write a line over and over, with carriage returns; a page, like a terminal, is to show its last state.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"\x1b\[(?P<numbers>[0-?]*)[ -/]*(?P<final>[@-~])"  # colours, moves of the cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\Z)"  # window titles, links: up to their end
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
# Controls other than tab and line feed, the override that turns a line round, and what no file in UTF-8 can hold.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff\ufffe\uffff]")
_MOVES = re.compile("[\r\b\v\f\x1b\x9b]")


def as_shown(text: str) -> str:
    """Return what a terminal shows once all of `text` has been written to it."""
    if _MOVES.search(text):
        text = _written(text.replace("\x9b", "\x1b["))
    return without_controls(text)


def without_controls(text: str) -> str:
    """Return text without control characters, but for tabs and ends of lines."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n"))


def _written(text: str) -> str:
    lines: list[list[str]] = [[]]
    row = column = at = 0

    def put(characters: str) -> None:
        nonlocal row, column
        for character in characters:
            line = lines[row]
            if character in "\n\v\f":
                row, column = row + 1, 0
                if row == len(lines):
                    lines.append([])
            elif character == "\r":
                column = 0
            elif character == "\b":
                column = max(0, column - 1)
            elif character == "\t" or not _CONTROLS.match(character):
                line.extend(" " * (column - len(line)))
                line[column : column + 1] = [character]
                column += 1

    for escape in _ESCAPE.finditer(text):
        put(text[at : escape.start()])
        at, final = escape.end(), escape["final"]
        numbers = escape["numbers"] or ""
        first = int(numbers.split(";")[0]) if numbers.split(";")[0].isdigit() else 0
        step = min(max(first, 1), 10_000)
        if final == "A":
            row = max(0, row - step)
        elif final == "B":
            row = min(len(lines) - 1, row + step)
        elif final == "C":
            column += step
        elif final == "D":
            column = max(0, column - step)
        elif final == "G":
            column = step - 1
        elif final == "K":  # erase in the line: from here on, up to here, all of it
            line = lines[row]
            if first == 0:
                del line[column:]
            else:
                upto = len(line) if first == 2 else min(column + 1, len(line))
                line[:upto] = [" "] * upto
        elif final == "J" and first in (2, 3):
            lines, row, column = [[]], 0, 0
    put(text[at:])
    return "\n".join("".join(line).rstrip(" ") for line in lines)
