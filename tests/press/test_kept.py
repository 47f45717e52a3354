"""What is kept is used again only for the same sources, and only while it is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from press.text_cache import NEWEST, kept


def test_a_text_is_made_once_for_the_same_sources(tmp_path: Path) -> None:
    made: list[str] = []
    texts = [kept(tmp_path, [source, "b"], lambda: made.append("x") or f"text {len(made)} é") for source in "aaca"]
    assert texts == ["text 1 é", "text 1 é", "text 2 é", "text 1 é"]


@pytest.mark.parametrize("damage", [b"", b"text\n", None])
def test_a_damaged_text_is_made_again(tmp_path: Path, damage: bytes | None) -> None:
    assert kept(tmp_path, ["a"], lambda: "text\nwith lines") == "text\nwith lines"
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1] if damage is None else damage)
    assert kept(tmp_path, ["a"], lambda: "made anew") == "made anew"
    assert kept(tmp_path, ["a"], lambda: "not made") == "made anew"


def test_only_the_newest_texts_stay(tmp_path: Path) -> None:
    for age in range(NEWEST + 3):
        kept(tmp_path, [str(age)], lambda: "text")
        for file in tmp_path.iterdir():
            os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 10))
    assert len(list(tmp_path.iterdir())) == NEWEST
    assert kept(tmp_path, [str(NEWEST + 2)], lambda: "made again") == "text"
    assert kept(tmp_path, ["0"], lambda: "made again") == "made again"
