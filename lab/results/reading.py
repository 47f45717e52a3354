"""From what lies on disk to an experiment's Result.  Never computes: a missing, stale or damaged result is an error."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from lab.errors import LabError, NoResult, few
from lab.keys import key as keys
from lab.keys.canonical_json import unpack
from lab.keys.experiments import Experiment
from lab.results import store
from lab.results.codec import PARAMS, decode, field_values
from lab.results.key_diff import changes
from press import reads

R = TypeVar("R")
SETTING = "LAB_SETTING"  # of the page that is being made, for its kernel: {"tanh_gain": {"depth": "200"}}


def fresh(wanted: keys.Key, root: Path) -> store.Stored:
    """Return the stored result with this key.  Raises NoResult: what is wanted, what there is, what to type."""
    present = reads.Present(root)
    try:
        place, there = store.find(root, wanted, present)
    except NoResult as error:
        raise NoResult(_message(wanted, str(error))) from None
    if not store.is_fresh(there, wanted, present):
        shown = few(changes(there, wanted, present), 3, "; ")
        has = f"{store.shown(place, root)} has key {there.key[:12]} of {there.provenance['date'][:10]}"
        raise NoResult(_message(wanted, f"{has}; since then: {shown}"))
    return there


def book_result(name: str, root: Path) -> store.Stored:
    """Return an experiment's result with the book's parameters.  Raises NoResult."""
    return fresh(keys.compute(name, root), root)


def own_changes(name: str) -> dict[str, str]:
    """Return the parameters, as typed, in which the page that is being made differs from the book: none, in the book itself."""
    found: dict[str, str] = json.loads(os.environ.get(SETTING, "{}")).get(name, {})
    return found


def page_result(name: str, root: Path) -> store.Stored:
    """Return what pages show of an experiment: the book's result, or that of the setting that `lab render --set` names."""
    return fresh(keys.compute(name, root, own_changes(name)), root)


def as_result(experiment: Experiment[R], stored: store.Stored) -> R:
    """Make the experiment's Result from what is stored; a Result with a field `params` has its parameters too."""
    name = stored.experiment
    try:
        params = _params(experiment, stored.params) if PARAMS in experiment.Result.__annotations__ else None
        found: R = decode(stored.numbers, stored.tables, experiment.Result, params)
    except (ValueError, TypeError, KeyError) as error:
        raise LabError(f"the result of {name} does not fit its Result: {error}\ntype: lab run {name} --force") from None
    return found


def what_is_there(experiment: Experiment[R], stored: store.Stored) -> R:
    """Make a Result of what is stored, whatever fields the experiment's has by now: one that is not there is an AttributeError."""
    found = object.__new__(experiment.Result)
    held = field_values(stored.numbers, stored.tables)
    if PARAMS in experiment.Result.__annotations__:
        held |= {PARAMS: _params(experiment, stored.params)}
    for name, value in held.items():
        object.__setattr__(found, name, value)  # Results are frozen
    return found


def _params(experiment: Any, packed: dict[str, Any]) -> Any:
    """Make the experiment's Params from what is stored, where a path is text and a tuple a list."""
    hints = get_type_hints(experiment.Params)
    return experiment.Params(**{name: _value(unpack(value), hints[name]) for name, value in packed.items()})


def _value(value: Any, kind: Any) -> Any:
    if not isinstance(value, tuple):
        return Path(value) if kind is Path else value
    first, *others = get_args(kind)
    kinds = [first] * len(value) if others == [Ellipsis] else [first, *others]
    return tuple(_value(item, each) for item, each in zip(value, kinds, strict=True))


def _message(wanted: keys.Key, there: str) -> str:
    command = f"lab run {wanted.experiment}" + ("" if wanted.book else " --set ... (the parameters in question)")
    return f"wanted the result of {wanted.experiment} with key {wanted.key[:12]}\n{there}\ntype: {command}"
