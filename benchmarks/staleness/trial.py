"""Acts a row out on a system, and says what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.staleness.rows import EITHER, HIT, ROWS, RUN, Row
from benchmarks.staleness.system import NotActed, Refused, System

STALE, WASTED, REFUSED, NONE = "STALE", "wasted", "refused", "–"


@dataclass
class Trial:
    """One system and what it did, row by row."""

    system: System
    words: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Bring the project up to date once, and save it."""
        self.system.run()
        assert self.system.ran(), f"{self.system.name}: nothing has run"
        self.system.saved()

    def act(self, row: Row) -> str:
        """Act one row out in the saved project; return a word for what the system did."""
        self.system.restored()
        try:
            word = self._word(row)
        except NotActed:
            word = NONE
        except Refused as error:
            self.errors[row.what] = str(error)
            word = REFUSED
        self.words[row.what] = word
        return word

    def _word(self, row: Row) -> str:
        system = self.system
        if row.before:
            row.before(system)
            try:
                system.run()
            except Refused:
                if not row.refusal:
                    raise
        row.act(system)
        start = system.ran()  # not counting what was run on the way
        if row.also == "python":
            shown = [system.on_other_pythons()]
        elif row.also == "two":
            both = [system.start(), system.start()]
            shown = [system.ended(process) for process in both]
        else:
            shown = [system.run()]
        ran = system.ran() - start
        true = system.truth()
        if any(value != true for value in shown):
            return STALE
        if row.right == HIT:
            return WASTED if ran else HIT
        if row.right == RUN:
            return WASTED if ran > 1 else RUN
        return RUN if ran else HIT

    @property
    def stale(self) -> tuple[int, int]:
        """Return how often it showed what is not true, of the rows in which that was possible."""
        return self._count(STALE, (RUN, EITHER))

    @property
    def wasted(self) -> tuple[int, int]:
        """Return how often it ran for nothing, of the rows in which that was possible."""
        return self._count(WASTED, (HIT,))

    @property
    def wrong(self) -> dict[str, str]:
        """Return the rows that are not as they should be."""
        refusals = {row.what for row in ROWS if row.refusal}
        return {
            what: word
            for what, word in self.words.items()
            if word in (STALE, WASTED) or (word == REFUSED and what not in refusals)
        }

    def _count(self, word: str, rights: tuple[str, ...]) -> tuple[int, int]:
        twice = word == WASTED  # two writers can both run, though one has to
        rows = [row for row in ROWS if row.right in rights or (twice and row.also == "two")]
        among = [self.words[row.what] for row in rows if self.words.get(row.what, NONE) != NONE]
        return sum(found == word for found in self.words.values()), len(among)


def try_out(system: System, rows: tuple[Row, ...] = ROWS) -> Trial:
    """Act rows out on a system in its project, new until now."""
    trial = Trial(system)
    trial.prepare()
    for row in rows:
        trial.act(row)
    return trial
