"""The home page at a glance: all verdicts in one bar, a few that surprise, and every chapter with its answer in a line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from html import escape
from pathlib import Path

from IPython.display import Markdown

from lab.book.verdicts import VERDICT_WORDS, Entry, book_chapters, by_name, tally
from lab.claims import Verdict
from lab.errors import LabError, unknown
from lab.keys.experiments import find_root

_TAKEAWAY = re.compile(r'(?ms)^::: *\{\.callout-tip[^}]*title="Takeaway"[^}]*\}\n+(.*?)\n+:::')


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


def contents(entries: Iterable[Entry]) -> Markdown:
    """Return the chapters part by part, each with its verdicts and its takeaway."""
    root = find_root()
    verdicts: dict[str, list[Verdict]] = {}
    for entry in entries:
        verdicts.setdefault(entry.experiment, []).append(entry.verdict)
    blocks, last = [], ""
    for part, path in book_chapters(root):
        if path.stem not in verdicts:
            continue
        if part != last:
            blocks.append(f"**{part}**")
            last = part
        title, takeaway = _told(root / path)
        blocks.append(
            f"::: {{.chapter}}\n[{title}]({path.as_posix()})\n[{tally(verdicts[path.stem])}]{{.tally}}\n\n{takeaway}\n:::"
        )
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
