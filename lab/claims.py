"""A claim of the notes, the line drawn for it in advance, and the verdict that a result gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

R_contra = TypeVar("R_contra", contravariant=True)


class Verdict(Enum):
    """What became of a claim."""

    HOLDS = "holds"  # the whole interval is on the claim's side of the line
    CAVEAT = "holds with a caveat"  # true as stated in one setting or reading, not in all that were tried
    FAILS = "fails"  # the whole interval is on the other side
    UNDECIDED = "undecided"  # the interval straddles the line

    def __str__(self) -> str:
        return self.value


Text = str | Callable[[Any], str]  # as it stands, or made from the parameters: no setting is typed twice


@dataclass(frozen=True)
class Claim(Generic[R_contra]):
    """One claim, and how its verdict is decided from the experiment's result."""

    name: str  # hyphenated, unique within the experiment: its anchor in the book is claim-<stem>-<name>
    text: Text  # the claim in our words (Markdown)
    source: str  # notes file and place, for example "N0, last lines"
    line: Text  # when it holds, and why the line is there; written down before the number was seen (Markdown)
    verdict: Callable[[R_contra], Verdict]
    number: Callable[[R_contra], str]  # the number that decided it, as text (Markdown)

    def stated(self, params: Any) -> tuple[str, str]:
        """Return the claim's text and its line for a setting."""
        text, line = (part if isinstance(part, str) else part(params) for part in (self.text, self.line))
        return text, line


def side(low: float, high: float, *, above: float) -> Verdict:
    """Verdict on "the quantity lies above the line" from its interval [low, high]."""
    if low > above:
        return Verdict.HOLDS
    return Verdict.FAILS if high < above else Verdict.UNDECIDED


def within(low: float, high: float, *, lower: float, upper: float) -> Verdict:
    """Verdict on "the quantity lies between the lines" from its interval [low, high]."""
    if lower <= low and high <= upper:
        return Verdict.HOLDS
    return Verdict.FAILS if high < lower or low > upper else Verdict.UNDECIDED
