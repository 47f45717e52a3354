"""The notes, line by line, from book/notes.toml: what each line says, and what became of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from IPython.display import Markdown

from lab.book.markdown_tables import markdown_table
from lab.book.verdicts import NOTES_FILE, Entry, by_name
from lab.errors import LabError
from lab.keys.experiments import find_root


@dataclass(frozen=True)
class Statement:
    """One thing that the notes say, and what judges it: claims, a chapter to come, or the reason why nothing does."""

    file: str  # N0 or N3
    first: int  # of consecutive lines of one thought
    last: int
    text: str  # in our words (Markdown)
    claims: Sequence[str] = ()  # as in "tanh_gain.value"
    chapter: str = ""  # a chapter to come
    why: str = ""  # no claim

    @property
    def anchor(self) -> str:
        """Where its lines stand on the page."""
        return f"notes-{self.file.lower()}-{self.first}"

    @property
    def lines(self) -> str:
        """Its line, or its first and last."""
        return str(self.first) if self.first == self.last else f"{self.first}–{self.last}"


@dataclass(frozen=True)
class Notes:
    """All that book/notes.toml holds."""

    files: dict[str, Any]  # of each the "sha256" of every line, and which lines are "blank", between thoughts
    statements: list[Statement]
    coming: dict[str, str]  # questions of the chapters to come, by their stems


def read_notes(root: Path) -> Notes:
    """Read the file.  Raises LabError where it does not say what it should."""
    try:
        found = tomllib.loads((root / NOTES_FILE).read_text(encoding="utf-8"))
        statements = [
            Statement(file, *group["lines"], **statement)
            for file in found["files"]
            for group in found[file]
            for statement in group["says"]
        ]
        return Notes(found["files"], statements, found["coming"])
    except (KeyError, TypeError, ValueError) as error:
        raise LabError(f"{NOTES_FILE}: {error!r}") from None


def notes(entries: Iterable[Entry], file: str, first: int, last: int) -> Markdown:
    """Return the lines of a file of notes as a table: what they say, the verdicts, and the numbers that decided."""
    named, read, rows, shown = by_name(entries), read_notes(find_root()), [], ""
    for said in read.statements:
        if said.file != file or not first <= said.first <= said.last <= last:
            continue
        # An anchor comes after a text: under Quarto, Typst attaches it to what stands before it.
        lines = f"[{said.lines}]{{.note-line}}[]{{#{said.anchor}}}" if said.anchor != shown else ""
        text, shown = said.text, said.anchor
        for verdict, number in _judged(said, named, read.coming):
            rows.append([lines, text, verdict, number])
            lines = text = ""
    header = ["Line", "What the notes say", "Verdict", "The claim, and what decided it"]
    return Markdown(markdown_table(header, rows, [9, 38, 15, 38]))


def _judged(said: Statement, entries: dict[str, Entry], coming: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the verdicts on a statement, each with what decided it."""
    for claim in said.claims:
        entry = entries[claim]
        source = entry.claim.source
        begins = source is not None and source.file == said.file and said.first <= source.first <= said.last
        anchor = f"[]{{#note-{entry.anchor}}}" if begins else ""
        verdict = f"[{entry.word}]({entry.experiment}.qmd#{entry.anchor}){anchor}"
        yield verdict, f"{entry.text.removesuffix('.')}: {entry.number} ({entry.chapter})"
    if said.chapter:
        yield "[to come]{.standing}", f"*{coming[said.chapter]}*"
    if said.why:
        yield "", f"[{said.why[0].upper()}{said.why[1:]}.]{{.standing}}"


def note_counts() -> SimpleNamespace:
    """Count lines and what they say."""
    read = read_notes(find_root())
    return SimpleNamespace(
        lines=sum(len(file["sha256"]) for file in read.files.values()),
        blank=sum(len(file["blank"]) for file in read.files.values()),
        statements=len(read.statements),
        judged=sum(bool(said.claims) for said in read.statements),  # by at least one claim
        coming=sum(bool(said.chapter) for said in read.statements),
        unjudged=sum(bool(said.why) for said in read.statements),
    )
