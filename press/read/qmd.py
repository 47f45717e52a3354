"""A chapter as written: its cells, the text between them, and the inline code in the text, with their line numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from press.errors import SourceError

_INLINE = re.compile(r"(^|[^`])`\{python\}[ \t]([^`]+)`", re.MULTILINE)  # as Quarto finds it, also in code


def read_text(root: Path, file: str | Path) -> str:
    """Return the text of a file of the book; raise SourceError, with the line, where it is not UTF-8."""
    content = (root / file).read_bytes()
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise SourceError(file, line, what, "save the file as UTF-8") from None


@dataclass(frozen=True)
class Cell:
    """A ```{python} cell."""

    line: int  # of its opening fence
    code: str  # without its options
    code_line: int  # of the first line of `code`
    options: dict[str, Any]  # as written, with the book's defaults for echo and warning


@dataclass(frozen=True)
class Inline:
    """A value computed in a sentence: `{python} expression`."""

    line: int
    code: str


@dataclass(frozen=True)
class Text:
    """What stands between two cells, as written."""

    line: int
    text: str

    def inlines(self) -> list[Inline]:
        """Return the inline code in it, in order."""
        found = _INLINE.finditer(self.text)
        return [Inline(self.line + self.text.count("\n", 0, match.start(2)), match[2].strip()) for match in found]

    def filled(self, values: list[str]) -> str:
        """Return the text with its inline code replaced by `values`, which are Markdown."""
        rest = iter(values)
        return _INLINE.sub(lambda match: match[1] + next(rest), self.text)


@dataclass
class Source:
    """A chapter as written."""

    file: str
    lines: list[str]
    front: dict[str, Any] = field(default_factory=dict)
    title_line: int = 0
    titles: dict[int, str] = field(default_factory=dict)  # of callouts, by the line of their div
    chunks: list[Text | Cell] = field(default_factory=list)

    @property
    def runs(self) -> bool:
        """Whether reading it takes a kernel."""
        return any(isinstance(chunk, Cell) or bool(chunk.inlines()) for chunk in self.chunks)

    def code(self) -> list[str]:
        """Return all that is run, in order."""
        runs: list[str] = []
        for chunk in self.chunks:
            if isinstance(chunk, Cell):
                runs.append(f"{chunk.options.get('eval', True)} {chunk.options.get('label', '')}\n{chunk.code}")
            else:
                runs += [inline.code for inline in chunk.inlines()]
        return runs

    def line_of(self, needle: str, nth: int = 1) -> int:
        """Return the `nth` line that contains `needle` as a whole word, 0 if there is none."""
        word = re.compile(rf"{re.escape(needle)}(?![\w-])")
        found = [number for number, line in enumerate(self.lines, 1) if word.search(line)]
        return found[min(nth, len(found)) - 1] if found else 0
