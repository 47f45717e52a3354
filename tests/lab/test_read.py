"""Reading never computes and never hands out a number that is not the result's: it says what is wanted, there, and to type."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab import key, read, store
from lab.errors import LabError, NoResult
from lab.experiment import load

ROOT = Path(__file__).resolve().parents[2]
NAME = "tanh_gain"


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
    found = read.read(experiment)
    assert isinstance(found, experiment.Result)
    assert 1.59 < found.ideal_gain < 1.60
    assert read.read(experiment, experiment.Params()).ideal_gain == found.ideal_gain


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_flipped_bit_and_no_cut_gives_a_wrong_number(copy: Path, data: st.DataObject) -> None:
    place = copy / "results" / NAME
    whole = store.read(place, copy)
    file = data.draw(st.sampled_from(sorted(place.iterdir())))
    content = file.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    flipped = bytes([content[at] ^ 1 << data.draw(st.integers(0, 7))])
    damaged = data.draw(st.sampled_from([content[:at], content[:at] + flipped + content[at + 1 :]]))
    file.write_bytes(damaged)
    try:
        there, said = store.read(place, copy), ""
    except NoResult as error:
        there, said = None, str(error)
    finally:
        file.write_bytes(content)
    # A change of what stands between the values may go unnoticed; what is read never differs.
    assert there == whole or f"results/{NAME} is damaged: " in said


@pytest.mark.parametrize("gone", ["", "result.json", "layers.csv"])
def test_what_is_missing_is_named(copy: Path, tmp_path: Path, gone: str) -> None:
    shutil.copytree(copy, tmp_path / "x")
    target = tmp_path / "x/results" / NAME / gone
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(
        NoResult, match="layers.csv is missing" if gone == "layers.csv" else f"results/{NAME} is missing"
    ):
        store.read(tmp_path / "x/results" / NAME, tmp_path / "x")


def test_an_older_format_counts_as_damaged_and_says_which(tmp_path: Path, copy: Path) -> None:
    shutil.copytree(copy, tmp_path / "x")
    file = tmp_path / "x/results" / NAME / "result.json"
    file.write_text(file.read_text().replace(f'"format": {store.FORMAT}', '"format": 0', 1))
    with pytest.raises(NoResult, match=f"has format 0, this lab reads format {store.FORMAT}"):
        store.read(tmp_path / "x/results" / NAME, tmp_path / "x")


def test_a_stale_result_says_what_is_wanted_what_there_is_and_what_to_type(copy: Path) -> None:
    wanted = key.compute(NAME, ROOT)
    changed = wanted.parts | {"versions": wanted.parts["versions"] | {"numpy": "9.9.9"}}
    newer = key.Key(NAME, "f" * 64, wanted.values, True, changed)
    with pytest.raises(NoResult) as caught:
        read.fresh(newer, copy)
    first, second, third = str(caught.value).splitlines()
    assert first == f"wanted the result of {NAME} with key ffffffffffff"
    assert second.startswith(f"results/{NAME} has key {wanted.key[:12]} of 20")
    assert f"numpy: {wanted.parts['versions']['numpy']} → 9.9.9" in second
    assert third == f"type: lab run {NAME}"


def test_a_setting_that_was_never_run_says_what_to_type(experiment: ModuleType) -> None:
    with pytest.raises(NoResult, match="is missing\ntype: lab run tanh_gain --set"):
        read.read(experiment, experiment.Params(depth=7, width=11))


def test_a_result_that_does_not_fit_its_class_says_so(copy: Path) -> None:
    other = ModuleType("experiments.other")
    other.Result = type("Result", (), {"__dataclass_fields__": {}})  # type: ignore[attr-defined]
    with pytest.raises(LabError, match="does not fit its Result: it has the fields"):
        read.result(other, store.read(copy / "results" / NAME, copy))
