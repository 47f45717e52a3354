"""The parts of a run, one after the other: loops of the experiment's own and batches of tasks, with what each cost.

A run knows its parts only as they come.  What the last one consisted of lies in its result's provenance, so that progress and time
left are the whole run's; where there is no earlier run, or this one goes another way, nobody claims to know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lab.workers.messages import Stage


class StageLog:
    """Notes the parts of a run while it goes on; loops inside loops belong to the outermost."""

    def __init__(self, cost: Callable[[], float]) -> None:
        """`cost` says how many seconds all has taken so far, on one core."""
        self.stages: list[list[str | int | float | None]] = []
        self._cost, self._before, self._open = cost, 0.0, ""

    def note(self, what: str, done: int, total: int | None) -> None:
        """Take in how far a loop or a batch is."""
        self._open = self._open or what
        if what == self._open and done == total:
            now = self._cost()
            self.stages.append([what, total, round(now - self._before, 3)])
            self._before, self._open = now, ""


class Outlook:
    """How far a whole run is, going by the parts of the last one."""

    def __init__(self, last: Sequence[Stage], expected: float | None) -> None:
        self._names = [str(what) for what, _, _ in last]
        self._totals = [total for _, total, _ in last]
        self._seconds = [float(seconds or 0) for _, _, seconds in last]
        self._expected = expected or 0.0
        self.begun = 0  # parts so far

    def begin(self, what: str, total: int | None) -> None:
        """Take in that a part begins; with more in it than the last time, it takes longer."""
        place, self.begun = self.begun, self.begun + 1
        if self._names[place : place + 1] != [what]:
            self._names = []  # the run goes another way than the last one
        elif total and (before := self._totals[place]):
            self._seconds[place] *= total / float(before)

    @property
    def parts(self) -> int | None:
        """How many parts there are, None where that is not known."""
        return len(self._names) or None

    def share(self, part: float) -> float | None:
        """Return how much of the run is done, 0 to 1, where so much of the part in hand is; None where that is not known."""
        if not self._names:
            return None
        whole = max(sum(self._seconds), self._expected)
        done = sum(self._seconds[: max(self.begun - 1, 0)])
        return (done + self._seconds[self.begun - 1] * part) / whole if self.begun and whole else 0.0
