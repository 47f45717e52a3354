"""What reached code comes to: its form as a hash, and what it consists of by name; the libraries that it uses; what is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from lab.errors import Refused
from lab.keys.call_graph import WHOLE, WITHOUT_EFFECT, Place, Reach, Reached, Target, carries
from lab.keys.canonical_json import digest
from lab.keys.refusals import refusal
from lab.keys.syntax import short

_NUMBERS = ("lab.claims", "lab.estimate", "lab.progress", "lab.tasks", "lab.stopwatch")


def libraries(outside: Iterable[str]) -> set[str]:
    """Return the libraries (by import name) among names from outside the project, without Python's own."""
    tops = {name.partition(".")[0] for name in outside}
    return {top for top in tops if top not in sys.stdlib_module_names and top not in ("lab", "press", "__main__")}


def refuse(reach: Reach, reached: Reached) -> None:
    """Raise Refused for the first piece of reached code that cannot be followed."""
    for place in sorted(place for place in reached.places if place[1] != WHOLE):
        unit, file = reach.unit(place), reach.sources.label(place[0])
        if unit.refused:
            line, refused = unit.refused[0]
            raise Refused(f"{file}:{line}: {refused}")
        for target in reach.targets(place):
            if why := refusal(target.outside):  # by way of another module's name for it
                raise Refused(f"{file}:{unit.line}: {target.outside} cannot be followed\n{why}")
            if carries(target.outside) and not target.outside.startswith(WITHOUT_EFFECT):
                hint = f"an experiment needs from the lab only {', '.join(_NUMBERS[:-1])} and {_NUMBERS[-1]}"
                raise Refused(f"{file}:{unit.line}: {target.outside} cannot be followed\n{hint}")


def form(reach: Reach, reached: Reached, start: Sequence[Place]) -> str:
    """Return the hash of the code's form: every statement, and which other statement each name in it stands for.

    Statements are numbered as they are met on the way from `start`, so the names of modules and what they are called there do
    not show: a function that moved, or a module that was renamed, leaves it as it was.  Of a statement that binds several names it
    shows which one is meant.
    """
    trace = reach.trace(reached)
    numbers: dict[Place, int] = {}
    shown: list[Any] = []
    todo = [*(step for step in reversed(trace) if isinstance(step, tuple)), *reversed(start)]
    while todo:
        place = todo.pop()
        if place in numbers or place not in reached.places:
            continue
        numbers[place] = len(numbers)
        todo += [target.place for target in reversed(reach.targets(place)) if target.place]

    def number(target: Target) -> str:
        if target.place is None:
            return target.outside
        known = numbers.get(target.place)  # None: an experiment, in a chapter
        which = f":{target.name}" if target.name else ""
        return ".".join([f"{target.place[0] if known is None else known}{which}", *target.rest])

    for place in numbers:
        if place[1] == WHOLE:
            shown.append(["*", _names(reach, place[0]), *map(number, reach.targets(place))])
            continue
        unit = reach.unit(place)
        links = [[number(target) for target in targets] or ".".join(chain) for chain, targets in reach.edges(place)]
        shown.append([unit.shell if place in reached.shells else unit.hash, *links])
    return digest([shown, [numbers[step] if isinstance(step, tuple) else step for step in trace]])


def code_by_name(reach: Reach, reached: Reached) -> tuple[dict[str, str], dict[str, str]]:
    """Return what each reached definition is, and the text of short constants, by name ("nets/mlp.py: train").

    What it is: the hash of its syntax, and the hash of what the names in it are called where they stand.
    """
    hashes: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for place in sorted(place for place in reached.places if place[1] != WHOLE):
        unit = reach.unit(place)
        name = label(reach, place)
        links = [[_label(reach, target) for target in targets] for _, targets in reach.edges(place)]
        own = unit.shell if place in reached.shells else unit.hash
        hashes.setdefault(name, []).append(f"{own} {short(repr(links))}")
        if unit.text:
            texts[name] = unit.text
    return {name: " ".join(found) for name, found in hashes.items()}, texts


def label(reach: Reach, place: Place) -> str:
    """Return what people call a statement."""
    module, index = place
    names = ["everything"] if index == WHOLE else reach.unit(place).names
    return f"{reach.sources.label(module)}: {', '.join(names) or 'what importing it does'}"


def _label(reach: Reach, target: Target) -> str:
    return ".".join(filter(None, [label(reach, target.place), target.name])) if target.place else target.outside


def _names(reach: Reach, module: str) -> list[str]:
    """Return the names that a module's imports bind, and its submodules': what its attributes can be asked for as."""
    found = reach.sources.outline(module)
    assert found
    return [*found.imports, *(name.rpartition(".")[2] for name in reach.sources.submodules(module))]
