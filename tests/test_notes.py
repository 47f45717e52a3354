"""Every line of the notes is accounted for in book/notes.toml, and what it says of claims is what the claims say of it."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from lab.book.ledger import Notes, Statement, all_entries, ledger, notes, read_notes
from lab.book.verdicts import NOTES_FILE, Entry, verdicts
from lab.claims import Above, Claim, Lines, Verdict
from lab.keys.experiments import load, names
from lab.results.registration import Standing, When
from press.read.qmd import Cell, parse
from tests.chapter_code import stored_results

ROOT = Path(__file__).resolve().parents[1]
NOTES = read_notes(ROOT)
BLANK = {hashlib.sha256(blank).hexdigest() for blank in (b"", b" ", b"  ")}


def claims() -> dict[str, Lines | None]:
    """Return where each claim of the book stands in the notes."""
    return {f"{name}.{claim.name}": claim.source for name in names(ROOT) for claim in load(name, ROOT).CLAIMS}


def note_faults(read: Notes, claims: dict[str, Lines | None]) -> list[str]:
    """Return what is wrong between the file and the claims, each with its source, by "experiment.claim"."""
    found = []
    for file, of in read.files.items():
        covered = {(said.first, said.last) for said in read.statements if said.file == file}
        lines = Counter(line for first, last in covered for line in range(first, last + 1)) + Counter(of["blank"])
        wanted = Counter(range(1, len(of["sha256"]) + 1))
        if odd := sorted((lines - wanted) + (wanted - lines)):
            found.append(f"{file}: lines {odd} are in no group, in two, or not in the notes")
    for said in read.statements:
        place = f"{said.file}, line {said.lines}: {said.text!r}"
        if [bool(said.claims), bool(said.chapter), bool(said.why)].count(True) != 1:
            found.append(f"{place} has not exactly one of claims, chapter and why")
        found += [f"{place}: there is no claim {claim}" for claim in said.claims if claim not in claims]
        if said.chapter and said.chapter not in read.coming:
            found.append(f"{place}: {said.chapter} is not among the chapters to come")
    for group in groups(read):
        named = [claim for said in group for claim in said.claims]
        place = f"{group[0].file}, line {group[0].lines}"
        found += [f"{place} names {claim} twice" for claim in named if named.count(claim) > 1]
    for claim, source in claims.items():
        if source is None:
            continue
        if not 1 <= source.first <= source.last <= len(read.files.get(source.file, {"sha256": []})["sha256"]):
            found.append(f"{claim}: there are no {source}")
        for group in groups(read):
            overlaps = group[0].file == source.file and group[0].first <= source.last and source.first <= group[0].last
            if overlaps and not any(claim in said.claims for said in group):
                found.append(f"{claim} has {source}, but {NOTES_FILE} does not name it at line {group[0].lines}")
    return found


def groups(read: Notes) -> list[list[Statement]]:
    """Return the statements of the same lines together."""
    return [list(group) for _, group in groupby(read.statements, lambda said: said.anchor)]


def test_every_line_of_the_notes_is_accounted_for_and_every_claim_with_its_lines_is_named_there() -> None:
    assert {file: len(of["sha256"]) for file, of in NOTES.files.items()} == {"N0": 85, "N3": 123}
    found = note_faults(NOTES, claims())
    assert not found, "\n".join(found)


def test_lines_between_the_groups_are_blank_and_those_that_begin_or_end_one_are_not() -> None:
    for file, of in NOTES.files.items():
        assert {of["sha256"][line - 1] for line in of["blank"]} <= BLANK
        ends = {line for said in NOTES.statements if said.file == file for line in (said.first, said.last)}
        assert not {of["sha256"][line - 1] for line in ends} & BLANK


def test_a_chapter_to_come_is_not_there_yet_and_each_is_waited_for() -> None:
    waited = {said.chapter for said in NOTES.statements if said.chapter}
    assert waited == set(NOTES.coming)
    assert not waited & set(names(ROOT)), "the chapter is there: name its claims in book/notes.toml"


def test_the_page_shows_every_line_once() -> None:
    file = "book/notes.qmd"
    source = parse((ROOT / file).read_text(encoding="utf-8"), file, {})
    calls = [c.code.strip() for c in source.chunks if isinstance(c, Cell) and c.code.startswith("notes(")]
    shown = [ast.literal_eval(call.replace("notes(entries, ", "(")) for call in calls]
    for file, of in NOTES.files.items():
        lines = [line for name, first, last in shown if name == file for line in range(first, last + 1)]
        assert lines == list(range(1, len(of["sha256"]) + 1))
        for said in (said for said in NOTES.statements if said.file == file):
            assert any(name == file and first <= said.first and said.last <= last for name, first, last in shown)


def test_notes_ledger_and_chapters_lead_to_each_other_and_say_which_was_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with stored_results(ROOT):
        entries = all_entries(ROOT)
        table = ledger(entries).data
        chapters = {name: verdicts(load(name, ROOT)).data for name in names(ROOT)}
        lines = "".join(notes(entries, file, 1, len(of["sha256"])).data for file, of in NOTES.files.items())
    rows = table.splitlines()[2:]
    assert len(rows) == len(entries)
    for entry in entries:
        row = next(row for row in rows if f"{{#ledger-{entry.anchor}}}" in row)
        chapter = next(line for line in chapters[entry.experiment].splitlines() if f"{{#{entry.anchor}}}" in line)
        assert f"({entry.experiment}.qmd#{entry.anchor})" in row
        for where in (row, chapter):
            assert any(str(when) in where for when in When)
        if entry.claim.source:
            assert f"(notes.qmd#note-{entry.anchor})" in row and f"(notes.qmd#note-{entry.anchor})" in chapter
            assert lines.count(f"{{#note-{entry.anchor}}}") == 1
            assert f"({entry.experiment}.qmd#{entry.anchor})" in lines
    assert all(lines.count(f"{{#{said.anchor}}}") == 1 for said in NOTES.statements)
    assert all(said.text in lines for said in NOTES.statements)


def test_which_was_first_is_said_with_both_dates_only_where_it_can_be_shown() -> None:
    entry = Entry("x", CLAIM, "", "", Verdict.HOLDS, "", Standing(When.BEFORE, "2026-11-27", "2026-11-28"), {})
    said = entry.first.replace("&#45;", "-")
    assert said == "[line before number (rule committed 2026-11-27, computed 2026-11-28)]{.standing}"
    for when, words in ((When.AFTER, "line after the number"), (When.UNPROVABLE, "line before number: not provable")):
        late = replace(entry, standing=Standing(when, "2026-11-27", "2026-11-28"))
        assert late.first == f"[{words}]{{.standing}}"
    assert (entry.noted, replace(entry, claim=replace(CLAIM, source=None)).noted) == (
        " [First notes, lines [3]{.given} to [4]{.given}](notes.qmd#note-claim-x-one){.standing}", ""
    )  # fmt: skip


CLAIM: Claim[float] = Claim("one", "One.", Lines("N0", 3, 4), Above("it", lambda r: r, 0), str)
SAID = [
    Statement("N0", 1, 1, "One.", claims=["x.one"]),
    Statement("N0", 3, 3, "Three.", why="a heading"),
    Statement("N0", 3, 3, "More.", chapter="y"),
]


def small(hashes: str = "abc", blank: Sequence[int] = (2,), said: Sequence[Statement] = SAID, **coming: str) -> Notes:
    return Notes({"N0": {"sha256": [*hashes], "blank": blank}}, list(said), coming or {"y": "Why?"})


@pytest.mark.parametrize(
    ("read", "one", "said"),
    [
        (small(), Lines("N0", 1, 1), None),
        (small(), None, None),
        (small(blank=[]), None, "lines [2] are in no group"),
        (small(blank=[2, 3]), None, "lines [3] are in no group, in two"),
        (small("a", said=SAID[:1]), None, "lines [2] are in no group"),
        (small(), Lines("N0", 1, 3), "x.one has Lines(file='N0', first=1, last=3), but book/notes.toml does not name it at line 3"),
        (small(), Lines("N0", 3, 4), "there are no Lines(file='N0', first=3, last=4)"),
        (small(), Lines("N1", 1, 1), "there are no Lines(file='N1'"),
        (small(z="What?"), None, "y is not among the chapters to come"),
        (small(said=[replace(SAID[0], claims=()), *SAID[1:]]), None, "not exactly one"),
        (small(said=[replace(SAID[0], claims=["x.two"]), *SAID[1:]]), None, "there is no claim x.two"),
        (small(said=[SAID[0], *SAID]), None, "names x.one twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_between_the_notes_and_the_claims_is_told(
    read: Notes, one: Lines | None, said: str | None
) -> None:
    found = note_faults(read, {"x.one": one})
    assert (not found) if said is None else said in "\n".join(found)
