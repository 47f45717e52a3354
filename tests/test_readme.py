"""The README is true: its figure is the one that the book draws now, its tree is the project's, its commands are all there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from figures.__main__ import README_FIGURE, chosen, draw
from lab.keys.experiments import names

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_figure_is_the_one_that_the_book_draws_now(tmp_path: Path) -> None:
    name = chosen()
    assert (name is not None) == README_FIGURE.is_file() == ("figures/readme.svg" in README)
    if name is None:
        return
    draw(name, tmp_path / "readme.svg")
    assert (tmp_path / "readme.svg").read_bytes() == README_FIGURE.read_bytes(), "python -m figures draws it again"


def test_every_place_in_the_tree_exists() -> None:
    tree = README.partition("## Where things are")[2].partition("\n## ")[0]
    places = [name for names in re.findall(r"^    (\S+(?:, \S+)*)  +\S", tree, re.M) for name in names.split(", ")]
    assert len(places) > 20
    for name in places:
        question = (
            name.startswith("experiments/") and name != "experiments/"
        )  # an example, which the book may do without
        assert (ROOT / name).exists() or (question and not names(ROOT)), name


def test_every_folder_of_the_project_is_in_the_tree() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folders = {file.partition("/")[0] for file in tracked.splitlines() if "/" in file and not file.startswith(".")}
    rooms = {"/".join(file.split("/")[:2]) for file in tracked.splitlines() if re.match(r"lab/\w+/", file)}
    missing = [folder for folder in sorted(folders | rooms) if f"{folder}/" not in README]
    assert not missing


def test_every_make_command_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set(re.findall(r"(?:`|^    )make ([a-z]+)", README, re.M))
    assert named and named <= targets


def test_every_command_is_in_the_readme_and_every_one_there_exists() -> None:
    command = [sys.executable, "-m", "lab", "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    there = set(re.findall(r"^\W? ?([a-z]+)  +\w", shown.partition("Commands")[2], re.M))
    assert len(there) > 5 and set(re.findall(r"^    lab ([a-z]+)", README, re.M)) == there
