"""What is written is whole or not there; what is cached is used again only for the same sources, and only while it is whole."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from press.files import NEWEST, cached, cached_file, restore, swap, write_whole


def test_something_is_made_once_for_the_same_sources(tmp_path: Path) -> None:
    made: list[str] = []

    def make() -> bytes:
        made.append("x")
        return f"text {len(made)} é".encode()

    texts = [cached(tmp_path, [source, "b"], make).decode() for source in "aaca"]
    assert texts == ["text 1 é", "text 1 é", "text 2 é", "text 1 é"]


@pytest.mark.parametrize("damage", [b"", b"text\n", None])
def test_what_was_damaged_is_made_again(tmp_path: Path, damage: bytes | None) -> None:
    assert cached(tmp_path, ["a"], lambda: b"text\nwith lines") == b"text\nwith lines"
    [file] = tmp_path.iterdir()
    file.write_bytes(b"T" + file.read_bytes()[1:] if damage is None else damage)
    assert cached_file(tmp_path, ["a"]) is None
    assert cached(tmp_path, ["a"], lambda: b"made anew") == b"made anew"
    assert cached(tmp_path, ["a"], lambda: b"not made") == b"made anew"


def test_only_the_newest_stay(tmp_path: Path) -> None:
    for age in range(NEWEST + 3):
        cached(tmp_path, [str(age)], lambda: b"text")
        for file in tmp_path.iterdir():
            os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 10))
    assert len(list(tmp_path.iterdir())) == NEWEST
    assert cached(tmp_path, [str(NEWEST + 2)], lambda: b"made again") == b"text"
    assert cached(tmp_path, ["0"], lambda: b"made again") == b"made again"


def test_a_folder_that_cannot_be_made_costs_the_cache_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert [cached(tmp_path / "file" / "in", ["a"], lambda: b"text") for _ in range(2)] == [b"text", b"text"]


def test_a_reader_meets_the_old_content_or_the_new_and_nothing_is_left_aside(tmp_path: Path) -> None:
    path, versions = tmp_path / "in" / "file", [bytes([65 + n]) * 100_000 for n in range(4)]
    write_whole(path, versions[0])

    def write(content: bytes) -> None:
        for _ in range(30):
            write_whole(path, content)

    writers = [threading.Thread(target=write, args=(content,)) for content in versions]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in versions
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "file", "old")

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "file", "new")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("file", "old")]


def test_a_swap_that_cannot_be_done_leaves_the_old_folder(tmp_path: Path) -> None:
    place, previous = tmp_path / "place", tmp_path / "aside" / "previous"
    place.mkdir()
    (place / "old").touch()
    with pytest.raises(FileNotFoundError):
        swap(tmp_path / "missing", place, previous)
    assert (place / "old").is_file() and not previous.exists()


@pytest.mark.parametrize("step", ["set the old one aside", "published"])
def test_a_swap_that_is_cut_short_is_made_good(tmp_path: Path, step: str) -> None:
    place, new, previous = (tmp_path / name for name in ("place", "new", "previous"))
    for folder in (place, new):
        folder.mkdir()
        (folder / folder.name).touch()

    def killed(now: str) -> None:
        if now == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swap(new, place, previous, killed)
    restore(place, previous)
    assert (place / ("new" if step == "published" else "place")).is_file()
