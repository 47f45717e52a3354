"""The README is true: its figure is the one that the book draws now, its tree and its commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from figures.__main__ import README_FIGURE, chosen, draw

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_figure_is_the_one_that_the_book_draws_now(tmp_path: Path) -> None:
    name = chosen()
    assert (name is not None) == README_FIGURE.is_file() == ("figures/readme.svg" in README)
    if name is None:
        return
    draw(name, tmp_path / "readme.svg")
    assert (tmp_path / "readme.svg").read_bytes() == README_FIGURE.read_bytes(), "python -m figures draws it again"


def test_every_folder_in_the_tree_exists() -> None:
    for line in re.findall(r"^    ([\w., /-]+?)  +\w", README, re.M):
        for name in line.split(", "):
            if name.endswith("/") or "." in name:
                assert (ROOT / name).exists(), name


def test_every_make_command_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"make ([a-z]+)", README)) <= targets


def test_every_lab_command_is_one() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "lab", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for command in re.findall(r"^    lab ([a-z]+)", README, re.M):
        assert re.search(rf"\b{command}\b", shown.stdout), command
