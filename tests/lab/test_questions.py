"""`lab new` writes a question that runs, renders and passes its tests at once, and harms nothing that is there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_project import ROOT, Project

from lab.book.questions import create, with_chapter
from lab.errors import LabError

BOOK = """\
# order
book:
  chapters:   # here only
    - index.qmd
    - part: Starting weights
      chapters:
        - book/zero.qmd  # first

    - part: "Optimisers"
      chapters:
      - book/momentum.qmd
    # the end
    - book/references.qmd
  appendices:
    - book/ledger.qmd
"""


def test_a_name_that_python_or_a_page_of_the_book_has_says_so(project: Project) -> None:
    with pytest.raises(
        LabError, match="'class' will not do: it is a word of Python's own\nadd another word, as in class_"
    ):
        create("class", project.root)
    with pytest.raises(LabError, match=r"index is taken: there is index\.qmd"):
        create("index", project.root)


def test_ctrl_c_says_how_to_go_on_with_what_is_written(project: Project) -> None:
    """Not by the same command, which would find the name taken."""
    running = project.start("new", "flips")
    assert running.stdout and any("flips: running" in line for line in running.stdout)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130 and said == "stopped; lost: flips\ntype: lab run flips\n"


def test_a_chapter_is_added_to_the_last_part_and_nothing_else_changes() -> None:
    made = with_chapter(BOOK, "book/mine.qmd")
    assert made == BOOK.replace("      - book/momentum.qmd\n", "      - book/momentum.qmd\n      - book/mine.qmd\n")


def test_a_chapter_is_added_to_the_part_named() -> None:
    made = with_chapter(BOOK, "book/mine.qmd", "Starting weights")
    assert made == BOOK.replace("  # first\n", "  # first\n        - book/mine.qmd\n")


def test_a_book_without_parts_takes_a_chapter_at_its_end() -> None:
    assert (
        with_chapter("book:\n  chapters: \n  - index.qmd", "a.qmd") == "book:\n  chapters: \n  - index.qmd\n  - a.qmd\n"
    )


@pytest.mark.parametrize(
    ("book", "part", "message"),
    [
        (BOOK, "Optimizers", "no part is called 'Optimizers'; did you mean Optimisers"),
        ("book:\n  chapters: [index.qmd]\n", None, "write the chapters one a line"),
        ("book: {}\n", None, "has no list book: chapters:"),
        ("book: [\n", None, "is not YAML"),
    ],
)
def test_a_book_that_cannot_take_it_says_why(book: str, part: str | None, message: str) -> None:
    with pytest.raises(LabError, match=re.escape(message)):
        with_chapter(book, "book/mine.qmd", part)


@pytest.mark.parametrize("name", ["Mine", "my-question", "2nd", "a__b", "über", "", "../x"])
def test_a_name_that_will_not_do_is_refused(project: Project, name: str) -> None:
    with pytest.raises(LabError, match="will not do: words in lower case"):
        create(name, project.root)


@pytest.mark.parametrize("there", ["experiments/mine.py", "book/mine.qmd", "results/mine/x", "tests/deep/test_mine.py"])
def test_what_is_there_is_never_overwritten(project: Project, there: str) -> None:
    path = project.write(there, "precious")
    before = sorted(project.root.rglob("*"))
    with pytest.raises(LabError, match="mine is taken: there is"):
        create("mine", project.root)
    assert path.read_text() == "precious" and sorted(project.root.rglob("*")) == before


def test_a_new_question_runs_renders_and_passes_its_tests_at_once(tmp_path: Path) -> None:
    """In a copy of the project, its book cut down to one page that needs no kernel, so that only the new one executes."""
    root = tmp_path / "the book"
    leave = shutil.ignore_patterns(".git", ".venv", "_book", ".lab", ".press", "*.egg-info", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, root, ignore=leave)
    settings = (root / "_quarto.yml").read_text(encoding="utf-8")
    short = "  chapters:\n    - index.qmd\n    - part: Only\n      chapters:\n        - book/only.qmd\n"
    (root / "_quarto.yml").write_text(re.sub(r"  chapters:\n.*?(?=^\w)", f"{short}\n", settings, flags=re.S | re.M))
    for chapter in root.glob("book/*.qmd"):
        chapter.unlink()
    (root / "index.qmd").write_text("# Preface {.unnumbered}\n\nHello.\n")
    (root / "book/only.qmd").write_text("# Only {#sec-only}\n\nHello.\n")

    said = _lab(root, "new", "coin_flips", "--part", "Only")
    assert "coin_flips: done in" in said and "Next:" in said
    assert "        - book/only.qmd\n        - book/coin_flips.qmd\n" in (root / "_quarto.yml").read_text()
    assert re.search(r"coin_flips +fresh", _lab(root, "status"))

    tests = ["tests/test_coin_flips.py", "tests/test_layout.py", "tests/test_prose.py", "-k", "coin_flips"]
    said = _python(root, "-m", "pytest", "-p", "no:cacheprovider", *tests)
    assert re.search(r"^(2\d|1[5-9]) passed", said, re.M), said  # the new tests, and the rules of the tree about it
    files = ["experiments/coin_flips.py", "figures/coin_flips.py", "tests/test_coin_flips.py"]
    _python(root, "-m", "ruff", "check", *files)
    _python(root, "-m", "ruff", "format", "--check", *files)

    said = _lab(root, "render", "coin_flips", "--to", "html", "--with", "press")
    page = (root / "_book/book/coin_flips.html").read_text(encoding="utf-8")
    slope = re.search(r"exponent is\s+(−|-)0\.\d+\s±\s0\.\d+", re.sub("<[^>]+>", "", page))
    assert slope and "rendered with press" in said and "{python}" not in page


def _lab(root: Path, *typed: str) -> str:
    return _python(root, "-m", "lab", *typed)


def _python(root: Path, *typed: str) -> str:
    variables = os.environ | {"PYTHONPATH": str(root), "LAB_ROOT": str(root)}
    done = subprocess.run(
        [sys.executable, *typed], cwd=root, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
