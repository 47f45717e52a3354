"""`lab render` with Quarto: its progress is passed on, and an error of a cell is told with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cli.render import run_quarto
from lab.errors import LabError

# As Quarto 1.10.18 says it, on stderr.
SAID = """\
\x1b[1m\x1b[34m[ 2/3] book/one.qmd\x1b[39m\x1b[22m

Starting python3 kernel...Done

Executing 'one.quarto_ipynb'
  Cell 1/2: ''...Done
  Cell 2/2: ''...

An error occurred while executing the following cell:
------------------
y = x + 1

z = y + nothing
------------------

\x1b[31m---------------------------------------------------------------------------\x1b[39m
\x1b[31mNameError\x1b[39m                                 Traceback (most recent call last)
\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[2]\x1b[39m\x1b[32m, line 3\x1b[39m
      1 y = x + 1
----> 3 z = y + nothing

\x1b[31mNameError\x1b[39m: name 'nothing' is not defined
"""
ONE = "# One {#sec-one}\n\n```{python}\nx = 1\n```\n\nText.\n\n```{python}\n#| echo: false\ny = x + 1\n\nz = y + nothing\n```\n"
SETTINGS = "project:\n  type: book\nbook:\n  title: A\n  chapters: [index.qmd, book/one.qmd]\n"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "book").mkdir()
    for name, text in (("_quarto.yml", SETTINGS), ("index.qmd", "# Preface {.unnumbered}\n"), ("book/one.qmd", ONE)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def quarto(book: Path, said: str, code: int) -> list[str]:
    (book / "said").write_text(said, encoding="utf-8")
    return ["sh", "-c", f"cat said >&2; exit {code}"]


def test_a_cell_that_fails_is_told_with_file_and_line(book: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LabError) as caught:
        run_quarto(quarto(book, SAID, 1), book)
    first, last = str(caught.value).splitlines()
    assert first == "book/one.qmd:13: this cell fails: NameError: name 'nothing' is not defined"
    assert ONE.splitlines()[12] == "z = y + nothing" and "its own words are above" in last
    assert capfd.readouterr().err == SAID


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        (
            "Is `{python} x`.\n\nIs `{python} x.size`.",
            "'int' object has no attribute 'size'",
            "9: inline code `x.size` fails",
        ),
        ("`{python} x / 0` or\n`{python} x % 0`.", "division by zero", "7: inline code from here to line 8 fails"),
    ],
)
def test_inline_code_that_fails_is_told_with_file_and_line(book: Path, text: str, error: str, told: str) -> None:
    (book / "book/one.qmd").write_text(ONE.replace("Text.", text), encoding="utf-8")
    said = SAID.partition("  Cell 2/2")[0] + f"\n\nNameError: {error}\n\x1b[33mWARN: Error encountered\x1b[39m\n"
    with pytest.raises(LabError) as caught:
        run_quarto(quarto(book, said, 1), book)
    assert str(caught.value).splitlines()[0] == f"book/one.qmd:{told}: NameError: {error}"


def test_another_failure_is_told_in_quartos_words_alone(book: Path) -> None:
    with pytest.raises(LabError, match=r"^sh -c .* failed; its own words are above$"):
        run_quarto(quarto(book, SAID.partition("An error")[0] + "Done\n\nERROR: Typst compilation failed\n", 1), book)


def test_what_succeeds_says_what_quarto_says(book: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_quarto(quarto(book, "[1/2] index.qmd\n", 0), book)
    assert capfd.readouterr().err == "[1/2] index.qmd\n"
