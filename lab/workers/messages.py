"""What a worker and whoever started it say to each other: each message a class, on its way a line of JSON.

The first message to a worker says what it is for: ComputeResult, HelpOut or MakeKeys.  What it then says of itself and is told to
do concerns tasks: an experiment's own process says HandOut and waits; TaskOrder goes to it and to its helpers alike; a helper's
TaskResult comes back, and is handed on to the experiment as it is, until all are there and it is told to Proceed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Message:
    """What one says to the other: one of the classes below."""


# -- to a worker, first


@dataclass(frozen=True)
class Surroundings(Message):
    """The environment of whoever started it: a worker's own has little, and code that asks for more is told from here."""

    variables: dict[str, str]


@dataclass(frozen=True)
class ComputeResult(Message):
    """Compute a result and publish it, unless it is there."""

    experiment: str
    changes: dict[str, str]  # to the book's parameters, as typed
    verify: bool = False  # compute beside the committed result, which stays as it is
    force: bool = False  # also if the result is fresh
    away: bool = False  # an experiment without tasks is handed out whole: this process only waits for it


@dataclass(frozen=True)
class HelpOut(Message):
    """Compute tasks of an experiment that another process runs, which has made this key."""

    experiment: str
    changes: dict[str, str]
    key: str


@dataclass(frozen=True)
class MakeKeys(Message):
    """Say which keys experiments have where this worker runs."""

    asked: list[tuple[str, dict[str, str]]]  # experiments, each with changes to its parameters


# -- of tasks


@dataclass(frozen=True)
class HandOut(Message):
    """From an experiment: its work is cut into tasks, and it waits for what to do about them."""

    batch: int  # how often it has handed out tasks; what is said of an earlier batch comes too late
    what: str  # what a task is called
    calls: list[str]  # pickled, on which see lab.pickling


@dataclass(frozen=True)
class TaskOrder(Message):
    """To a helper or to the experiment's own process: compute a task."""

    batch: int
    number: int
    call: str


@dataclass(frozen=True)
class TaskResult(Message):
    """From a helper, and handed on to the experiment's own process."""

    batch: int
    number: int
    result: str  # pickled
    seconds: float
    machine: str
    arithmetic: dict[str, Any]  # what decides the last bits there
    reads: dict[str, dict[str, str | None]]  # all that the helper has read since it started (press.execute.reads)


@dataclass(frozen=True)
class TaskDone(Message):
    """From an experiment that has computed a task itself; and to whoever looks on, of every task."""

    number: int


@dataclass(frozen=True)
class Proceed(Message):
    """To an experiment: all tasks are done."""

    batch: int


@dataclass(frozen=True)
class TaskFailed(Message):
    """From a helper, and handed on to the experiment's own process, which raises it."""

    batch: int
    error: str
    trace: str = ""
    exception: str = ""  # pickled; "" where there is none, as after a kill
    frames: list[str] = field(default_factory=list)  # of the traceback, without the lab's own


# -- from a worker


@dataclass(frozen=True)
class Ready(Message):
    """A helper has imported what it needs."""


@dataclass(frozen=True)
class Waiting(Message):
    """Somebody else computes this result at the moment."""


@dataclass(frozen=True)
class Started(Message):
    """The computation begins."""

    key: str
    spreads: bool = False  # whether it will cut its work into tasks


@dataclass(frozen=True)
class Progress(Message):
    """How far a loop is."""

    what: str
    done: int
    total: int | None
    batch: int = 0
    number: int | None = None  # of the task that it is inside of, if it is


@dataclass(frozen=True)
class Done(Message):
    """The result is there."""

    seconds: float
    computed: bool  # False: it was there already


@dataclass(frozen=True)
class Keys(Message):
    """The answer to MakeKeys."""

    python: str
    keys: list[dict[str, Any]]  # key, params and parts; or error


@dataclass(frozen=True)
class Said(Message):
    """What a helper on a cluster has printed: warnings, for example."""

    text: str


@dataclass(frozen=True)
class Failed(Message):
    """The worker gives up."""

    error: str
    trace: str = ""


@dataclass(frozen=True)
class Ended(Message):
    """From the scheduler to whoever looks on: the process of an experiment has ended."""

    error: str = ""


Tell = Callable[[Message], None]
_KINDS: dict[str, Any] = {kind.__name__: kind for kind in Message.__subclasses__()}


def to_line(message: Message) -> str:
    """Return a message as a line of text."""
    return json.dumps([type(message).__name__, vars(message)]) + "\n"


def from_line(line: str) -> Message:
    """Return the message that a line holds.  Raises ValueError for one cut short by a kill."""
    kind, values = json.loads(line)
    message: Message = _KINDS[kind](**values)
    return message
