"""Reading never computes and never hands out a number that is not the result's: it says what is wanted, there, and to type."""

from __future__ import annotations

import dataclasses
import os
import shutil
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairs import pair

from lab.errors import LabError, NoResult
from lab.keys import key
from lab.keys.canonical_json import digest, dumps, loads, pack
from lab.keys.experiments import load, names
from lab.read import read
from lab.results import store
from lab.results.codec import encode
from lab.results.reading import as_result, fresh
from tests.fuzzing import fuzz

ROOT = Path(__file__).resolve().parents[2]
NAMES = names(ROOT)
NAME = NAMES[0] if NAMES else ""
pytestmark = pytest.mark.skipif(not NAMES, reason="the book has no question")


@pytest.fixture(scope="module")
def experiment() -> ModuleType:
    module: ModuleType = load(NAME, ROOT)
    return module


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a root with the committed result alone."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "results" / NAME, root / "results" / NAME)
    return root


def test_the_committed_result_is_read_with_its_types(experiment: ModuleType) -> None:
    found = read(experiment)
    assert isinstance(found, experiment.Result)
    numbers, tables = encode(found)
    there = store.read_result(ROOT / "results" / NAME, ROOT)
    assert (numbers, tables) == (there.numbers, there.tables)
    assert encode(read(experiment, experiment.Params())) == (numbers, tables)


@fuzz(150)
@given(st.data())
def test_no_flipped_bit_and_no_cut_gives_a_wrong_number(copy: Path, data: st.DataObject) -> None:
    place = copy / "results" / NAME
    whole = store.read_result(place, copy)
    file = data.draw(st.sampled_from(sorted(place.iterdir())))
    content = file.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    flipped = bytes([content[at] ^ 1 << data.draw(st.integers(0, 7))])
    other = data.draw(
        st.binary(max_size=8) | st.sampled_from([b"1e999", b"NaN", b"[" * 5000, b'"\\ud800"', b"9" * 5000])
    )
    damaged = data.draw(
        st.sampled_from(
            [b"", content[:at], content[:at] + flipped + content[at + 1 :], content[:at] + other + content[at:]]
        )
    )
    file.write_bytes(damaged)
    try:
        there, said = store.read_result(place, copy), ""
    except NoResult as error:
        there, said = None, str(error)
    finally:
        file.write_bytes(content)
    # A change of what stands between the values may go unnoticed; what is read never differs.
    assert there == whole or said.startswith((f"results/{NAME} is damaged: ", f"results/{NAME} is in a"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@fuzz(150)
@given(st.sampled_from([*store._FIELDS, "another"]), JSON, st.booleans())
def test_a_field_of_another_kind_is_refused_even_with_a_right_checksum(
    copy: Path, experiment: ModuleType, field: str, value: Any, nested: bool
) -> None:
    """As a program would leave it that writes such files and has it wrong: read and made into a Result, or refused."""
    file = copy / "results" / NAME / "result.json"
    before = file.read_bytes()
    content = loads(before)
    del content["checksum"]
    if nested and isinstance(content.get(field), dict):
        content[field] |= {next(iter(content[field])): value}
    else:
        content[field] = value
    packed = pack(content)
    file.write_text(dumps(packed | {"checksum": digest(packed)}))
    try:
        with suppress(LabError):
            assert isinstance(as_result(experiment, store.read_result(file.parent, copy)), experiment.Result)
    finally:
        file.write_bytes(before)


@pytest.mark.parametrize("beside", ["", "result.json", "one.csv", "two.csv"])
def test_what_a_writer_left_between_its_two_renames_is_read(tmp_path: Path, beside: str) -> None:
    """The old result waits in .lab/previous; if that is damaged too, there is none."""
    place, previous = tmp_path / "results/pair", tmp_path / ".lab/previous/results+pair"
    store.write_result(place, tmp_path, pair("old"))
    previous.parent.mkdir(exist_ok=True)
    place.rename(previous)
    if beside:
        os.truncate(previous / beside, 5)
        with pytest.raises(NoResult, match="results/pair is missing"):
            store.read_result(place, tmp_path)
    else:
        assert store.read_result(place, tmp_path).key == "old"
    store.write_result(place, tmp_path, pair("new"))
    assert store.read_result(place, tmp_path).key == "new" and not previous.exists()


@pytest.mark.parametrize("name", ["result.json", "one.csv", "two.csv"])
def test_files_of_two_versions_are_no_result(tmp_path: Path, name: str) -> None:
    place, older = tmp_path / "results/pair", tmp_path / "older"
    store.write_result(place, tmp_path, pair("old"))
    shutil.copytree(place, older)
    store.write_result(place, tmp_path, pair("new"))
    shutil.copy(older / name, place / name)
    with pytest.raises(NoResult, match=r"results/pair is damaged: \S+\.csv does not agree with its checksum"):
        store.read_result(place, tmp_path)


@pytest.mark.parametrize("gone", ["", "result.json", "one.csv"])
def test_what_is_missing_is_named(tmp_path: Path, gone: str) -> None:
    place = tmp_path / "results/pair"
    store.write_result(place, tmp_path, pair("old"))
    shutil.rmtree(place) if gone == "" else (place / gone).unlink()
    with pytest.raises(NoResult, match="one.csv is missing" if gone == "one.csv" else "results/pair is missing"):
        store.read_result(place, tmp_path)


@pytest.mark.parametrize(("number", "age"), [(0, "an older"), (2, "a newer")])
def test_another_format_says_which_and_what_to_do(tmp_path: Path, copy: Path, number: int, age: str) -> None:
    shutil.copytree(copy, tmp_path / "x")
    file = tmp_path / "x/results" / NAME / "result.json"
    file.write_text(file.read_text().replace(f'"format": {store.FORMAT}', f'"format": {number}', 1))
    with pytest.raises(NoResult) as caught:
        fresh(key.compute(NAME, ROOT), tmp_path / "x")
    _, there, what = str(caught.value).splitlines()
    assert there.startswith(
        f"results/{NAME} is in {age} lab's format, {number}; this lab reads format {store.FORMAT}: "
    )
    assert what == f"type: lab run {NAME}"


def test_a_stale_result_says_what_is_wanted_what_there_is_and_what_to_type(copy: Path) -> None:
    wanted = key.compute(NAME, ROOT)
    changed = wanted.parts | {"versions": wanted.parts["versions"] | {"numpy": "9.9.9"}}
    newer = key.Key(NAME, "f" * 64, wanted.values, True, changed)
    with pytest.raises(NoResult) as caught:
        fresh(newer, copy)
    first, second, third = str(caught.value).splitlines()
    assert first == f"wanted the result of {NAME} with key ffffffffffff"
    assert second.startswith(f"results/{NAME} has key {wanted.key[:12]} of 20")
    assert f"numpy: {wanted.parts['versions']['numpy']} → 9.9.9" in second
    assert third == f"type: lab run {NAME}"


def test_a_setting_that_was_never_run_says_what_to_type(experiment: ModuleType) -> None:
    book = experiment.Params()
    field = next(name for name, value in vars(book).items() if type(value) is int)
    with pytest.raises(NoResult, match=f"is missing\ntype: lab run {NAME} --set"):
        read(experiment, dataclasses.replace(book, **{field: 7919}))


def test_a_result_that_does_not_fit_its_class_says_so(copy: Path) -> None:
    other = ModuleType("experiments.other")
    other.Result = type("Result", (), {"__dataclass_fields__": {}})  # type: ignore[attr-defined]
    with pytest.raises(LabError, match="does not fit its Result: it has the fields"):
        as_result(other, store.read_result(copy / "results" / NAME, copy))
