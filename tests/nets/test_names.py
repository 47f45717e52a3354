"""A names file is read as it was meant or refused with its line; names are split without overlap and cut into contexts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from nets import names
from nets.names import NamesError

BOOK = Path("data/names.txt")


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "mine.txt"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b"emma\nOlivia\n",
            "line 2, column 1: 'O' in 'Olivia' is not one of the letters a to z; write it in lower case",
        ),
        (b"emma\nmary ann\n", "line 2, column 5: ' ' in 'mary ann' is not one of the letters a to z"),
        (b"emma \n", "line 1, column 5: ' '"),
        ("emma\nava\nchloé\n".encode(), "line 3, column 5: 'é' in 'chloé'"),
        ("chloé\n".encode("latin-1"), r"line 1, column 5: '\ufffd'"),
        ("\ufeffemma\n".encode(), r"line 1, column 1: '\ufeff'"),
        (b"emma,F,19800\n", "line 1, column 5: ','"),
        (b"em.ma\n", "line 1, column 3: '.'"),
        (b"emma\rava\r", r"line 1, column 5: '\r'"),
        (b"emma\n\nava\n", "line 2: empty line"),
        (b"emma\nava\n\n", "line 3: empty line"),
        (b"", "is empty: it needs at least one name"),
        (b"\n", "is empty: it needs at least one name"),
        (b"\x00\x01", r"line 1, column 1: '\x00'"),
    ],
)
def test_a_bad_names_file_is_refused_with_file_line_and_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = _file(tmp_path, content)
    with pytest.raises(NamesError) as refusal:
        names.load(path)
    assert str(path) in str(refusal.value)
    assert reason in str(refusal.value)


def test_a_missing_names_file_says_where_it_looked_and_what_to_give(tmp_path: Path) -> None:
    for missing in (tmp_path / "none.txt", tmp_path):  # a folder is no names file either
        with pytest.raises(NamesError, match=r"no names file at .*give a text file with one name"):
            names.load(missing)
    with pytest.raises(NamesError, match=f"no names file at {names.ROOT}/data/none.txt"):
        names.load(Path("data/none.txt"))


@pytest.mark.parametrize("content", [b"emma\nava\n", b"emma\nava", b"emma\r\nava\r\n", b"emma\r\nava"])
def test_line_ends_of_any_system_and_a_missing_last_one_are_fine(tmp_path: Path, content: bytes) -> None:
    assert names.load(_file(tmp_path, content)) == ["emma", "ava"]


def test_a_relative_path_starts_at_the_project_wherever_the_reader_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    book = names.load(BOOK)
    assert (len(book), len(set(book)), book[0]) == (32_469, 29_910, "emma")


def partition(split: names.Split, given: list[str]) -> bool:
    """Say whether the three parts hold every name once, in shares of 80, 10 and 10 %."""
    shares = [len(part) / len(given) for part in split]
    return Counter(name for part in split for name in part) == Counter(given) and shares == pytest.approx(
        [0.8, 0.1, 0.1], abs=1 / len(given)
    )


@pytest.mark.parametrize("many", [10, 11, 19, 997])
def test_every_name_falls_into_exactly_one_part(many: int) -> None:
    given = [chr(97 + i // 26 % 26) + chr(97 + i % 26) + "a" * (i // 676) for i in range(many)]
    split = names.split(given)
    assert partition(split, given)
    assert not set(split.train) & set(split.validation) and not set(split.validation) & set(split.test)
    assert names.split(given) == split != names.split(given, seed=43)


def test_a_split_with_validation_names_in_training_would_be_caught() -> None:
    given = names.load(BOOK)[:1000]
    train, validation, test = names.split(given)
    assert partition(names.Split(train, validation, test), given)
    assert not partition(names.Split(train, train[-5:] + validation[5:], test), given)
    assert not partition(names.Split(train + validation, validation, test), given)


def test_fewer_than_ten_names_cannot_be_split() -> None:
    with pytest.raises(NamesError, match="9 names cannot be split"):
        names.split(["a"] * 9)


def test_a_name_of_two_letters_makes_three_examples() -> None:
    x, y = names.contexts(["ab"])
    assert x.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2]] and y.tolist() == [1, 2, 0]


def test_names_do_not_run_into_each_other() -> None:
    x, y = names.contexts(["ab", "c"])
    assert x[3:].tolist() == [[0, 0, 0], [0, 0, 3]] and y[3:].tolist() == [3, 0]


def test_counts_hold_every_example_once() -> None:
    x, y = names.contexts(["anna", "ann", "nan"])
    counted = names.counts(x, y)
    expected = Counter((tuple(context), letter) for context, letter in zip(x.tolist(), y.tolist(), strict=True))
    found = {
        (tuple(context), letter): int(many)
        for context, row in zip(counted.contexts.tolist(), counted.next_counts.tolist(), strict=True)
        for letter, many in enumerate(row)
        if many
    }
    assert found == dict(expected)
    assert len(torch.unique(counted.contexts, dim=0)) == len(counted.contexts)


def test_a_few_hundred_validation_names_are_training_names_too() -> None:
    """book/before.qmd says so, and data/README.md gives the number."""
    parts = names.split(names.load(Path("data/names.txt")))
    assert len(set(parts.validation) & set(parts.train)) == 416
