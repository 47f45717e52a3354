"""What pages say of all claims together: the ledger, the home page at a glance, and the notes line by line."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from IPython.display import Markdown

from lab.book.markdown_tables import markdown_table
from lab.book.verdicts import NOTES_FILE, Entry, book_chapters, decide, first_estimate, in_book_order, tally
from lab.claims import Verdict
from lab.errors import LabError, unknown
from lab.keys.experiments import files, find_root, load
from lab.live import data, html_only
from lab.results.registration import When

_TAKEAWAY = re.compile(r'(?ms)^::: *\{\.callout-tip[^}]*title="Takeaway"[^}]*\}\n+(.*?)\n+:::')


def all_entries(root: Path | None = None) -> list[Entry]:
    """Return every claim of every experiment, in the book's order."""
    root = root or find_root()
    return [entry for name in in_book_order(root) for entry in decide(load(name, root))]


def by_name(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return claims by their full names, as in "tanh_gain.value"."""
    return {f"{entry.experiment}.{entry.claim.name}": entry for entry in entries}


def _striking_first(entries: Iterable[Entry]) -> list[Entry]:
    """Return claims with what one looks for first at the beginning; of the same verdict, in the book's order."""
    order = (Verdict.FAILS, Verdict.UNDECIDED, Verdict.CAVEAT, Verdict.HOLDS)
    return sorted(entries, key=lambda entry: order.index(entry.verdict))


def ledger(entries: Sequence[Entry]) -> Markdown:
    """Return claims with their verdicts, linked to their chapters (from a page in book/): what failed first.

    The first of a chapter is linked to its code and test, too.
    """
    rows, linked = [], set()
    for entry in _striking_first(entries):
        name, chapter = entry.experiment, entry.chapter
        if name not in linked:
            code = f"../{files(name, find_root())[0]}"
            chapter += f"[: [experiment]({code}), [test](../tests/test_{name}.py)]{{.to-files}}"
            linked.add(name)
        verdict = f"[{entry.word}]({name}.qmd#{entry.anchor})[]{{#ledger-{entry.anchor}}}"
        rows.append([chapter, f"{entry.text}{entry.noted} {entry.first}", verdict, entry.number])
    return Markdown(markdown_table(["Chapter", "Claim", "Verdict", "Number"], rows, widths=[14, 46, 14, 26]))


def ledger_controls(entries: Sequence[Entry]) -> Markdown:
    """Return what the page's script makes filters of, for the ledger that stands below; without script it is nothing."""
    parts = {path.stem: part for part, path in book_chapters(find_root())}
    claims = [
        {
            "anchor": entry.anchor,
            "verdict": entry.verdict.name,
            "part": parts.get(entry.experiment, ""),
            "place": entries.index(entry),
        }
        for entry in _striking_first(entries)
    ]
    return Markdown(html_only(f'<div class="ledger" hidden>{data(claims)}</div>'))


def ledger_counts(entries: Sequence[Entry]) -> SimpleNamespace:
    """Return the ledger in numbers."""
    root = find_root()
    standing = Counter(entry.standing.when for entry in entries)
    told = tally([entry.verdict for entry in entries]) or "none is decided yet"
    return SimpleNamespace(
        claims=len(entries),
        example=first_estimate(root),
        strip=Markdown(f"::: {{.tally}}\n{told}\n:::"),
        lines_first=standing[When.BEFORE],  # claims whose line provably came before the number
        unprovable=standing[When.UNPROVABLE],  # by the authors' word alone
        lines_later=standing[When.AFTER],  # claims whose line was changed or drawn when the number was known
    )


def surprises(entries: Iterable[Entry], *claims: str) -> Markdown:
    """Return claims by name, as in "tanh_gain.value": what the notes say, what became of it, and the number.

    A claim whose question has left the book is left out.
    """
    named = by_name(entries)
    questions = {entry.experiment for entry in named.values()}
    lines = []
    for name in claims:
        if name.partition(".")[0] not in questions:
            continue
        if name not in named:
            raise unknown("claim", name, named)
        entry = named[name]
        place = f"book/{entry.experiment}.qmd#{entry.anchor}"
        lines.append(f"- “{entry.text.rstrip('.')}” [{entry.word}]({place}): {entry.number}.")
    return Markdown("::: {.surprises}\n" + "\n".join(lines) + "\n:::")


def contents(entries: Sequence[Entry]) -> Markdown:
    """Return the chapters part by part, each with its verdicts and its takeaway."""
    blocks, last = [], ""
    for part, path in book_chapters(find_root()):
        verdicts = [entry.verdict for entry in entries if entry.experiment == path.stem]
        if not verdicts:
            continue
        if part != last:
            blocks.append(f"**{part}**")
            last = part
        title, takeaway = _told(find_root() / path)
        told = f"[{title}]({path.as_posix()})\n[{tally(verdicts)}]{{.tally}}\n\n{takeaway}"
        blocks.append(f"::: {{.chapter}}\n{told}\n:::")
    return Markdown("\n\n".join(blocks) or "There is no chapter with a question yet.")


def start(entries: Iterable[Entry]) -> Markdown:
    """Return the two ways in: the first chapter that has a question, and the ledger, which begins with what failed."""
    asked = {entry.experiment for entry in entries}
    first = next((path.as_posix() for _, path in book_chapters(find_root()) if path.stem in asked), "book/before.qmd")
    return Markdown(f"[Start reading]({first}){{.button}} [See what failed](book/ledger.qmd){{.button}}")


def _told(file: Path) -> tuple[str, str]:
    """Return a chapter's question and the sentence to take away, as written."""
    text = file.read_text(encoding="utf-8")
    title = re.search(r"(?m)^# (.*?)(?: *\{[^}]*\})? *$", text)
    takeaway = _TAKEAWAY.search(text)
    if not title or not takeaway:
        raise LabError(f'{file.name}: the home page wants its title and its callout with title="Takeaway"')
    if "`{python}" in takeaway[1]:
        raise LabError(f"{file.name}: the takeaway stands on the home page too, which cannot compute its numbers")
    return title[1], " ".join(takeaway[1].split())


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
