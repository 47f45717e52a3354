"""The notes, line by line, from book/notes.toml: what each line says, and what became of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from IPython.display import Markdown

from lab.book.markdown_tables import markdown_table
from lab.book.verdicts import NOTES_FILE, Entry, by_name
from lab.claims import Lines
from lab.errors import LabError
from lab.keys.experiments import find_root


@dataclass(frozen=True)
class Statement:
    """One thing that the notes say, and what judges it: claims, a chapter to come, or the reason why nothing does."""

    text: str  # in our words (Markdown)
    claims: Sequence[str] = ()  # as in "tanh_gain.value"
    chapter: str = ""  # a chapter to come
    why: str = ""  # no claim


@dataclass(frozen=True)
class Group:
    """Consecutive lines of one thought."""

    file: str  # N0 or N3
    first: int
    last: int
    says: list[Statement]

    @property
    def anchor(self) -> str:
        """Where the group stands on the page."""
        return f"notes-{self.file.lower()}-{self.first}"

    @property
    def lines(self) -> str:
        """Its line, or its first and last."""
        return str(self.first) if self.first == self.last else f"{self.first}–{self.last}"

    def begins(self, source: Lines | None) -> bool:
        """Whether a claim's source begins here."""
        return source is not None and source.file == self.file and self.first <= source.first <= self.last


@dataclass(frozen=True)
class Notes:
    """All that book/notes.toml holds."""

    hashes: dict[str, list[str]]  # of each line, by file
    blank: dict[str, list[int]]  # lines between the groups
    groups: list[Group]
    coming: dict[str, str]  # questions of the chapters to come, by their stems


def read_notes(root: Path) -> Notes:
    """Read the file.  Raises LabError where it does not say what it should."""
    try:
        found = tomllib.loads((root / NOTES_FILE).read_text(encoding="utf-8"))
        files = found["files"]
        groups = [
            Group(name, first, last, [Statement(**statement) for statement in group["says"]])
            for name in files
            for group in found[name]
            for first, last in [group["lines"]]
        ]
        hashes = {name: list(file["sha256"]) for name, file in files.items()}
        return Notes(hashes, {name: list(file["blank"]) for name, file in files.items()}, groups, found["coming"])
    except (KeyError, TypeError, ValueError) as error:
        raise LabError(f"{NOTES_FILE}: {error!r}") from None


def notes(entries: Iterable[Entry], file: str, first: int, last: int) -> Markdown:
    """Return the lines of a file of notes as a table: what they say, the verdicts, and the numbers that decided."""
    named, read = by_name(entries), read_notes(find_root())
    rows = [
        row
        for group in read.groups
        if group.file == file and first <= group.first and group.last <= last
        for row in _rows(group, named, read.coming)
    ]
    return Markdown(
        markdown_table(
            ["Line", "What the notes say", "Verdict", "The claim, and what decided it"], rows, [9, 38, 15, 38]
        )
    )


def _rows(group: Group, entries: dict[str, Entry], coming: dict[str, str]) -> Iterator[list[str]]:
    # An anchor comes after a text: under Quarto, Typst attaches it to what stands before it.
    lines = f"[{group.lines}]{{.note-line}}[]{{#{group.anchor}}}"
    for statement in group.says:
        text = statement.text
        for verdict, number in _judged(statement, group, entries, coming):
            yield [lines, text, verdict, number]
            lines = text = ""


def _judged(
    statement: Statement, group: Group, entries: dict[str, Entry], coming: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the verdicts on a statement, each with what decided it."""
    for claim in statement.claims:
        entry = entries[claim]
        anchor = f"[]{{#note-{entry.anchor}}}" if group.begins(entry.claim.source) else ""
        page = f"{entry.experiment}.qmd#{entry.anchor}"
        verdict = f"[{entry.word}]({page}){anchor}"
        yield verdict, f"{entry.text.removesuffix('.')}: {entry.number} ({entry.chapter})"
    if statement.chapter:
        yield "[to come]{.standing}", f"*{coming[statement.chapter]}*"
    if statement.why:
        yield "", f"[{statement.why[0].upper()}{statement.why[1:]}.]{{.standing}}"


@dataclass(frozen=True)
class NoteCounts:
    """The notes in numbers."""

    lines: int
    blank: int
    statements: int
    judged: int  # by at least one claim
    coming: int
    unjudged: int


def note_counts() -> NoteCounts:
    """Count lines and what they say."""
    read = read_notes(find_root())
    statements = [statement for group in read.groups for statement in group.says]
    return NoteCounts(
        lines=sum(map(len, read.hashes.values())),
        blank=sum(map(len, read.blank.values())),
        statements=len(statements),
        judged=sum(bool(statement.claims) for statement in statements),
        coming=sum(bool(statement.chapter) for statement in statements),
        unjudged=sum(bool(statement.why) for statement in statements),
    )
