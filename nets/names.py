"""First names as examples for a network: read a file, split it, cut it into contexts and next letters."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

VOCABULARY = (
    ".abcdefghijklmnopqrstuvwxyz"  # 27 letters; "." stands before the first and after the last letter of a name
)
CONTEXT = 3  # letters the network sees
ROOT = Path(__file__).parent.parent  # of the project; where a relative path starts


class NamesError(ValueError):
    """A names file that cannot be used: which file, which line, and why."""


class Split(NamedTuple):
    """Names to learn from, to choose by, and to report on."""

    train: list[str]
    validation: list[str]
    test: list[str]


class Counts(NamedTuple):
    """How often each letter followed each distinct context."""

    contexts: torch.Tensor  # [context, position], int64
    next_counts: torch.Tensor  # [context, character], float64


def load(path: Path) -> list[str]:
    """Read a names file: one name a line, lower-case a to z.  A relative path starts at the project's root.

    Raises NamesError with the line's number for anything else, and for a missing or empty file.
    """
    file = ROOT / path
    if not file.is_file():
        raise NamesError(
            f"no names file at {file}: give a text file with one name (a to z) a line, like data/names.txt"
        )
    lines = file.read_bytes().replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")
    if lines == [b""]:
        raise NamesError(f"{file} is empty: it needs at least one name (a to z) a line")
    return [_name(line, file, number) for number, line in enumerate(lines, 1)]


def split(names: Sequence[str], seed: int = 42) -> Split:
    """Shuffle a copy and cut it 80/10/10.  Raises NamesError below ten names, where a part would be empty."""
    if len(names) < 10:
        raise NamesError(f"{len(names)} names cannot be split 80/10/10: at least 10 are needed")
    shuffled = list(names)
    random.Random(seed).shuffle(shuffled)
    first, second = 8 * len(names) // 10, 9 * len(names) // 10
    return Split(shuffled[:first], shuffled[first:second], shuffled[second:])


def contexts(names: Sequence[str], length: int = CONTEXT) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut names into contexts [example, length] and next letters [example], both int64 indices into VOCABULARY.

    A name of n letters makes n + 1 examples: "ab" makes "..." -> a, "..a" -> b, ".ab" -> ".".
    """
    index = {letter: position for position, letter in enumerate(VOCABULARY)}
    xs: list[list[int]] = []
    ys: list[int] = []
    for name in names:
        window = [0] * length
        for letter in [*map(index.__getitem__, name), 0]:
            xs.append(window)
            ys.append(letter)
            window = [*window[1:], letter]
    return torch.tensor(xs, dtype=torch.int64).reshape(-1, length), torch.tensor(ys, dtype=torch.int64)


def counts(x: torch.Tensor, y: torch.Tensor) -> Counts:
    """Count next letters by distinct context: all that a loss over x [example, position] and y [example] depends on.

    The book's names have thirty times fewer distinct contexts than examples, so a loss over all of them costs little.
    """
    vocabulary = len(VOCABULARY)
    place = vocabulary ** torch.arange(
        x.shape[1]
    )  # contexts as numbers to the base 27: far quicker to compare than rows
    codes, which = torch.unique((x * place).sum(1), return_inverse=True)
    next_counts = torch.zeros(len(codes), vocabulary, dtype=torch.float64)
    next_counts.index_put_((which, y), torch.ones((), dtype=torch.float64), accumulate=True)
    return Counts(codes[:, None] // place % vocabulary, next_counts)


@cache  # read once for all the tasks that a process computes
def training_set(path: Path) -> tuple[torch.Tensor, torch.Tensor, Counts]:
    """Return the contexts and next letters of the names to learn from in a names file, and their counts."""
    x, y = contexts(split(load(path)).train)
    return x, y, counts(x, y)


def _name(line: bytes, file: Path, number: int) -> str:
    """Return the name on one line, or say what is wrong with it."""
    where = f"{file}, line {number}"
    if not line:
        raise NamesError(f"{where}: empty line; remove it, or write a name (a to z) there")
    text = line.decode("utf-8", errors="replace")
    for column, letter in enumerate(text, 1):
        if not ("a" <= letter <= "z"):
            shown = f"{letter!r}" if letter.isprintable() and letter != "\N{REPLACEMENT CHARACTER}" else f"{letter!a}"
            hint = "; write it in lower case" if letter.isascii() and letter.isupper() else ""
            raise NamesError(f"{where}, column {column}: {shown} in {text!r} is not one of the letters a to z{hint}")
    return text
