"""Parameters: read without running code, changed by what one types, with errors that say what was wanted."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError, Refused
from lab.keys import params
from lab.keys.params import Field

SOURCE = """
class Params:
    '''What is run.'''

    depth: int = 50  # layers
    rate: float = 1e-3  # per step
    whole: float = 2  # a whole number will do
    warm: bool = True  # whether
    name: str = "tanh"  # of it
    data: Path = Path("data/names.txt")  # one a line
    gains: tuple[float, ...] = (0.5, 1.0)  # tried
    pair: tuple[int, str] = (3, "a")  # both
    minus: float = -0.5  # below
    beta: Annotated[float, ">= 0, < 1"] = 0.9  # weight
    stds: Annotated[tuple[float, ...], "> 0"] = (0.5, 1.0)  # tried
    few: Annotated[int, ">= 2"] = 8  # seeds
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/names.txt").write_text("ada\n")
    return tmp_path


def known(source: str = SOURCE) -> dict[str, Field]:
    return params.stated_fields(ast.parse(source), "experiments/x.py")


def test_defaults_are_read_with_their_types() -> None:
    values = {name: field.default for name, field in known().items()}
    assert values == {
        "depth": 50,
        "rate": 1e-3,
        "whole": 2.0,
        "warm": True,
        "name": "tanh",
        "data": Path("data/names.txt"),
        "gains": (0.5, 1.0),
        "pair": (3, "a"),
        "minus": -0.5,
        "beta": 0.9,
        "stds": (0.5, 1.0),
        "few": 8,
    }
    assert type(values["whole"]) is float


def test_packed_parameters_come_back() -> None:
    for field in known().values():
        assert Field.unpacked(*field.packed()) == field


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("depth=20", 20),
        ("rate=1e-2", 0.01),
        ("rate=3", 3.0),
        ("warm=false", False),
        ("warm=TRUE", True),
        ("name=a b", "a b"),
        ("data=data/names.txt", Path("data/names.txt")),
        ("gains=1,2.5", (1.0, 2.5)),
        ("gains=(1, 2.5)", (1.0, 2.5)),
        ("pair=4,b", (4, "b")),
        ("beta=0", 0.0),
        ("stds=1e-9", (1e-9,)),
        ("few=2", 2),
    ],
)
def test_a_typed_value_has_the_parameters_type(root: Path, typed: str, value: Any) -> None:
    name, _, text = typed.partition("=")
    found = params.override(known(), {name: text}, root)[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("depth=2.5", "wanted a whole number, as in --set depth=50"),
        ("depth=many", "wanted a whole number, as in --set depth=50"),
        ("rate=fast", "wanted a number, as in --set rate=0.001"),
        ("warm=1", "wanted true or false, as in --set warm=true"),
        ("data=data/none.txt", r"wanted a data file, as in --set data=data/names.txt \(there is no file"),
        ("gains=1,x", r"wanted tuple\[float, \.\.\.\], written like 0.5,1,2, as in --set gains=0.5,1.0"),
        ("pair=4", r"wanted tuple\[int, str\]"),
        ("depth=-3", "wanted 1 or more, as in --set depth=50"),
        ("gains=", "wanted at least one value, as in --set gains=0.5,1.0"),
        ("beta=1", "wanted >= 0, < 1, as in --set beta=0.9"),
        ("beta=-0.1", "wanted >= 0, < 1"),
        ("stds=1,0", "wanted > 0 each, as in --set stds=0.5,1.0"),
        ("few=1", "wanted >= 2, as in --set few=8"),
        ("dept=3", "no parameter is called 'dept'; did you mean depth"),
        ("zzzzz=3", "no parameter is called 'zzzzz'; there are: beta, data, depth"),
    ],
)
def test_a_wrong_value_says_what_was_wanted(root: Path, typed: str, message: str) -> None:
    name, _, text = typed.partition("=")
    with pytest.raises(LabError, match=message):
        params.override(known(), {name: text}, root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("depth: int", "has no default"),
        ("depth: int = 5 * 10", "not a plain value"),
        ("depth: int = DEPTH", "not a plain value"),
        ("depth: int = 2.5", "is not int"),
        ("depth: list[int] = [1]", r"is a list\[int\]"),
        ("depth: dict = {}", "is a dict"),
        ('beta: Annotated[float, "> 0"] = 0.0', "0.0 is not > 0"),
        ('beta: Annotated[float, "positive"] = 1.0', r"is Annotated\[float"),
        ('name: Annotated[str, "> 0"] = "a"', r"is Annotated\[str"),
        ("depth: tuple[float, ...] = 1.0", r"is not tuple\[float, \.\.\.\]"),
        ("depth: tuple[int, int] = (1, 2, 3)", r"is not tuple\[int, int\]"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_refused_with_its_line(line: str, message: str) -> None:
    with pytest.raises(Refused, match=rf"^experiments/x\.py:3: .*{message}"):
        known(f"\nclass Params:\n    {line}\n")


def test_an_experiment_without_parameters_is_refused() -> None:
    with pytest.raises(Refused, match="there is no class Params"):
        known("x = 1")


def test_a_data_file_that_is_not_there_is_an_error(root: Path) -> None:
    params.check_paths({"data": Path("data/names.txt"), "both": (Path("data/names.txt"), 3), "depth": 3}, root)
    for wrong in ({"data": Path("data/none.txt")}, {"data": (3, Path("data/none.txt"))}):
        with pytest.raises(LabError, match="parameter data: there is no data file data/none"):
            params.check_paths(wrong, root)
