"""Whatever stands in _quarto.yml or in a chapter, it is read or refused with its file: no traceback, no hang."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from press import SourceError, pandoc
from press.read import qmd
from press.read.project import read_project
from tests.fuzzing import fuzz
from tests.press.conftest import CHAPTERS, SETTINGS, MakeBook, pages_of, write_files

# A line takes milliseconds to read: ten seconds mean a pattern that runs away, however busy the machine.
QUICK = fuzz(100, seconds=10)
YAML = [
    "&a [*a]",
    "!!int x",
    "{",
    "[",
    "- ",
    ": ",
    "? ",
    "\t",
    "'",
    '"',
    "~",
    "\0",
    "é",
    "..",
    "/",
    "index.qmd",
    "part: A",
]
YAML += ["null", "true", "1e400", "9" * 5000, "|", "#", "---", "...", "%YAML 9", "<<: *b", "\u2028", "[" * 500]
PIECES = [
    "# A",
    "## B {#sec-b}",
    "---",
    "::: {.callout-note}",
    ":::",
    "::: {#fig-a}",
    "::::",
    "```{python}",
    "```",
    "~~~",
]
PIECES += [
    "#| echo: [",
    "#| label: a",
    "`{python} 1`",
    "`{r} 1`",
    "$x$",
    "$$ {#eq-a}",
    "@sec-b",
    "[@x; @sec-b]",
    "| a | b |",
]
PIECES += [
    "|--|--|",
    ": A {#tbl-a}",
    "![A](a.svg){#fig-b}",
    "[a](#b)",
    "[^1]",
    "[^1]: note",
    "```{=html}",
    "<div>",
    "{{< x >}}",
]
PIECES += [
    "{{{{",
    "  - item",
    "> quote",
    "\\",
    "\u2028",
    "\x0b",
    "\x0c",
    "a" * 300,
    "*" * 60,
    "[" * 40,
    "`" * 60,
    "%",
    "\t",
]
LINES = st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=14).map("\n".join)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small book, whose files each example writes anew."""
    root = tmp_path_factory.mktemp("fuzz")
    write_files(root, CHAPTERS)
    return root


def refusal(call: Callable[[], Any], file: str, lines: int) -> bool:
    """Say whether a call refuses; then its error must name the file, a line that is in it, and what is wrong."""
    try:
        call()
    except SourceError as error:
        told = str(error)
        good = error.file == file and 0 <= error.line <= lines and error.what and told.startswith(file)
        assert good, told
        return True
    return False


@QUICK
@given(
    where=st.integers(0, SETTINGS.count("\n")),
    cut=st.integers(0, 3),
    piece=st.sampled_from(YAML) | st.text(max_size=20),
)
@example(where=7, cut=1, piece="  chapters: [index.qmd, {part: 1, chapters: 2}]")
@example(where=18, cut=3, piece="\u2028")  # ends a line in YAML, and in no editor
@example(where=19, cut=3, piece="0\r")
def test_settings_are_read_or_refused(book: Path, where: int, cut: int, piece: str) -> None:
    lines = SETTINGS.splitlines()
    for text in ("\n".join([*lines[:where], piece, *lines[where + cut :]]), SETTINGS.replace("A book", piece)):
        (book / "_quarto.yml").write_text(text, encoding="utf-8", errors="replace")
        refusal(lambda: read_project(book), "_quarto.yml", text.count("\n") + text.count("\r") + 1)


@QUICK
@given(content=st.binary(max_size=60))
def test_settings_of_any_bytes_are_refused(book: Path, content: bytes) -> None:
    (book / "_quarto.yml").write_bytes(content)
    lines = content.count(b"\n") + content.count(b"\r") + 1
    assert refusal(lambda: read_project(book), "_quarto.yml", lines)


@QUICK
@given(text=LINES)
def test_chapters_are_cut_into_cells_and_text_or_refused(text: str) -> None:
    if not refusal(lambda: qmd.parse(text, "one.qmd"), "one.qmd", text.count("\n") + 1):
        assert re.search(r"^# +\S", text, re.MULTILINE)
        assert qmd.parse(text, "one.qmd").lines == text.removesuffix("\n").split("\n")


@fuzz(12)
@given(text=LINES.filter(lambda text: "{python}" not in text))
@example(text="```{=html}\n<!-- \n```")
def test_chapters_become_pages_or_are_refused(book: Path, text: str) -> None:
    text = f"# One\n\n{text}\n"
    write_files(book, {"_quarto.yml": SETTINGS})
    (book / "one.qmd").write_text(text, encoding="utf-8", newline="\n")
    try:
        refusal(lambda: pages_of(book), "one.qmd", text.count("\n") + 1)
    finally:
        (book / "one.qmd").write_text(CHAPTERS["one.qmd"], encoding="utf-8")


def test_a_chapter_that_pandoc_cannot_finish_is_refused(make_book: MakeBook, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_book({"one.qmd": "# One\n\n" + "[" * 100 + "\n"})  # it would try every way to close them
    monkeypatch.setattr(pandoc, "LIMIT", 2)
    with pytest.raises(SourceError, match=r"^one.qmd: pandoc has not read it after 2 s"):
        pages_of(root)
