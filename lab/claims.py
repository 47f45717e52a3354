"""A claim of the notes, the rule that was drawn for it in advance, and the verdict that a result gives.

A rule is data: leaves that hold a quantity against a threshold (`Above`, `Below`, `Within`, `Equals`), joined by `All`,
`Any` and `Caveat`.  A quantity is a function of the result that gives one or more intervals; every one of them must lie on
the claim's side.  `Rule.verdict` evaluates it here, the page's script evaluates `Rule.packed` in the same way, and
`lab register` commits its digest before the number is seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any as Anything
from typing import ClassVar, Generic, TypeVar

from lab.estimate import Estimate

R_contra = TypeVar("R_contra", contravariant=True)
Interval = tuple[float, float]


class Verdict(Enum):
    """What became of a claim."""

    HOLDS = "holds"  # the whole interval is on the claim's side of the line
    CAVEAT = "holds with a caveat"  # true as stated in one setting or reading, not in all that were tried
    FAILS = "fails"  # the whole interval is on the other side
    UNDECIDED = "undecided"  # the interval straddles the line

    def __str__(self) -> str:
        return self.value


def intervals(quantity: Anything) -> list[Interval]:
    """Return the intervals that a quantity gives, each with its lower end first.

    It may be an Estimate, a number (exact: an interval without width), a pair of ends, or any number of those.  An
    interval with a NaN for an end stays as it is: it decides nothing.
    """
    if isinstance(quantity, Estimate):
        return [(quantity.low, quantity.high)]
    if isinstance(quantity, tuple) and len(quantity) == 2 and not any(isinstance(end, Estimate) for end in quantity):
        low, high = float(quantity[0]), float(quantity[1])
        return [(high, low) if low > high else (low, high)]
    if isinstance(quantity, Iterable):
        return [interval for item in quantity for interval in intervals(item)]
    return [(float(quantity), float(quantity))]


def rows(table: Anything, column: str) -> list[Interval]:
    """Return the intervals of a table's measured column: `column`_low and `column`_high, row by row."""
    return list(zip(table[f"{column}_low"], table[f"{column}_high"], strict=True))


class Rule(Generic[R_contra]):
    """When a claim holds.  The classes below are all the rules that there are."""

    kind: ClassVar[str]

    def verdict(self, result: R_contra) -> Verdict:
        """Evaluate the rule on a result."""
        raise NotImplementedError

    def words(self) -> str:
        """Say the rule as the end of a sentence that begins "Holds if" (Markdown)."""
        raise NotImplementedError

    def packed(self, result: R_contra | None = None) -> dict[str, Anything]:
        """Return the rule as JSON holds it; with a result, the intervals that it is evaluated on as well."""
        raise NotImplementedError

    def leaves(self) -> list[Leaf[R_contra]]:
        """Return the comparisons that the rule is made of."""
        raise NotImplementedError


@dataclass(frozen=True)
class Leaf(Rule[R_contra]):
    """One quantity against one or two thresholds."""

    label: str  # the quantity in words, as in "the ratio of the two losses"
    quantity: Callable[[R_contra], Anything]  # what `intervals` takes

    def thresholds(self) -> tuple[float, ...]:
        """Return the thresholds, lower one first."""
        raise NotImplementedError

    def side(self, low: float, high: float) -> Verdict:
        """Return the verdict on one interval; never a caveat."""
        raise NotImplementedError

    def verdict(self, result: R_contra) -> Verdict:
        """Holds if every interval is on the claim's side, fails if one is wholly on the other."""
        found = intervals(self.quantity(result))
        sides = [
            Verdict.UNDECIDED if math.isnan(low) or math.isnan(high) else self.side(low, high) for low, high in found
        ]
        return _all(sides or [Verdict.UNDECIDED])

    def packed(self, result: R_contra | None = None) -> dict[str, Anything]:
        """Return kind, label, thresholds and unit, and with a result the intervals."""
        there: dict[str, Anything] = {
            "kind": self.kind,
            "label": self.label,
            "thresholds": [_json(t) for t in self.thresholds()],
        }
        if unit := getattr(self, "unit", ""):
            there["unit"] = unit
        if result is not None:
            there["intervals"] = [[_json(end) for end in ends] for ends in intervals(self.quantity(result))]
        return there

    def leaves(self) -> list[Leaf[R_contra]]:
        """Return this comparison alone."""
        return [self]

    def _reason(self, sentence: str) -> str:
        reason = getattr(self, "reason", "")
        return f"{sentence} ({reason})" if reason else sentence

    def _number(self, threshold: float) -> str:
        unit = getattr(self, "unit", "")
        return f"[{number(threshold)}]{{.given}}" + (f" {unit}" if unit else "")


@dataclass(frozen=True)
class Above(Leaf[R_contra]):
    """The quantity lies above the threshold."""

    threshold: float
    unit: str = ""  # of the threshold: nats, layers, %
    reason: str = ""  # why the line is there
    kind: ClassVar[str] = "above"

    def thresholds(self) -> tuple[float, ...]:
        """Return the threshold."""
        return (self.threshold,)

    def side(self, low: float, high: float) -> Verdict:
        """Holds strictly above, fails strictly below."""
        return (
            Verdict.HOLDS
            if low > self.threshold
            else Verdict.FAILS
            if high < self.threshold or low == high
            else Verdict.UNDECIDED
        )

    def words(self) -> str:
        """Say: the quantity is above the threshold."""
        return self._reason(f"{self.label} is above {self._number(self.threshold)}")


@dataclass(frozen=True)
class Below(Leaf[R_contra]):
    """The quantity lies below the threshold."""

    threshold: float
    unit: str = ""  # of the threshold
    reason: str = ""  # why the line is there
    kind: ClassVar[str] = "below"

    def thresholds(self) -> tuple[float, ...]:
        """Return the threshold."""
        return (self.threshold,)

    def side(self, low: float, high: float) -> Verdict:
        """Holds strictly below, fails strictly above."""
        return (
            Verdict.HOLDS
            if high < self.threshold
            else Verdict.FAILS
            if low > self.threshold or low == high
            else Verdict.UNDECIDED
        )

    def words(self) -> str:
        """Say: the quantity is below the threshold."""
        return self._reason(f"{self.label} is below {self._number(self.threshold)}")


@dataclass(frozen=True)
class Within(Leaf[R_contra]):
    """The quantity lies between two thresholds, or on one of them."""

    lower: float
    upper: float
    unit: str = ""  # of the thresholds
    reason: str = ""  # why the lines are there
    kind: ClassVar[str] = "within"

    def thresholds(self) -> tuple[float, ...]:
        """Return both thresholds."""
        return (self.lower, self.upper)

    def side(self, low: float, high: float) -> Verdict:
        """Holds from line to line, fails outside of both."""
        if self.lower <= low and high <= self.upper:
            return Verdict.HOLDS
        return Verdict.FAILS if high < self.lower or low > self.upper else Verdict.UNDECIDED

    def words(self) -> str:
        """Say: the quantity is from one threshold to the other."""
        return self._reason(f"{self.label} is from [{number(self.lower)}]{{.given}} to {self._number(self.upper)}")


@dataclass(frozen=True)
class Equals(Leaf[R_contra]):
    """The quantity is a number, to within a tolerance."""

    value: float
    tolerance: float = 0.0
    unit: str = ""  # of both
    reason: str = ""  # why the tolerance is what it is
    kind: ClassVar[str] = "equals"

    def thresholds(self) -> tuple[float, ...]:
        """Return both ends of what still counts as equal."""
        return (self.value - self.tolerance, self.value + self.tolerance)

    def side(self, low: float, high: float) -> Verdict:
        """Holds within the tolerance, fails outside."""
        lower, upper = self.thresholds()
        return Within("", self.quantity, lower, upper).side(low, high)

    def words(self) -> str:
        """Say: the quantity is a number, to within a tolerance."""
        if not self.tolerance:
            return self._reason(f"{self.label} is exactly {self._number(self.value)}")
        return self._reason(
            f"{self.label} is [{number(self.value)}]{{.given}} to within {self._number(self.tolerance)}"
        )


class _Joined(Rule[R_contra]):
    """Rules joined to one."""

    rules: Sequence[Rule[R_contra]]

    def packed(self, result: R_contra | None = None) -> dict[str, Anything]:
        """Return the kind, and the rules that are joined."""
        return {"kind": self.kind, "rules": [rule.packed(result) for rule in self.rules]}

    def leaves(self) -> list[Leaf[R_contra]]:
        """Return the comparisons of all of them."""
        return [leaf for rule in self.rules for leaf in rule.leaves()]


class All(_Joined[R_contra]):
    """Every rule holds."""

    kind = "all"

    def __init__(self, *rules: Rule[R_contra]) -> None:
        self.rules = rules

    def verdict(self, result: R_contra) -> Verdict:
        """Fails if one fails; undecided if one is; with a caveat if one has one."""
        return _all([rule.verdict(result) for rule in self.rules])

    def words(self) -> str:
        """Say them one after the other."""
        return ", and ".join(rule.words() for rule in self.rules)


class Any(_Joined[R_contra]):
    """At least one rule holds."""

    kind = "any"

    def __init__(self, *rules: Rule[R_contra]) -> None:
        self.rules = rules

    def verdict(self, result: R_contra) -> Verdict:
        """Holds if one does; with a caveat if one has one; undecided if one is."""
        found = {rule.verdict(result) for rule in self.rules}
        order = (Verdict.HOLDS, Verdict.CAVEAT, Verdict.UNDECIDED, Verdict.FAILS)
        return next(verdict for verdict in order if verdict in found)

    def words(self) -> str:
        """Say them one after the other."""
        return ", or ".join(rule.words() for rule in self.rules)


class Caveat(_Joined[R_contra]):
    """Holds by the full rule; with a caveat by the part of it that decides whether there is anything to the claim."""

    kind = "caveat"

    def __init__(self, full: Rule[R_contra], partly: Rule[R_contra]) -> None:
        self.rules = (full, partly)

    def verdict(self, result: R_contra) -> Verdict:
        """Holds if the full rule does, with a caveat if only the other does; undecided if one of them may."""
        full, partly = (rule.verdict(result) for rule in self.rules)
        if full is Verdict.HOLDS:
            return full
        if partly in (Verdict.HOLDS, Verdict.CAVEAT) or full is Verdict.CAVEAT:
            return Verdict.CAVEAT
        return Verdict.UNDECIDED if Verdict.UNDECIDED in (full, partly) else Verdict.FAILS

    def words(self) -> str:
        """Say both."""
        return f"{self.rules[0].words()}; with a caveat if {self.rules[1].words()}"


class Judged(Rule[R_contra]):
    """A rule that cannot be written as data, and why.  A test counts them."""

    kind = "judged"

    def __init__(self, function: Callable[[R_contra], Verdict], reason: str) -> None:
        self.function, self.reason = function, reason

    def verdict(self, result: R_contra) -> Verdict:
        """Ask the function."""
        return self.function(result)

    def words(self) -> str:
        """Leave the words to the claim's line."""
        return ""

    def packed(self, result: R_contra | None = None) -> dict[str, Anything]:
        """Return the reason: there is nothing to move on a page."""
        return {"kind": self.kind, "reason": self.reason}

    def leaves(self) -> list[Leaf[R_contra]]:
        """Return none."""
        return []


@dataclass(frozen=True)
class Lines:
    """Lines of the notes, numbered as in book/notes.toml, which says what each holds."""

    file: str  # N0 or N3
    first: int
    last: int  # inclusive


@dataclass(frozen=True)
class Claim(Generic[R_contra]):
    """One claim, the rule by which its verdict is decided from the experiment's result, and the number that decides it."""

    name: str  # hyphenated, unique within the experiment: its anchor in the book is claim-<stem>-<name>
    text: str | Callable[[Anything], str]  # the claim in our words (Markdown), or made from the parameters
    source: Lines | None  # where the notes say so; None: the notes do not
    rule: Rule[R_contra]  # registered before the number is seen
    number: Callable[[R_contra], str]  # the number that decided it, in words that stand alone (Markdown)
    line: str | Callable[[Anything], str] = ""  # in words (Markdown), where those of the rule do not do

    def verdict(self, result: R_contra) -> Verdict:
        """Return the verdict that a result gives."""
        return self.rule.verdict(result)

    def stated(self, params: Anything) -> tuple[str, str]:
        """Return the claim's text for a setting, and when it holds and why the line is there (Markdown)."""
        text, line = (part if isinstance(part, str) else part(params) for part in (self.text, self.line))
        return text, line or f"Holds if {self.rule.words()}."


def number(value: float) -> str:
    """Print a threshold as one would type it: 0.01, −2, 10⁻⁵ for what is smaller."""
    if value and (abs(value) < 1e-3 or abs(value) >= 1e6) and math.isfinite(value):
        mantissa, _, power = f"{value:.6e}".partition("e")
        short = mantissa.rstrip("0").rstrip(".").replace("-", "−")
        head = {"1": "", "−1": "−"}.get(short, f"{short} × ")
        return f"{head}10{str(int(power)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    return f"{value:.12g}".replace("-", "−").replace("inf", "∞")


def _all(verdicts: list[Verdict]) -> Verdict:
    order = (Verdict.FAILS, Verdict.UNDECIDED, Verdict.CAVEAT, Verdict.HOLDS)
    return next(verdict for verdict in order if verdict in verdicts)


def _json(value: float) -> float | str:
    """Return a number as JSON holds it; what is no number there as text."""
    return float(value) if math.isfinite(value) else repr(float(value))
