"""Compares a result that was computed here with the book's: verdict by verdict, number by number."""

from __future__ import annotations

import dataclasses
import itertools
import math
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.estimate import Estimate
from lab.keys import experiments, key
from lab.keys.canonical_json import dumps, pack, unpack
from lab.results import codec, store
from lab.results.key_diff import changes
from lab.results.reading import as_result
from lab.workers import arithmetic
from lab.workers.worker import verify_folder
from press import reads

ROUNDING = 1e-6  # relative; an interval without width still allows this much, which no digit printed in the book shows


@dataclass(frozen=True)
class ClaimPair:
    """One claim, decided by the book's result and by the one computed here."""

    name: str
    verdicts: tuple[str, str]  # book, here
    numbers: tuple[str, str]

    @property
    def same(self) -> bool:
        """Whether the verdicts are."""
        return self.verdicts[0] == self.verdicts[1]


@dataclass(frozen=True)
class NumberPair:
    """One estimate, in the book and computed here."""

    name: str
    book: Estimate
    here: Estimate

    @property
    def inside(self) -> bool:
        """Whether the mean computed here lies in the book's interval."""
        if not (math.isfinite(self.book.mean) and math.isfinite(self.here.mean)):
            return repr(self.book.mean) == repr(self.here.mean)
        return abs(self.here.mean - self.book.mean) <= max(self.book.half_width, ROUNDING * abs(self.book.mean))


@dataclass(frozen=True)
class Comparison:
    """What one experiment's recomputation showed."""

    experiment: str
    claims: tuple[ClaimPair, ...]
    estimates: tuple[NumberPair, ...]
    differences: dict[str, float]  # every number and column that differs in a bit, with its relative difference
    times: dict[str, float]  # the same for measured times, which never repeat
    changed: tuple[str, ...]  # between the code, data and versions of the book's result and those here
    decided_by: list[str]  # what decides the bits, and is another here than where the book's result was computed
    calls: list[str]  # those that give other bits here
    untold: list[str]  # what decides the bits, and is not known of both machines: then none are promised
    book: store.Stored
    here: store.Stored

    @property
    def identical(self) -> bool:
        """Whether every number and every table is the same bit for bit, measured times aside."""
        return not self.differences

    @property
    def agrees(self) -> bool:
        """Whether all verdicts are the same and all estimates lie in the book's intervals."""
        return all([*(c.same for c in self.claims), *(e.inside for e in self.estimates)])

    @property
    def odd(self) -> bool:
        """Whether the bits differ where nothing explains it: the same arithmetic, code, data and versions."""
        explained = self.identical or self.changed or self.decided_by or self.calls or self.untold
        return "arithmetic" in self.book.provenance and not explained

    def __str__(self) -> str:
        """Print the outcome on one line."""
        if self.identical and self.agrees:
            return f"{self.experiment}: the same to the last bit" + (", measured times aside" if self.times else "")
        verdicts = f"{sum(c.same for c in self.claims)} of {len(self.claims)} verdicts the same"
        inside = f"{sum(e.inside for e in self.estimates)} of {len(self.estimates)} estimates in the book's intervals"
        word = "agrees" if self.agrees else "DIFFERS"
        name, most = max((self.differences or self.times).items(), key=lambda item: item[1])
        return f"{self.experiment}: {word}, {verdicts}, {inside}; largest relative difference {most:.1g}, of {name}"


def committed(name: str, root: Path) -> store.Stored:
    """Return the committed result, fresh or not: on another machine its versions may be others.  Raises LabError."""
    try:
        return store.read_result(root / "results" / name, root)
    except LabError as error:
        raise LabError(f"nothing to compare with: {error}\ntype: lab run {name}") from None


def compare(name: str, root: Path) -> Comparison:
    """Compare the result recomputed last, in .lab/verify, with the book's."""
    theirs, ours = committed(name, root), store.read_result(verify_folder(root, name), root)
    module = experiments.load(name, root)
    results = as_result(module, theirs), as_result(module, ours)
    measured, differences = times(module.Result, theirs), dict(_differences(theirs, ours))
    pairs = [
        NumberPair(field, value, getattr(results[1], field))
        for field, value in vars(results[0]).items()
        if isinstance(value, Estimate) and field not in measured
    ]
    decided_by, calls, untold = _other_arithmetic(theirs, ours)
    return Comparison(
        name,
        tuple(claim_pairs(module, *results)),
        tuple(pairs),
        {what: far for what, far in differences.items() if what not in measured},
        {what: far for what, far in differences.items() if what in measured},
        tuple(changes(theirs, key.compute(name, root), reads.Present(root))),
        decided_by,
        calls,
        untold,
        theirs,
        ours,
    )


def _other_arithmetic(theirs: store.Stored, ours: store.Stored) -> tuple[list[str], list[str], list[str]]:
    """Return what decides the bits and differs, the calls that do, and what is not told, unless the same machines were at work."""
    book, here = (made.provenance.get("arithmetic", []) for made in (theirs, ours))
    same = all(one in here for one in book) and all(one in book for one in here)
    pairs = list(zip(book, book, strict=True) if same else itertools.product(book, here))

    def named(names: Callable[..., list[str]], *of: str) -> list[str]:
        return sorted({name for pair in pairs for name in names(*pair, *of)})

    return named(arithmetic.differing, "decided by"), named(arithmetic.differing, "calls"), named(arithmetic.untold)


def summary(found: Sequence[Comparison], failed: dict[str, str]) -> dict[str, Any]:
    """Return what came of a verification as JSON holds it: for a bug report, or for the book's table of machines."""
    made = [of.here.provenance for of in found]
    return {
        "date": max((of["date"] for of in made), default=""),
        "machine": arithmetic.machine(),
        "python": platform.python_version(),
        "versions": dict(sorted(item for of in made for item in of["versions"].items())),
        "commit": next((of["commit"] for of in made), None),
        "experiments": {
            of.experiment: {
                "agrees": of.agrees,
                "identical": of.identical,
                "verdicts": {"same": sum(claim.same for claim in of.claims), "of": len(of.claims)},
                "differ": [claim.name for claim in of.claims if not claim.same],
                "outside": [pair.name for pair in of.estimates if not pair.inside],
                "differences": {what: pack(far) for what, far in of.differences.items()},
                "decided_by": of.decided_by,
            }
            for of in found
        },
        "failed": failed,
    }


def claim_pairs(experiment: Any, one: Any, other: Any) -> list[ClaimPair]:
    """Return every claim as two results decide it."""
    return [
        ClaimPair(
            claim.name,
            (str(claim.verdict(one)), str(claim.verdict(other))),
            (claim.number(one), claim.number(other)),
        )
        for claim in experiment.CLAIMS
    ]


def times(kind: Any, stored: store.Stored) -> set[str]:
    """Return which numbers and columns a Result says are measured times.  Raises LabError for a column that is not there.

    It says so of a table with `field(metadata={"times": ("seconds", ...)})`, its columns; of a number with an empty tuple.
    """
    found = set[str]()
    for field in dataclasses.fields(kind):
        if "times" in field.metadata:
            columns, table = field.metadata["times"], stored.tables.get(field.name)
            if unknown := set(columns) - set(table.dtypes if table else ()):
                there = f"is a table of {', '.join(table.dtypes)}" if table else "is no table"
                raise LabError(
                    f"Result.{field.name} {there}, and its metadata name the times {', '.join(sorted(unknown))}"
                )
            found |= {f"{field.name}.{column}" for column in columns} if table else {field.name}
    return found


def _differences(theirs: store.Stored, ours: store.Stored) -> Iterator[tuple[str, float]]:
    for name, value in theirs.numbers.items():
        other = ours.numbers.get(name)
        if dumps(value) != dumps(other):  # 0.0 == -0.0, and 1 == 1.0
            yield name, _apart(_leaves(value), _leaves(other))
    before, now = codec.frames(theirs.tables), codec.frames(ours.tables)
    for name, old in before.items():
        new = now.get(name)
        if new is None or list(old) != list(new) or len(old) != len(new):
            yield f"{name}.csv (other rows or columns)", math.inf
            continue
        for column in old:
            one, other = old[column].tolist(), new[column].tolist()
            if old[column].dtype != new[column].dtype or repr(one) != repr(other):
                # Of the column's largest number: beside it, a difference between two that are all but zero means nothing.
                finite = [abs(value) for value in one if isinstance(value, int | float) and math.isfinite(value)]
                yield f"{name}.{column}", _apart(one, other, max(finite, default=0.0))


def _leaves(value: Any) -> list[Any]:
    found = unpack(value)
    if isinstance(found, dict):
        return list(found.values())
    return [leaf for item in found for leaf in _leaves(item)] if isinstance(found, tuple) else [found]


def _apart(theirs: list[Any], ours: list[Any], scale: float = 0.0) -> float:
    """Return the largest relative difference of values; inf where they are not numbers that can be compared."""
    most = 0.0
    for a, b in itertools.zip_longest(theirs, ours):
        if a == b or (a != a and b != b):
            continue
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in (a, b)):
            return math.inf
        most = max(most, float(abs(a - b) / max(abs(a), abs(b), scale)))
    return most
