"""Formulas: everything that pandoc can name, Typst must know; and what is printed is what TeX would print."""

from __future__ import annotations

import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
import typst
from pdf_pages import page, text

from press import pdf
from press.book import Book, Chapter
from press.errors import SourceError
from press.pandoc import program
from press.pdf import maths

RANGES = ((0xA1, 0x400), (0x2010, 0x2070), (0x2100, 0x2C00))  # letters, punctuation, arrows, operators, shapes


def test_typst_knows_every_symbol_that_pandoc_names() -> None:
    """Without warnings, so that a name is put right before Typst drops it."""
    symbols = [chr(code) for start, stop in RANGES for code in range(start, stop)]
    symbols = [
        symbol
        for symbol in symbols
        if not unicodedata.category(symbol).startswith(("C", "M", "Z")) and symbol not in "√∛∜"
    ]
    command = [program(), "-f", "markdown", "-t", "typst", "--wrap=none"]
    formulas = "\n\n".join(f"${symbol}$" for symbol in symbols)
    typeset = subprocess.run(command, input=formulas, capture_output=True, text=True, check=True).stdout
    lines = [f"{maths.MARK}{line}{maths.MARK}" for line in typeset.split("\n\n")]
    _, warnings = typst.compile_with_warnings(maths.modern("\n\n".join(lines)).encode(), ignore_system_fonts=True)
    assert not [str(warning) for warning in warnings if "deprecated" in str(warning)]


@pytest.mark.parametrize(
    ("pandoc", "wanted"),
    [
        (r"a dot.circle b", "a ⊙ b"),
        (r'"Var" \[ x \]', r'op("Var") \[ x \]'),
        (r'upright("if ") x', r'upright("if ") x'),
        (
            r'cases(delim: "{", 1 & x > 0, f \( 2 \) & "else")',
            r'cases(delim: "{", 1 & quad x > 0, f \( 2 \) & quad op("else"))',
        ),
        (
            r"#scale(x: 120%, y: 120%)[\[] x #scale(x: 180%, y: 180%)[{]",
            r"stretch(\[, size: #120%) x stretch(\{, size: #180%)",
        ),
        (r"#scale(x: 120%, y: 120%)[parallel] x", r"stretch(parallel, size: #120%) x"),
        (r"mat(1 & 2)", r"mat(1 & 2)"),
        (r'"sect"', r'op("sect")'),
    ],
)
def test_a_formula_is_put_right(pandoc: str, wanted: str) -> None:
    assert maths.modern(f"{maths.MARK}${pandoc}${maths.MARK}") == f"${wanted}$"


def test_only_formulas_are_touched() -> None:
    assert maths.modern('Names such as dot.circle and "Var" stay.') == 'Names such as dot.circle and "Var" stay.'


def test_names_of_the_design_do_not_leak_into_formulas(set_chapter: Callable[[str], Path]) -> None:
    """`accent` and `mono` mean a colour and a font in book.typ, and something else in maths."""
    words = text(set_chapter(r"$\widehat{xyz}$ and $\mathtt{abc}$ and $\operatorname{Var}[x] = 3$."))
    assert "DejaVu" not in words
    assert "rgb" not in words
    assert "Var[" in words


def test_tex_that_pandoc_does_not_know_names_file_and_line(tmp_path: Path) -> None:
    chapter = Chapter(Path("one.qmd"), None, "1")
    source = "Fine: $x$.\n\nNot fine: $\\bigm| x$.\n"
    (tmp_path / "one.qmd").write_text(f"# One\n\n{source}")
    with pytest.raises(SourceError, match=r"^one\.qmd:5: unknown TeX: \\bigm\| x"):
        pdf.typst_source(page(chapter, "One", source), Book(tmp_path, "Title", (chapter,)))
