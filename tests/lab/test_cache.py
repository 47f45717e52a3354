"""A team's cache at a URL: the same files and checks as in .lab/cache, whole or not at all, and plain errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from pairs import pair
from small_project import Project

from lab.errors import LabError, Missing, NoResult
from lab.results import store
from lab.results.shared_cache import VARIABLE, Shared

STORES = ("folder", "file://folder", "memory://team")


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shared:
    """A result's place in a cache of each kind, found as the lab finds it."""
    monkeypatch.setenv(VARIABLE, request.param.replace("folder", str(tmp_path / "team")))
    found = store.folder(tmp_path, "pair", "some", book=False)
    assert isinstance(found, Shared)
    return found


def test_a_result_comes_back_as_it_was_put_there(place: Shared, tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"/pair/some is missing"):
        store.read_result(place, tmp_path)
    store.write_result(place, tmp_path, pair("some"))
    store.write_result(tmp_path / "results/pair", tmp_path, pair("some"))
    assert store.read_result(place, tmp_path) == store.read_result(tmp_path / "results/pair", tmp_path)
    for file in (tmp_path / "results/pair").iterdir():  # the same format, to the byte
        assert place.read(file.name) == file.read_bytes()


@pytest.mark.parametrize("damage", ["cut short", "a bit flipped", "a table gone", "a table emptied"])
def test_a_damaged_result_counts_as_missing_and_says_why(damage: str, place: Shared, tmp_path: Path) -> None:
    store.write_result(place, tmp_path, pair("some"))
    fs, path = fsspec.core.url_to_fs(place.url)
    content = bytearray(place.read("result.json"))
    if damage == "cut short":
        fs.pipe_file(f"{path}/result.json", bytes(content[: len(content) // 2]))
    elif damage == "a bit flipped":
        content[content.index(b'"some"') + 1] ^= 1
        fs.pipe_file(f"{path}/result.json", bytes(content))
    elif damage == "a table gone":
        fs.rm_file(f"{path}/one.csv")
    else:
        fs.pipe_file(f"{path}/one.csv", b"")
    with pytest.raises(NoResult, match=r"/pair/some is damaged: (result\.json|one\.csv) "):
        store.read_result(place, tmp_path)


@pytest.mark.parametrize("torn", [1, 2])
def test_a_write_that_stops_half_way_reads_as_none(
    torn: int, place: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also over an older result: its result.json is gone before its tables are."""
    store.write_result(place, tmp_path, pair("old"))
    kind = type(fsspec.core.url_to_fs(place.url)[0])
    put, left = kind.pipe_file, iter(range(torn))

    def some(self: object, *given: object, **more: object) -> None:
        if next(left, None) is None:
            raise ConnectionError("the line is cut")
        put(self, *given, **more)

    monkeypatch.setattr(kind, "pipe_file", some)
    with pytest.raises(LabError, match="ConnectionError: the line is cut"):
        store.write_result(place, tmp_path, pair("new"))
    with pytest.raises(Missing):
        store.read_result(place, tmp_path)


def test_the_books_results_stay_in_the_book(place: Shared, tmp_path: Path) -> None:
    assert store.folder(tmp_path, "pair", "some", book=True) == tmp_path / "results/pair"


def test_what_one_computes_another_reads(
    computed: Callable[[Path], Project], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two copies of a project, one cache: --cache for one, the variable for the other."""
    mine, theirs = computed(tmp_path / "mine"), computed(tmp_path / "theirs")
    said = mine.shell("run", "quick", "--set", "steps=9", "--cache", "../team", cwd=mine.root)
    assert "quick: done" in said and f"in {tmp_path / 'team'}/quick/" in said
    assert [file.name for file in (tmp_path / "team").rglob("*") if file.is_file()] == ["result.json"]
    assert not (mine.root / ".lab/cache").exists()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "quick: already there" in mine.shell("run", "quick", "--set", "steps=9", "--cache", "~/team")
    monkeypatch.setenv(VARIABLE, "../team")  # starts at the project's root
    assert "quick: already there" in theirs.shell("run", "quick", "--set", "steps=9")
    read = (
        "from lab.read import read; from experiments import quick; print(read(quick, quick.Params(steps=9)).distance)"
    )
    process = theirs.start(module="code", stdin=-1)
    out, _ = process.communicate(f"{read}\n", timeout=120)
    assert re.search(r"\d\.\d+", out)
    (table,) = (tmp_path / "team/quick").glob("*/result.json")
    table.write_bytes(table.read_bytes()[:50])
    assert "quick: done" in theirs.shell("run", "quick", "--set", "steps=9"), "a damaged one is computed again"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("carrier://pigeon", "Protocol not known: carrier"),
        ("http://127.0.0.1:9/team", "the cache http://127.0.0.1:9/team/quick"),
        ("/proc/team", "the cache /proc/team/quick/"),  # no folder can be made there
        ("memory://team", "memory:// is gone when the process ends"),
    ],
)
def test_a_cache_that_cannot_be_used_is_an_error_before_anything_is_computed(
    url: str, words: str, computed: Callable[[Path], Project], tmp_path: Path
) -> None:
    said = computed(tmp_path).shell("run", "quick", "--set", "steps=9", "--cache", url, code=1)
    assert words in said and "quick: running" not in said
