"""Every line of the notes is accounted for in book/notes.toml, and what it says of claims is what the claims say of it."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from lab.book.notes import Group, Notes, Statement, notes, read_notes
from lab.book.verdicts import NOTES_FILE, Entry, all_entries, ledger, verdicts
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
    for file, hashes in read.hashes.items():
        covered = [(line, line) for line in read.blank[file]]
        covered += [(group.first, group.last) for group in read.groups if group.file == file]
        lines = Counter(line for first, last in covered for line in range(first, last + 1))
        wanted = Counter(range(1, len(hashes) + 1))
        if odd := sorted((lines - wanted) + (wanted - lines)):
            found.append(f"{file}: lines {odd} are in no group, in two, or not in the notes")
    for group in read.groups:
        for statement in group.says:
            place = f"{group.file}, line {group.lines}: {statement.text!r}"
            if [bool(statement.claims), bool(statement.chapter), bool(statement.why)].count(True) != 1:
                found.append(f"{place} has not exactly one of claims, chapter and why")
            found += [f"{place}: there is no claim {claim}" for claim in statement.claims if claim not in claims]
            if statement.chapter and statement.chapter not in read.coming:
                found.append(f"{place}: {statement.chapter} is not among the chapters to come")
        named = [claim for statement in group.says for claim in statement.claims]
        found += [f"{group.file}, line {group.lines} names {claim} twice" for claim in named if named.count(claim) > 1]
    for claim, source in claims.items():
        if source is None:
            continue
        if not 1 <= source.first <= source.last <= len(read.hashes.get(source.file, [])):
            found.append(f"{claim}: there are no {source}")
        for group in read.groups:
            overlaps = group.file == source.file and group.first <= source.last and source.first <= group.last
            if overlaps and not any(claim in statement.claims for statement in group.says):
                found.append(f"{claim} has {source}, but {NOTES_FILE} does not name it at line {group.lines}")
    return found


def test_every_line_of_the_notes_is_accounted_for_and_every_claim_with_its_lines_is_named_there() -> None:
    assert {file: len(hashes) for file, hashes in NOTES.hashes.items()} == {"N0": 85, "N3": 123}
    found = note_faults(NOTES, claims())
    assert not found, "\n".join(found)


def test_lines_between_the_groups_are_blank_and_those_that_begin_or_end_one_are_not() -> None:
    for file, hashes in NOTES.hashes.items():
        assert {hashes[line - 1] for line in NOTES.blank[file]} <= BLANK
        ends = {line for group in NOTES.groups if group.file == file for line in (group.first, group.last)}
        assert not {hashes[line - 1] for line in ends} & BLANK


def test_a_chapter_to_come_is_not_there_yet_and_each_is_waited_for() -> None:
    waited = {statement.chapter for group in NOTES.groups for statement in group.says if statement.chapter}
    assert waited == set(NOTES.coming)
    assert not waited & set(names(ROOT)), "the chapter is there: name its claims in book/notes.toml"


def test_the_page_shows_every_line_once() -> None:
    file = "book/notes.qmd"
    source = parse((ROOT / file).read_text(encoding="utf-8"), file, {})
    calls = [c.code.strip() for c in source.chunks if isinstance(c, Cell) and c.code.startswith("notes(")]
    shown = [ast.literal_eval(call.replace("notes(entries, ", "(")) for call in calls]
    for file, hashes in NOTES.hashes.items():
        lines = [line for name, first, last in shown if name == file for line in range(first, last + 1)]
        assert lines == list(range(1, len(hashes) + 1))
        for group in (group for group in NOTES.groups if group.file == file):
            assert any(name == file and first <= group.first and group.last <= last for name, first, last in shown)


def test_notes_ledger_and_chapters_lead_to_each_other_and_say_which_was_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with stored_results(ROOT):
        entries = all_entries(ROOT)
        table = ledger(entries).data
        chapters = {name: verdicts(load(name, ROOT)).data for name in names(ROOT)}
        lines = "".join(notes(entries, file, 1, len(hashes)).data for file, hashes in NOTES.hashes.items())
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
    assert all(lines.count(f"{{#{group.anchor}}}") == 1 for group in NOTES.groups)
    assert all(statement.text in lines for group in NOTES.groups for statement in group.says)


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
SMALL = Notes(
    hashes={"N0": ["a", "b", "c"]},
    blank={"N0": [2]},
    groups=[
        Group("N0", 1, 1, [Statement("One.", claims=["x.one"])]),
        Group("N0", 3, 3, [Statement("Three.", why="a heading"), Statement("More.", chapter="y")]),
    ],
    coming={"y": "Why?"},
)


@pytest.mark.parametrize(
    ("read", "one", "said"),
    [
        (SMALL, Lines("N0", 1, 1), None),
        (SMALL, None, None),
        (replace(SMALL, blank={"N0": []}), None, "lines [2] are in no group"),
        (replace(SMALL, blank={"N0": [2, 3]}), None, "lines [3] are in no group, in two"),
        (replace(SMALL, hashes={"N0": ["a"]}, groups=SMALL.groups[:1], blank={"N0": [2]}), None, "lines [2] are in no group"),
        (SMALL, Lines("N0", 1, 3), "x.one has Lines(file='N0', first=1, last=3), but book/notes.toml does not name it at line 3"),
        (SMALL, Lines("N0", 3, 4), "there are no Lines(file='N0', first=3, last=4)"),
        (SMALL, Lines("N1", 1, 1), "there are no Lines(file='N1'"),
        (replace(SMALL, coming={}), None, "y is not among the chapters to come"),
        (replace(SMALL, groups=[replace(SMALL.groups[0], says=[Statement("One.")]), SMALL.groups[1]]), None, "not exactly one"),
        (replace(SMALL, groups=[replace(SMALL.groups[0], says=[Statement("One.", claims=["x.two"])]), SMALL.groups[1]]), None, "there is no claim x.two"),
        (replace(SMALL, groups=[replace(SMALL.groups[0], says=SMALL.groups[0].says * 2), SMALL.groups[1]]), None, "names x.one twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_between_the_notes_and_the_claims_is_told(
    read: Notes, one: Lines | None, said: str | None
) -> None:
    found = note_faults(read, {"x.one": one})
    assert (not found) if said is None else said in "\n".join(found)
