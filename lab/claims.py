"""A claim of the notes, the rule that was drawn for it in advance, and the verdict that a result gives.

A rule is data: leaves that hold a quantity against a threshold (`Above`, `Below`, `Within`, `Equals`), joined by `All`,
`Any` and `Caveat`.  A quantity is a function of the result that gives one or more intervals; every one of them must lie on
the claim's side.  `Rule.verdict` evaluates it here, the page's script evaluates `Rule.packed` in the same way, and
`lab register` commits its digest before the number is seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
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


@dataclass(frozen=True)
class Leaf(Rule[R_contra]):
    """One quantity against one or two thresholds.

    Each kind adds its thresholds, their `unit` (nats, layers, %), and the `reason` why they are there.
    """

    label: str  # the quantity in words, as in "the ratio of the two losses"
    quantity: Callable[[R_contra], Anything]  # what `intervals` takes

    def thresholds(self) -> tuple[float, ...]:
        """Return the thresholds, lower one first."""
        raise NotImplementedError

    def side(self, low: float, high: float) -> Verdict:
        """Return the verdict on one interval, never a caveat: holds from threshold to threshold, fails outside of both."""
        lower, upper = self.thresholds()
        if lower <= low and high <= upper:
            return Verdict.HOLDS
        return Verdict.FAILS if high < lower or low > upper else Verdict.UNDECIDED

    def verdict(self, result: R_contra) -> Verdict:
        """Holds if every interval is on the claim's side, fails if one is wholly on the other."""
        found = intervals(self.quantity(result))
        sides = [self.side(*ends) if not any(map(math.isnan, ends)) else Verdict.UNDECIDED for ends in found]
        return _all(sides or [Verdict.UNDECIDED])

    def packed(self, result: R_contra | None = None) -> dict[str, Anything]:
        """Return kind, label, thresholds and unit, and with a result the intervals."""
        thresholds = [_json(threshold) for threshold in self.thresholds()]
        there: dict[str, Anything] = {"kind": self.kind, "label": self.label, "thresholds": thresholds}
        if unit := getattr(self, "unit", ""):
            there["unit"] = unit
        if result is not None:
            there["intervals"] = [[_json(end) for end in ends] for ends in intervals(self.quantity(result))]
        return there

    def words(self) -> str:
        """Say where the quantity is, and why the line is there."""
        unit, reason = getattr(self, "unit", ""), getattr(self, "reason", "")
        where = self._where(lambda threshold: f"[{number(threshold)}]{{.given}}", f" {unit}" if unit else "")
        return f"{self.label} is {where}" + (f" ({reason})" if reason else "")

    def _where(self, given: Callable[[float], str], unit: str) -> str:
        raise NotImplementedError


@dataclass(frozen=True)
class _Beyond(Leaf[R_contra]):
    threshold: float
    unit: str = ""
    reason: str = ""
    sign: ClassVar[int]

    def thresholds(self) -> tuple[float, ...]:
        """Return the threshold."""
        return (self.threshold,)

    def side(self, low: float, high: float) -> Verdict:
        """Holds strictly beyond the threshold, fails strictly before it; so does a number that lies on it."""
        near, far = sorted((self.sign * low, self.sign * high))
        line = self.sign * self.threshold
        if near > line:
            return Verdict.HOLDS
        return Verdict.FAILS if far < line or near == far else Verdict.UNDECIDED

    def _where(self, given: Callable[[float], str], unit: str) -> str:
        return f"{self.kind} {given(self.threshold)}{unit}"


class Above(_Beyond[R_contra]):
    """The quantity lies above the threshold."""

    kind, sign = "above", 1


class Below(_Beyond[R_contra]):
    """The quantity lies below the threshold."""

    kind, sign = "below", -1


@dataclass(frozen=True)
class Within(Leaf[R_contra]):
    """The quantity lies between two thresholds, or on one of them."""

    lower: float
    upper: float
    unit: str = ""
    reason: str = ""
    kind: ClassVar[str] = "within"

    def thresholds(self) -> tuple[float, ...]:
        """Return both thresholds."""
        return (self.lower, self.upper)

    def _where(self, given: Callable[[float], str], unit: str) -> str:
        return f"from {given(self.lower)} to {given(self.upper)}{unit}"


@dataclass(frozen=True)
class Equals(Leaf[R_contra]):
    """The quantity is a number, to within a tolerance."""

    value: float
    tolerance: float = 0.0
    unit: str = ""
    reason: str = ""
    kind: ClassVar[str] = "equals"

    def thresholds(self) -> tuple[float, ...]:
        """Return both ends of what still counts as equal."""
        return (self.value - self.tolerance, self.value + self.tolerance)

    def _where(self, given: Callable[[float], str], unit: str) -> str:
        if not self.tolerance:
            return f"exactly {given(self.value)}{unit}"
        return f"{given(self.value)} to within {given(self.tolerance)}{unit}"


class _Joined(Rule[R_contra]):
    """Rules joined to one."""

    between: ClassVar[str]  # what stands between them in words

    def __init__(self, *rules: Rule[R_contra]) -> None:
        self.rules = rules

    def words(self) -> str:
        """Say them one after the other."""
        return self.between.join(rule.words() for rule in self.rules)

    def packed(self, result: R_contra | None = None) -> dict[str, Anything]:
        """Return the kind, and the rules that are joined."""
        return {"kind": self.kind, "rules": [rule.packed(result) for rule in self.rules]}


class All(_Joined[R_contra]):
    """Every rule holds."""

    kind, between = "all", ", and "

    def verdict(self, result: R_contra) -> Verdict:
        """Fails if one fails; undecided if one is; with a caveat if one has one."""
        return _all([rule.verdict(result) for rule in self.rules])


class Any(_Joined[R_contra]):
    """At least one rule holds."""

    kind, between = "any", ", or "

    def verdict(self, result: R_contra) -> Verdict:
        """Holds if one does; with a caveat if one has one; undecided if one is."""
        found = {rule.verdict(result) for rule in self.rules}
        order = (Verdict.HOLDS, Verdict.CAVEAT, Verdict.UNDECIDED, Verdict.FAILS)
        return next(verdict for verdict in order if verdict in found)


class Caveat(_Joined[R_contra]):
    """Holds by the full rule; with a caveat by the part of it that decides whether there is anything to the claim."""

    kind, between = "caveat", "; with a caveat if "

    def __init__(self, full: Rule[R_contra], partly: Rule[R_contra]) -> None:
        super().__init__(full, partly)

    def verdict(self, result: R_contra) -> Verdict:
        """Holds if the full rule does, with a caveat if only the other does; undecided if one of them may."""
        full, partly = (rule.verdict(result) for rule in self.rules)
        if full is Verdict.HOLDS:
            return full
        if partly in (Verdict.HOLDS, Verdict.CAVEAT) or full is Verdict.CAVEAT:
            return Verdict.CAVEAT
        return Verdict.UNDECIDED if Verdict.UNDECIDED in (full, partly) else Verdict.FAILS


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
