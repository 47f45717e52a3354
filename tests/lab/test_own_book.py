"""`lab init`: from an empty folder to a site, a PDF and verdicts, and through the other commands, without anything of this book."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.book.questions import create_book
from lab.errors import LabError
from lab.keys.experiments import names

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, *command: str) -> str:
    """Run Python in a folder, with the lab as an installed package."""
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "LAB_ROOT")}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_book_of_ones_own_is_computed_rendered_extended_tested_and_verified(tmp_path: Path) -> None:
    book = tmp_path / "my_notes"
    said = run(tmp_path, "-m", "lab", "init", "my_notes")
    assert "wrote my_notes/index.qmd" in said and "cd my_notes" in said
    run(book, "-m", "lab", "render", "--with", "press")
    assert (book / "_book/book.pdf").read_bytes()[:5] == b"%PDF-"
    page = (book / "_book/book/coin_flips.html").read_text()
    assert "My notes" in page and re.search(
        r'class="verdict-holds"[^>]*>holds', page.partition('id="claim-coin-flips-root-n"')[2]
    )
    assert "coin_flips.ipynb" in page
    run(book, "-m", "lab", "new", "second_question")
    run(book, "-m", "lab", "run", "second_question", "--set", "seeds=3")
    assert "second_question.html" in run(
        book, "-m", "lab", "render", "second_question", "--to", "html", "--with", "press"
    )
    assert "2 of 2 experiments agree with the book" in run(book, "-m", "lab", "verify")
    run(book, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    known = [name for name in names(ROOT) if re.search(rf"\b{name}\b", "".join(_texts(book)))]
    assert known == []


def _texts(book: Path) -> list[str]:
    files = [
        path
        for path in book.rglob("*")
        if path.suffix in (".qmd", ".yml", ".py", ".md", ".bib") and "_book" not in path.parts
    ]
    return [path.read_text(encoding="utf-8") for path in files]


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(LabError, match="is there and not empty"):
        create_book(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
