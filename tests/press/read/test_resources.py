"""`resources:` names the files that Quarto 1.10.18 would publish, pattern by pattern; what it would do harm with is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from press import SourceError
from press.read import globs
from press.read.project import read_project
from tests.press.conftest import SETTINGS, MakeBook

ROOT = Path(__file__).resolve().parents[3]
FILES = (
    "data/a.csv",
    "data/b.txt",
    "data/deep/c.csv",
    "data/deep/.hidden.csv",
    "data/!d.csv",
    ".venv/data/a.csv",
    "sub/data/a.csv",
    "_book/data/a.csv",
    "_book.new/data/a.csv",
    ".press/data/a.csv",
)
OWN = {"data/a.csv", "data/!d.csv"}
EVERYWHERE = {".venv/data/a.csv", "sub/data/a.csv"}
DEEP = {"data/deep/c.csv", "data/deep/.hidden.csv"}
# What _quarto.yml says, and what Quarto finds: `resolveGlobs` in its src/core/path.ts.
FOUND: dict[str, tuple[list[str], set[str]]] = {
    "from the root": (["/data/*.csv"], OWN),
    "in any folder": (["data/*.csv"], OWN | EVERYWHERE),
    "a dot and a slash are the root": (["./data/*.csv"], OWN),
    "a folder of the root": (["/data"], OWN | DEEP | {"data/b.txt"}),
    "a folder of the root with a slash": (["/data/"], OWN | DEEP | {"data/b.txt"}),
    "a folder anywhere": (["data"], OWN | DEEP | EVERYWHERE | {"data/b.txt"}),
    "two stars at the end": (["/data/**"], OWN | DEEP | {"data/b.txt"}),
    "two stars between": (["/data/**/*.csv"], OWN | DEEP),
    "two stars in a name are one": (["/data/**.csv"], OWN),
    "braces": (["/data/{a,b}.{csv,txt}"], {"data/a.csv", "data/b.txt"}),
    "one of some letters": (["/data/[ab].*"], {"data/a.csv", "data/b.txt"}),
    "without a file": (["/data/*.csv", "!/data/a.csv"], {"data/!d.csv"}),
    "without a file, said first": (["!/data/a.csv", "/data/*.csv"], {"data/!d.csv"}),
    "without what lies in any folder": (["data/*.csv", "!a.csv"], {"data/!d.csv"}),
    "a name that begins with a mark": (["\\!d.csv"], {"data/!d.csv"}),
    "one file": (["/data/b.txt"], {"data/b.txt"}),
}
REFUSED = {
    "nothing": ("", "an empty pattern"),
    "a folder above": ("../shared/*.csv", "leads out of the book"),
    "a detour": ("data/../../a.csv", "leads out of the book"),
    "a folder above, taken out": ("!../a.csv", "leads out of the book"),
    "what is not there": ("/date/*.csv", "nothing matches /date/*.csv"),
    "what only shells know": ("/data/@(a|b).csv", "press cannot follow"),
}


def _write(root: Path) -> None:
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("1", encoding="utf-8")


@pytest.mark.parametrize("case", FOUND)
def test_a_pattern_names_the_files_that_quarto_finds(case: str, tmp_path: Path) -> None:
    _write(tmp_path)
    patterns, wanted = FOUND[case]
    assert {path.as_posix() for path in globs.matching(tmp_path, patterns, Path("_book"))} == wanted


def _book_with(make_book: MakeBook, resources: str) -> Path:
    return make_book({"_quarto.yml": SETTINGS.replace("  type: book\n", f"  type: book\n{resources}")})


@pytest.mark.parametrize("case", REFUSED)
def test_a_pattern_that_would_do_harm_or_nothing_is_refused_with_its_line(case: str, make_book: MakeBook) -> None:
    pattern, words = REFUSED[case]
    root = _book_with(make_book, f"  resources:\n    - /data/*.csv\n    - '{pattern}'\n")
    (root / "data").mkdir()
    (root / "data/a.csv").write_text("1", encoding="utf-8")
    with pytest.raises(SourceError) as caught:
        read_project(root)
    assert str(caught.value).startswith("_quarto.yml:5:") and words in str(caught.value)


def test_a_name_that_is_no_text_is_refused_by_name(make_book: MakeBook) -> None:
    root = _book_with(make_book, "  resources: /data\n")
    (root / "data").mkdir()
    Path(os.fsdecode(os.fsencode(root / "data") + b"/\xff.csv")).write_text("1", encoding="utf-8")
    with pytest.raises(SourceError, match=r"_quarto.yml:3: a file's name is not UTF-8: 'data/\\udcff.csv'"):
        read_project(root)


def test_the_books_own_site_has_no_file_of_its_environment(tmp_path: Path) -> None:
    """1,826 files of .venv were published: tests/test_*.py without a slash is any such folder."""
    patterns = read_project(ROOT).resources
    for name in ("tests/test_a.py", "experiments/a.py", "results/a/result.json", "book/theme/fonts/a.woff2"):
        for folder in (".", ".venv/lib/site-packages", "site_libs"):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).touch()
    found = globs.matching(tmp_path, patterns, Path("_book"))
    assert found and {path.parts[0] for path in found} == {"tests", "experiments", "results", "book"}
