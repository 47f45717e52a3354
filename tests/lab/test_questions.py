"""`lab new` writes a question that runs, renders and passes its tests; `lab rename` and `lab remove` know all its places.

None of them harms anything else that is there.
"""

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

from lab.book.questions import create, renamed, with_chapter, without_chapter
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


@pytest.mark.parametrize("part", [None, "Starting weights"])
def test_a_chapter_taken_out_leaves_what_was_there_before(part: str | None) -> None:
    assert without_chapter(with_chapter(BOOK, "book/mine.qmd", part), "book/mine.qmd") == BOOK
    assert without_chapter(BOOK, "book/other.qmd") == BOOK


def test_a_part_goes_with_its_last_chapter() -> None:
    left = without_chapter(BOOK, "book/momentum.qmd")
    assert left == BOOK.replace('    - part: "Optimisers"\n      chapters:\n      - book/momentum.qmd\n', "")


@pytest.mark.parametrize(
    ("suffix", "before", "after"),
    [
        (".py", "from experiments.decay.rates import x", "from experiments.half_life.rates import x"),
        (
            ".py",
            "from experiments import decay\n\ndef f(result): return decay.run(decay.SMOKE), result.decay, 'decay'\n",
            "from experiments import half_life\n\ndef f(result): return half_life.run(half_life.SMOKE), result.decay, 'decay'\n",
        ),
        (".py", "decay = 3\nprint(decay)\n", "decay = 3\nprint(decay)\n"),  # a variable of its own
        (".py", "def test_decay(): ...\n# see test_decay.py", "def test_decay(): ...\n# see test_half_life.py"),
        (
            ".qmd",
            "# Decay {#sec-decay}\n```{python}\nfrom experiments import decay\nread(decay)\n```\nThe decay is `{python} decay.X`.",
            "# Decay {#sec-half-life}\n```{python}\nfrom experiments import half_life\nread(half_life)\n```\n"
            "The decay is `{python} half_life.X`.",
        ),
        (".qmd", "@fig-decay-curve, @sec-decay, @sec-decay-rates", "@fig-half-life-curve, @sec-half-life, @sec-decay-rates"),
        (".qmd", "figures.decay(result), [it](decay.qmd#sec-decay)", "figures.decay(result), [it](half_life.qmd#sec-half-life)"),
        (".yml", "  - book/decay.qmd\n  - book/decay_rates.qmd", "  - book/half_life.qmd\n  - book/decay_rates.qmd"),
        (".toml", 'says = "Of decay." # ["decay.slow", "decay", "decay_rates.x"]', 'says = "Of decay." # ["half_life.slow", "half_life", "decay_rates.x"]'),
        (".md", "lab run decay --smoke: decay is slow", "lab run half_life --smoke: decay is slow"),
    ],
)  # fmt: skip
def test_a_question_is_renamed_where_it_is_meant_and_not_where_it_is_a_word(
    suffix: str, before: str, after: str
) -> None:
    assert renamed(before, suffix, "decay", "half_life") == after


@pytest.mark.parametrize("typed", [("remove", "quick"), ("rename", "quick", "slow")])
def test_what_git_could_not_bring_back_is_refused(project: Project, typed: tuple[str, ...]) -> None:
    """Outside git; what was never committed; and what has changed since: nothing is touched, until --force."""
    project.write("book/quick.qmd", "# Quick {#sec-quick}\n")
    project.edit("_quarto.yml", "    - index.qmd\n", "    - index.qmd\n    - book/quick.qmd\n")

    def refused(words: str) -> None:
        before = {
            path: path.read_bytes() for path in project.root.rglob("*") if path.is_file() and ".git" not in path.parts
        }
        said = project.lab(*typed, code=1)
        assert words in said and said.endswith("\ncommit it first, or add --force\n")
        assert all(path.read_bytes() == content for path, content in before.items())

    refused("the project is not in git")
    _git(project.root, "init", "-q")
    refused("git does not have _quarto.yml, book/quick.qmd, experiments/quick.py")
    _commit(project.root)
    project.edit("experiments/quick.py", "SCALE = 1.0", "SCALE = 2.0")
    refused("git does not have experiments/quick.py as it is")
    project.lab(*typed, "--force")
    assert not (project.root / "experiments/quick.py").exists() and not (project.root / "book/quick.qmd").exists()
    assert ("book/slow.qmd" in (project.root / "_quarto.yml").read_text()) == (typed[0] == "rename")


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


@pytest.mark.parametrize("form", [(), ("--package",)], ids=["file", "package"])
def test_a_new_question_runs_renders_and_passes_its_tests_then_goes_by_another_name_and_goes(
    tmp_path: Path, form: tuple[str, ...]
) -> None:
    """In a copy of the project, its book cut down to one page that needs no kernel, so that only the new one executes."""
    root = tmp_path / "the book"
    leave = shutil.ignore_patterns(
        ".git", ".venv", "_book", "_own", ".lab", ".press", "*.egg-info", "__pycache__", ".*_cache"
    )
    shutil.copytree(ROOT, root, ignore=leave)
    settings = (root / "_quarto.yml").read_text(encoding="utf-8")
    short = "  chapters:\n    - index.qmd\n    - part: Only\n      chapters:\n        - book/only.qmd\n"
    (root / "_quarto.yml").write_text(re.sub(r"  chapters:\n.*?(?=^\w)", f"{short}\n", settings, flags=re.S | re.M))
    for chapter in root.glob("book/*.qmd"):
        chapter.unlink()
    (root / "index.qmd").write_text("# Preface {.unnumbered}\n\nHello.\n")
    (root / "book/only.qmd").write_text("# Only {#sec-only}\n\nHello.\n")

    (root / "book/notation.qmd").write_text("# Notation\n\n::: {#glossary}\n:::\n\n## In every chapter\n\nSymbols.\n")
    _git(root, "init", "-q")
    _commit(root)

    said = _lab(root, "new", "bead_draws", "--part", "Only", *form)
    assert "bead_draws: done in" in said and "Next:" in said
    assert "        - book/only.qmd\n        - book/bead_draws.qmd\n" in (root / "_quarto.yml").read_text()
    assert re.search(r"bead_draws +fresh", _lab(root, "status"))

    tests = ["tests/test_bead_draws.py", "tests/test_layout.py", "tests/test_prose.py", "-k", "bead_draws"]
    said = _python(root, "-m", "pytest", "-p", "no:cacheprovider", *tests)
    assert re.search(r"^(2\d|1[5-9]) passed", said, re.M), said  # the new tests, and the rules of the tree about it
    said = _python(root, "-m", "tests.independent", "bead_draws")
    assert said.count(": agrees") == 2, said
    files = ["experiments", "figures/bead_draws.py", "tests/test_bead_draws.py"]
    _python(root, "-m", "ruff", "check", *files)
    _python(root, "-m", "ruff", "format", "--check", *files)

    _commit(root)
    said = _lab(root, "rename", "bead_draws", "penny_throws")
    assert "changed book/penny_throws.qmd" in said
    _lab(root, "run", "penny_throws", "--force")
    _commit(root)
    assert _named(root, "bead_draws") == {"tests/lab/test_questions.py"}  # this file
    tests = ["tests/test_penny_throws.py", "tests/test_layout.py", "tests/test_notation.py", "-k", "penny_throws"]
    said = _python(root, "-m", "pytest", "-p", "no:cacheprovider", *tests)
    assert re.search(r"^(2\d|1[5-9]) passed", said, re.M), said

    said = _lab(root, "render", "penny_throws", "--to", "html", "--with", "press")
    page = (root / "_book/book/penny_throws.html").read_text(encoding="utf-8")
    words = re.sub("<[^>]+>", "", page)
    assert re.search(r"exponent is\s+(−|-)0\.\d+\s±\s0\.\d+", words) and "At 3000 flips the error is 0.0" in words
    assert "rendered with press" in said and "{python}" not in page

    _commit(root)
    said = _lab(root, "remove", "penny_throws")
    assert "deleted book/penny_throws.qmd" in said
    _commit(root)
    assert _named(root, "penny_throws") == {"tests/lab/test_questions.py"}
    _lab(root, "render", "--to", "html", "--with", "press")
    assert not (root / "_book/book/penny_throws.html").exists()


def _named(root: Path, word: str) -> set[str]:
    """Return the files of a project that have a word in their name or in their text."""
    asked = (["grep", "-l", "-e", word, "-e", word.replace("_", "-")], ["ls-files", f"*{word}*"])
    said = [subprocess.run(["git", *of], cwd=root, capture_output=True, text=True, check=False).stdout for of in asked]
    return set("\n".join(said).split())


def _lab(root: Path, *typed: str) -> str:
    return _python(root, "-m", "lab", *typed)


def _python(root: Path, *typed: str) -> str:
    variables = os.environ | {"PYTHONPATH": str(root), "LAB_ROOT": str(root)}
    done = subprocess.run(
        [sys.executable, *typed], cwd=root, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _git(root: Path, *typed: str) -> None:
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@b", *typed]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


def _commit(root: Path) -> None:
    _git(root, "add", "-A")
    _git(root, "commit", "-q", "--no-verify", "--allow-empty", "-m", "as it is")
