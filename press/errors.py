"""What is wrong in the sources, where, and what to do about it."""

from __future__ import annotations

from pathlib import Path


class SourceError(Exception):
    """A mistake in a file of the book: `file` (relative to the root), `line` (1-based; 0: the whole file), what, hint."""

    def __init__(self, file: str | Path, line: int, what: str, hint: str = "") -> None:
        super().__init__(file, line, what, hint)  # so that it survives a process pool
        self.file, self.line, self.what, self.hint = str(file), line, what, hint

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        hint = "".join(f"\n  {line}" for line in self.hint.splitlines())
        return f"{place}: {self.what}{hint}"
