"""Who takes part in a run: the process of each experiment, the helpers beside it, and the pieces that a cluster has."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.workers.worker_process import Event, Process

if TYPE_CHECKING:
    from lab.run.scheduler import Outcome

Hear = Callable[[Process, Event | None], None]


class Experiment(Process):
    """The process that computes one result, and how far the pieces are that it waits for, if it does."""

    def __init__(self, outcome: Outcome, root: Path, first: dict[str, Any], hear: Hear) -> None:
        self.outcome = outcome
        self.busy = True  # computing: it takes one of the places
        self.key = ""
        self.helpers: list[Helper] = []
        self.sent: list[Any] = []  # a cluster's receipts
        self.spread, self.what, self.calls = 0, "", list[str]()  # number of spreads so far, and the present one
        self.open = deque[int]()  # pieces that nobody has taken
        self.left = -1  # pieces that are not done; -1: there are none to wait for
        self.deaths = Counter[int]()  # of processes, by piece
        self.failed = False  # a piece has
        super().__init__(root, first, hear)

    @property
    def helps(self) -> dict[str, Any]:
        """What a helper has to know."""
        job = self.outcome.job
        return {"experiment": job.experiment, "changes": job.changes, "key": self.key}

    def begin(self, event: Event) -> None:
        """Note that it has cut its work into pieces, and waits for what to do about them."""
        self.spread, self.what, self.calls = event["spread"], event["what"], event["calls"]
        self.open, self.left = deque(range(len(self.calls))), len(self.calls)
        self.deaths.clear()
        self.busy = self.failed = False

    def tell(self, do: str, **more: Any) -> None:
        """Tell it what to do about its pieces."""
        if do == "go on":
            self.left, self.calls = -1, []
        if do != "take":
            self.busy = True
        self.order(**(more | {"do": do, "spread": self.spread}))

    def fail(self, said: Event) -> None:
        """Hand on how a piece failed; it will raise that, and need no more pieces."""
        if not self.failed:
            self.open.clear()
            self.failed = True
            self.tell("fail", **said)


class Helper(Process):
    """A process that computes pieces of one experiment."""

    def __init__(self, owner: Experiment, root: Path, hear: Hear) -> None:
        self.owner = owner
        self.ready = False  # it has imported what it needs; until then it gets no piece, or that would have to wait
        self.piece: int | None = None  # in hand
        self.spread = 0
        super().__init__(root, owner.helps | {"root": str(root)}, hear)

    def take(self, piece: int) -> None:
        """Compute a piece."""
        self.piece, self.spread = piece, self.owner.spread
        self.order(piece=piece, call=self.owner.calls[piece])


class Sent:
    """A piece that a cluster has."""

    def __init__(self, owner: Experiment, piece: int) -> None:
        self.owner, self.spread = owner, owner.spread
        self.piece: int | None = piece
