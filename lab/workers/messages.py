"""What a worker and whoever started it say to each other: each message a class, on its way a line of JSON.

The first message to a worker says what it is for: a Job, or HelpOut.  An experiment that cuts its work into tasks says HandOut and
waits.  TaskOrder goes to its process and to its helpers alike, and each answers with TaskResult or Failed; when all results are there,
they are handed on to the experiment in the order of its tasks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Stage = Sequence[
    str | int | float | None
]  # a part of a run: what was counted, how many there were, seconds on one core


class Message:
    """What one says to the other: one of the classes below."""


# -- to a worker, first


@dataclass(frozen=True)
class Job(Message):
    """Compute a result and publish it, unless it is there."""

    experiment: str
    changes: dict[str, str] = field(default_factory=dict)  # to the book's parameters, as typed
    verify: bool = False  # compute beside the committed result, which stays as it is
    force: bool = False  # also if the result is fresh
    expected: float | None = None  # seconds, from the last time
    stages: Sequence[Stage] = ()  # the parts of the last run
    away: bool = False  # an experiment without tasks is handed out whole: its process only waits for it


@dataclass(frozen=True)
class HelpOut(Message):
    """Compute tasks of an experiment that another process runs, which has made this key."""

    experiment: str
    changes: dict[str, str]
    key: str


# -- of tasks


@dataclass(frozen=True)
class HandOut(Message):
    """From an experiment: its work is cut into tasks, and it waits for what to do about them."""

    what: str  # what a task is called
    calls: list[str]  # pickled, on which see lab.pickling


@dataclass(frozen=True)
class TaskOrder(Message):
    """To a helper or to the experiment's own process: compute a task."""

    call: str


@dataclass(frozen=True)
class TaskResult(Message):
    """From whoever computed it; and handed on to the experiment's own process."""

    result: str  # pickled
    seconds: float  # on one core
    helper: dict[
        str, Any
    ]  # its machine, its arithmetic, and all that it has read since it started; {} for the experiment's own


@dataclass(frozen=True)
class Failed(Message):
    """The worker gives up; of a task, from whoever computed it, handed on to the experiment's own process, which raises it."""

    error: str
    trace: str = ""
    exception: str = ""  # of a task, pickled; "" where there is none, as after a kill
    frames: list[str] = field(default_factory=list)  # of the traceback, without the lab's own


# -- from a worker


@dataclass(frozen=True)
class Waiting(Message):
    """Somebody else computes this result at the moment."""


@dataclass(frozen=True)
class Started(Message):
    """The computation begins; a helper has imported what it needs."""

    key: str
    spreads: bool = False  # whether it will cut its work into tasks


@dataclass(frozen=True)
class Progress(Message):
    """How far a loop is."""

    what: str
    done: int
    total: int | None
    task: int | None = None  # the number of the task that it is inside of, if it is


@dataclass(frozen=True)
class Done(Message):
    """The result is there."""

    seconds: float
    computed: bool  # False: it was there already


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
