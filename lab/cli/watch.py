"""Shows experiments while they run: what, how far, time left.  Bars on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab.duration import duration
from lab.workers.messages import Done, Failed, Job, Message, Progress, Started, Waiting
from lab.workers.stages import Outlook

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

QUIET = 30.0  # seconds between two plain lines on one experiment


@dataclass
class Position:
    """How far one experiment is: loops inside loops, the outermost first."""

    loops: dict[str, tuple[int, int | None]] = field(default_factory=dict)  # by what is counted: done, of how many
    begun: float = 0.0  # when the outermost loop began, seconds
    parts: int = 0  # outermost loops so far
    tasks: dict[int, Position] = field(default_factory=dict)  # in hand at the moment, of the innermost loop, by number

    def note(self, what: str, done: int, total: int | None, now: float, task: int | None = None) -> None:
        """Take in one report: a loop that is done is over, and so are those inside one that has moved on."""
        if task is not None:
            self.tasks.setdefault(task, Position()).note(what, done, total, now)
            return
        if what in self.loops:
            outer = list(self.loops)[: list(self.loops).index(what)]
            if self.loops[what] != (done, total):
                self.loops = {name: self.loops[name] for name in [*outer, what]}
        elif not self.loops:
            self.begun, self.parts = now, self.parts + 1
        self.loops[what] = (done, total)
        if done == total:
            del self.loops[what]

    @property
    def share(self) -> float | None:
        """Part of the outermost loop that is done, 0 to 1; None where its length is not known."""
        found: float | None = sum(task.share or 0.0 for task in self.tasks.values())
        for done, total in reversed(self.loops.values()):
            found = None if not total else (done + (found or 0.0)) / total
        return found if self.loops else None

    def __str__(self) -> str:
        shown = [f"{what} {done}" + (f" of {total}" if total else "") for what, (done, total) in self.loops.items()]
        inside = [str(task) for task in self.tasks.values() if task.loops]
        return ", ".join([*shown, *(inside if len(inside) == 1 else [])])  # several at once would be a muddle


class Watch:
    """Listens to what happens in a run, prints it, and remembers what has become of each experiment."""

    def __init__(self, jobs: list[Job]) -> None:
        self.became = {job.experiment: "not begun" for job in jobs}  # or lost, if the run ends now; kept; failed
        self._at = {job.experiment: Position() for job in jobs}
        self._outlook = {job.experiment: Outlook(job.stages, job.expected) for job in jobs}
        self._said: dict[str, float] = {}
        self._started: dict[str, float] = {}
        self.bars = _bars() if sys.stdout.isatty() else None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, job: Job, message: Message) -> None:
        """Take in what happens to one job."""
        name, now = job.experiment, time.monotonic()
        match message:
            case Started():
                self.became[name] = "lost"
                self._said[name] = self._started[name] = now
                usual = duration(job.expected or None)
                if self.bars:
                    self._tasks[name] = self.bars.add_task(
                        name, total=None, at="", left=usual and f"about {usual} left"
                    )
                else:
                    self.say(f"{name}: running" + (usual and f", {usual} the last time"))
            case Waiting():
                self.say(f"{name}: somebody else computes it at the moment; waiting for that")
            case Progress():
                at, outlook = self._at[name], self._outlook[name]
                at.note(message.what, message.done, message.total, now, message.task)
                if at.parts > outlook.begun:
                    outlook.begin(message.what, message.total)
                self._show(name, now)
            case Done(cost, computed):
                self.became[name] = "kept"
                took = now - self._started.get(name, now)
                shared = f" ({duration(cost)} on one core)" if cost > 1.3 * took else ""
                every = len(self.became)
                count = f" ({len(self.those('kept'))} of {every})" if self.bars and every > 1 else ""
                self.say(f"{name}: " + (f"done in {duration(took)}{shared}" if computed else "already there") + count)
            case Failed():
                self.became[name] = "failed"
                self.say(f"{name}: failed")
        if self.bars and isinstance(message, Done | Failed) and name in self._tasks:
            self.bars.remove_task(self._tasks.pop(name))

    def _show(self, name: str, now: float) -> None:
        at, outlook = self._at[name], self._outlook[name]
        share = outlook.share(at.share or 0.0 if at.loops else 1.0)
        done, since = (at.share, at.begun) if share is None else (share, self._started.get(name, now))
        left = (now - since) * (1 - done) / done if done else None  # at the pace so far
        rest = f"{duration(left)} left" if left else ""
        if rest and share is None:  # what is known is this part alone
            rest += " in this part; what follows is not known"
        said = "" if outlook.parts == 1 else f"part {outlook.begun}{f' of {outlook.parts}' if outlook.parts else ''}: "
        if self.bars:
            total = None if share is None else 1.0
            where = f"{said}{at}" if at.loops else ""
            self.bars.update(
                self._tasks[name], total=total, completed=share or 0.0, at=where, left=rest and f"about {rest}"
            )
        elif at.loops and now - self._said[name] >= QUIET:
            self._said[name] = now
            self.say(f"{name}: {said}{at}" + (", " if left else "") + rest)

    def those(self, became: str) -> list[str]:
        """Return the experiments of which this has become."""
        return [name for name, what in self.became.items() if what == became]

    def summary(self) -> str:
        """Say what has become of each experiment, where the run ends now."""
        words = [word for word in ("kept", "failed", "lost", "not begun") if self.those(word)]
        return "; ".join(f"{word}: {', '.join(self.those(word))}" for word in words)

    def say(self, text: str) -> None:
        """Print a line: above the bars, where there are any."""
        if self.bars:
            self.bars.console.print(text, markup=False, highlight=False)
        else:
            print(text, flush=True)


def _bars() -> Bars:
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", style="dim"),
        TextColumn("{task.fields[at]}", style="dim"),
        transient=True,
    )
