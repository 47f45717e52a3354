"""Our column of the staleness benchmark: nothing shown that is not true, nothing computed for nothing, row by row."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.staleness.ours import OurBook, Ours
from benchmarks.staleness.rows import HIT, ROWS, Row
from benchmarks.staleness.trial import REFUSED, STALE, WASTED, Trial, try_out
from lab.keys import key
from lab.keys.canonical_json import digest

OF_CHAPTERS = tuple(row for row in ROWS if row.also == "chapter")
OF_RESULTS = tuple(row for row in ROWS if row.also != "chapter")


def quick(system: Ours) -> Ours:
    system.within = True
    return system


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    trial = Trial(quick(Ours(tmp_path_factory.mktemp("results") / "a")))
    trial.prepare()
    return trial


def test_every_change_that_bears_on_a_result_is_seen_and_no_other(results: Trial) -> None:
    words = {row.what: results.act(row) for row in OF_RESULTS}
    assert results.wrong == {}, results.errors
    assert results.stale[0] == results.wasted[0] == 0
    refused = [what for what, word in words.items() if word == REFUSED]
    assert refused == ["environment variable changed", "dynamic import: what it brings changed"]
    assert "experiments/walk.py:" in results.errors["dynamic import: what it brings changed"]


def test_a_chapter_is_executed_for_what_bears_on_it_alone(tmp_path: Path) -> None:
    trial = try_out(quick(OurBook(tmp_path / "a")), OF_CHAPTERS)
    assert trial.wrong == {}, trial.errors
    assert {trial.words[row.what] for row in OF_CHAPTERS if not row.refusal} == {HIT}
    assert "_quarto.yml:" in trial.errors["fig-width in _quarto.yml changed"]


def row_of(beginning: str) -> Row:
    return next(row for row in ROWS if row.what.startswith(beginning))


def test_a_key_that_sees_no_code_is_caught(results: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: what every other system does."""
    monkeypatch.setattr("lab.keys.key_parts.form", lambda look, reached, start: "")
    results.system.restored()
    mutant = Trial(quick(Ours(results.system.home.with_name("blind"))))
    mutant.prepare()
    assert mutant.act(row_of("transitively imported")) == STALE


def test_a_key_that_sees_every_text_is_caught(results: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: the bytes of each module instead of what it means."""
    whole = lambda look, reached, start: digest([look.root_of(name) for name in reached.modules])  # noqa: E731
    monkeypatch.setattr(key.Reach, "root_of", lambda look, name: _text(look, name), raising=False)
    monkeypatch.setattr("lab.keys.key_parts.form", whole)
    mutant = Trial(quick(Ours(results.system.home.with_name("bytes"))))
    mutant.prepare()
    assert mutant.act(row_of("comment in imported")) == WASTED


def _text(look: key.Reach, module: str) -> str:
    file = look.sources.root / look.sources.label(module)
    return file.read_text(encoding="utf-8") if file.is_file() else ""
