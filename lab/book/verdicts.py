"""The claims with what became of them: one chapter's table, and the ledger of all."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import yaml
from IPython.display import Markdown

from lab.book.markdown_tables import as_text, markdown_table, plain
from lab.claims import Claim, Verdict
from lab.duration import duration
from lab.errors import LabError
from lab.estimate import Estimate
from lab.keys.experiments import find_root, home, load, names
from lab.live import data, html_only
from lab.results.reading import as_result, book_result, own_changes, page_result
from lab.results.registration import Standing, When, standings
from lab.results.store import Stored
from lab.run.verification import committed

VERDICT_WORDS = {  # of one claim, and of several
    Verdict.HOLDS: ("holds", "hold"),
    Verdict.CAVEAT: ("holds with a caveat", "hold with a caveat"),
    Verdict.FAILS: ("fails", "fail"),
    Verdict.UNDECIDED: ("is undecided", "are undecided"),
}


BOOK = "_quarto.yml"
NOTES_FILE = "book/notes.toml"


@cache
def _called(root: Path, file: str) -> str:
    """Return what the book calls a file of notes."""
    notes = root / NOTES_FILE
    files = tomllib.loads(notes.read_text(encoding="utf-8"))["files"] if notes.is_file() else {}
    return str(files.get(file, {}).get("called", file))


@dataclass(frozen=True)
class Entry:
    """One claim, decided."""

    experiment: str
    claim: Claim[Any]
    text: str  # of the claim, at the book's setting
    line: str  # drawn for it
    verdict: Verdict
    number: str
    standing: Standing
    rule: dict[str, Any]  # as JSON holds it, with the intervals that it was evaluated on
    book: Entry | None = None  # the same claim in the book, on a page with a setting of its own

    @property
    def anchor(self) -> str:
        """Where the claim stands in its chapter."""
        return f"claim-{self.experiment}-{self.claim.name}".replace("_", "-")

    @property
    def chapter(self) -> str:
        """The chapter as a reference."""
        return f"@sec-{self.experiment}".replace("_", "-")

    @property
    def noted(self) -> str:
        """Where the notes say so, as a link to "The notes, line by line" (from a page in book/); empty if they do not."""
        source = self.claim.source
        if source is None:
            return ""
        first, last = (f"[{line}]{{.given}}" for line in (source.first, source.last))
        lines = f"line {first}" if source.first == source.last else f"lines {first} to {last}"
        return f" [{_called(find_root(), source.file)}, {lines}](notes.qmd#note-{self.anchor}){{.standing}}"

    @property
    def first(self) -> str:
        """Which was first, the line or the number, as Markdown."""
        line, number = (as_text(day) for day in (self.standing.registered, self.standing.computed))
        words = {
            When.BEFORE: f"{When.BEFORE} (rule committed {line}, computed {number})",
            When.UNPROVABLE: f"{When.BEFORE}: {When.UNPROVABLE}",
            When.AFTER: f"line {When.AFTER}",
        }
        return f"[{words[self.standing.when]}]{{.standing}}"

    @property
    def word(self) -> str:
        """The verdict as Markdown, in its colour."""
        return f"[{self.verdict}]{{.verdict-{self.verdict.name.lower()}}}"

    def beside(self, what: str) -> str:
        """Return one of its texts, and the book's where that is another."""
        own, book = getattr(self, what), self.book and getattr(self.book, what)
        return f"{own} [(book: {book})]{{.usual}}" if book and book != own else str(own)

    @property
    def tied(self) -> str:
        """Say that its line was drawn for the book's setting, where its words follow the setting (Markdown)."""
        if self.book is None or self.book.line == self.line:
            return ""
        return f" [The line was drawn for the book's setting, where it reads: {self.book.line}]{{.usual}}"


def decide(experiment: Any) -> list[Entry]:
    """Return the experiment's claims with the verdicts that its result gives; at a setting of the page's own, beside the book's."""
    name, root = home(experiment)
    entries = _decided(experiment, page_result(name, root))
    if not own_changes(name):
        return entries
    book = _decided(experiment, book_result(name, root))
    return [replace(own, book=other) for own, other in zip(entries, book, strict=True)]


def _decided(experiment: Any, stored: Stored) -> list[Entry]:
    name, _ = home(experiment)
    result, standing = as_result(experiment, stored), standings(experiment, stored.provenance)
    params = getattr(result, "params", None)
    found = []
    for claim in experiment.CLAIMS:
        verdict = claim.verdict(result)
        if not isinstance(verdict, Verdict):
            raise LabError(f"claim {claim.name!r} of {name}: its rule gave {verdict!r}, wanted a lab.claims.Verdict")
        text, line = claim.stated(params)
        rule = claim.rule.packed(result)
        found.append(Entry(name, claim, text, line, verdict, claim.number(result), standing[claim.name], rule))
    return found


def verdicts(experiment: Any) -> Markdown:
    """Return the chapter's claims as a table: claim, line, verdict, number.  The ledger links to its rows."""
    # The anchor comes after the text: under Quarto, Typst attaches it to what stands before it.
    rows = [
        [
            f"{entry.text}[]{{#{entry.anchor}}}{entry.noted}",
            f"{entry.line}{entry.tied} {entry.first}",
            entry.beside("word"),
            entry.beside("number"),
        ]
        for entry in decide(experiment)
    ]
    return Markdown(markdown_table(["Claim", "When it holds", "Verdict", "Number"], rows, widths=[27, 39, 11, 23]))


def judged(experiment: Any, result: Any) -> Markdown:
    """Return the experiment's claims as a table: when each holds, and what becomes of it by this result and in the book."""
    params = getattr(result, "params", experiment.Params())
    try:
        book = as_result(experiment, committed(*home(experiment)))
    except LabError:  # there is none to read here
        book = None
    rows = []
    for claim in experiment.CLAIMS:
        text, line = map(plain, claim.stated(params))
        theirs = f"{claim.verdict(book)}: {plain(claim.number(book))}" if book is not None else "–"
        rows.append([text, line, f"**{claim.verdict(result)}**: {plain(claim.number(result))}", theirs])
    return Markdown(markdown_table(["claim", "when it holds", "here", "in the book"], rows))


def strip(experiment: Any) -> Markdown:
    """Return how the chapter came out in one line: its claims by verdict, reading time, what a rerun costs.

    The reading time is filled in by a filter (book/theme/reading_time.lua), which sees the chapter's words.  With it come the
    claims' rules and intervals as data: the page's script lets a reader move the lines in the table of verdicts.
    """
    name, root = home(experiment)
    entries = decide(experiment)
    parts = [f"{len(entries)} claims: {tally([entry.verdict for entry in entries])}"]
    if any(entry.book for entry in entries):
        parts += [f"in the book: {tally([entry.book.verdict for entry in entries if entry.book])}"]
    cost = duration(page_result(name, root).provenance["seconds"]).replace(" ", "\N{NO-BREAK SPACE}")
    parts += ["[]{.reading-time}", f"{cost} to run again"]
    rules = data([{"anchor": e.anchor, "verdict": e.verdict.name, "rule": e.rule} for e in entries])
    lines = html_only(f'<div class="lines" hidden>{rules}</div>')
    return Markdown(f"::: {{.strip}}\n{' · '.join(parts)}\n:::\n\n{lines}")


def tally(found: list[Verdict]) -> str:
    """Return how many claims came out in which way, in colour: "3 hold, 1 fails"."""
    phrases = []
    for verdict, (one, several) in VERDICT_WORDS.items():
        if count := found.count(verdict):
            phrases.append(f"[{count} {one if count == 1 else several}]{{.verdict-{verdict.name.lower()}}}")
    return ", ".join(phrases)


def bar(entries: Iterable[Entry]) -> Markdown:
    """Return all verdicts as one bar, each as long as its share; where there are no pictures, the tally below says it."""
    found = Counter(entry.verdict for entry in entries)
    said = ", ".join(f"{found[verdict]} {words[found[verdict] != 1]}" for verdict, words in VERDICT_WORDS.items())
    parts = "".join(
        f'<span class="bar-{verdict.name.lower()}" style="flex-grow: {found[verdict]}"></span>'
        for verdict in VERDICT_WORDS
        if found[verdict]
    )
    words = escape(f"Of {found.total()} claims {said}.")
    return Markdown(f'```{{=html}}\n<div class="bar" role="img" aria-label="{words}">{parts}</div>\n```')


def first_estimate(root: Path) -> str:
    """Return the first estimate of the book, as it is printed."""
    results = (as_result(load(name, root), page_result(name, root)) for name in in_book_order(root))
    estimates = (value for result in results for value in vars(result).values() if isinstance(value, Estimate))
    return str(next(estimates, Estimate.of([1, 2, 3])))


def in_book_order(root: Path) -> list[str]:
    """Return the experiments in the order of their chapters in _quarto.yml; those without a chapter last."""
    order = {path.stem: place for place, (_, path) in reversed(list(enumerate(book_chapters(root))))}
    return sorted(names(root), key=lambda name: order.get(name, len(order)))


def book_chapters(root: Path) -> list[tuple[str, Path]]:
    """Return part and path of every chapter of a book, in order."""
    return list(chapters_of((root / BOOK).read_text(encoding="utf-8")))


def chapters_of(book: str) -> Iterator[tuple[str, Path]]:
    """Yield part and path of every chapter in _quarto.yml's text; the path of a part's own page comes with its path."""
    try:
        for node in yaml.safe_load(book)["book"]["chapters"]:
            part, paths = (node["part"], node.get("chapters") or []) if isinstance(node, dict) else ("", [node])
            for path in [part, *paths] if part.endswith(".qmd") else paths:
                yield part, Path(path)
    except yaml.YAMLError as error:
        raise LabError(f"{BOOK} is not YAML: {error}") from None
    except (KeyError, TypeError, AttributeError):
        raise LabError(f"{BOOK} has no list book: chapters: of paths and parts") from None
