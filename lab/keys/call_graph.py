"""Follows code from where it starts through all of a project that it can reach, and all that importing it does.

Nothing is imported.  Where a name cannot be told (a module handed on as a value, `globals()`), everything in the module counts;
where even that would not do (`importlib`, `eval`), the code is refused with file and line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lab.keys.outline import Unit
from lab.keys.resolve import CARRIERS, WHOLE, Place, Resolver, Target
from lab.keys.sources import Sources
from lab.keys.statement_kinds import CLASS, FROZEN, LOOSE, VARIABLE


@dataclass
class Reached:
    """Everything that some code depends on."""

    places: set[Place] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)  # imported on the way, reached or not
    outside: set[str] = field(default_factory=set)
    experiments: set[str] = field(default_factory=set)  # handed on whole, by a chapter
    shells: set[Place] = field(default_factory=set)  # classes whose annotated fields do not count


class Reach(Resolver):
    """Follows code; what is found is kept for the next question."""

    def __init__(self, root: Path, sources: Sources | None = None, *, chapters: bool = False):
        super().__init__(root, sources)
        self.chapters = chapters  # an experiment handed on as a module stands for its result
        self._effects: dict[str, list[tuple[Place, bool, set[Place]]]] = {}

    def follow(self, start: Iterable[Place], module: str) -> Reached:
        """Return what statements of a module reach, with what importing the module does to it."""
        reached = Reached()
        self._load(module, reached)
        self._spread(start, reached)
        while True:
            todo = [
                place
                for name in sorted(reached.modules - CARRIERS)
                for place, always, touched in self.effects(name)
                if place not in reached.places and (always or touched & reached.places)
            ]
            if not todo:
                break
            self._spread(todo, reached)
        for name in reached.modules - CARRIERS:
            found = self.sources.outline(name)
            reached.outside |= {
                library for library in (found.unused if found else ()) if self.sources.outline(library) is None
            }
        return reached

    def effects(self, module: str) -> list[tuple[Place, bool, set[Place]]]:
        """Return the statements that do something when a module is imported, and to what; True: to anything at all."""
        if module not in self._effects:
            found = self.sources.outline(module)
            self._effects[module] = []
            for index, unit in enumerate(found.units if found else ()):
                always, touched = self._effect((module, index), unit)
                if always or touched:
                    self._effects[module].append(((module, index), always, touched))
        return self._effects[module]

    def _spread(self, start: Iterable[Place], reached: Reached) -> None:
        todo = list(start)
        while todo:
            place = todo.pop()
            if place in reached.places:
                continue
            reached.places.add(place)
            if place[1] == WHOLE:
                todo += self._whole(place[0], reached)
                continue
            for name in self.unit(place).loads:
                self._load(name, reached)
            for _, target in self.edges(place):
                todo += self._meet(target, reached)

    def _meet(self, target: Target, reached: Reached) -> list[Place]:
        if target.place is None:
            reached.outside.add(target.outside)
            return []
        self._load(target.place[0], reached)
        module, index = target.place
        if (
            self.chapters
            and index == WHOLE
            and module.count(".") == 1
            and module.startswith("experiments.")
            and not target.rest
        ):
            reached.experiments.add(module.partition(".")[2])
            return []
        return [target.place]

    def _whole(self, module: str, reached: Reached) -> list[Place]:
        """Return everything that a module's attributes could be."""
        found = self.sources.outline(module)
        assert found
        todo: list[Place] = [(module, index) for index in range(len(found.units))]
        for name in [*found.aliases, *(f"@{star}" for star in found.stars)]:
            for target in self.resolve(module, [name]):
                todo += self._meet(target, reached)
        for inner in self.sources.submodules(module):
            todo += self._meet(Target((inner, WHOLE)), reached)
        return todo

    def _load(self, module: str, reached: Reached) -> None:
        """Note a module and all that importing it imports."""
        todo = [module]
        while todo:
            name = todo.pop()
            parent = name.rpartition(".")[0]
            if parent and parent not in reached.modules:
                todo.append(parent)
            if name in reached.modules or (found := self.sources.outline(name)) is None:
                continue
            reached.modules.add(name)
            if name not in CARRIERS:
                todo += found.loads

    def _effect(self, place: Place, unit: Unit) -> tuple[bool, set[Place]]:
        """Return whether importing a statement may change anything at all, and else which statements' values."""
        module, loose = place[0], unit.kind == LOOSE and bool(unit.calls or unit.stores)
        always, touched = False, set[Place]()
        calls = [target for chain in unit.calls for target in self.resolve(module, chain)]
        bases = [target.place for chain in unit.bases for target in self.resolve(module, chain) if target.place]
        if any(self.unit(found).hooks for found in self._closure(bases)):
            calls += [Target(found) for found in bases]
        begun = [place] if loose else []  # whose code runs
        for target in calls:
            if target.place is None:
                always = always or unit.kind == LOOSE or _sets(target.outside)
                continue
            begun.append(target.place)
            if target.rest and (target.place[1] == WHOLE or self.unit(target.place).kind != CLASS):
                touched |= self._members(target.place)
        given = [chain for chain in unit.uses if chain not in unit.calls] if loose else unit.given
        for target in (target for chain in given for target in self.resolve(module, chain) if begun):
            if target.place and loose:
                touched |= self._members(target.place) | self._behind(target.place)
            elif target.place and target.place[1] != WHOLE and self.unit(target.place).kind == VARIABLE:
                touched.add(target.place)  # a function of ours may change what it is given
        ran = Reached()
        self._spread(begun, ran)
        always = always or any(map(_sets, ran.outside))
        changed = [(module, chain) for chain in unit.stores]
        for found in self._inside(ran):
            inner = self.unit(found)
            changed += [(found[0], chain) for chain in inner.changes]
            touched |= {bound for name in inner.also for bound in self.find(found[0], name)}
            touched |= {found} if inner.kind == VARIABLE else set()
        for home, chain in changed:
            for target in self.resolve(home, chain):
                if target.place is None:
                    always = True
                else:
                    touched |= self._members(target.place) | (self._behind(target.place) if target.rest else set())
        return always, touched - {place}

    def _members(self, place: Place) -> set[Place]:
        module, index = place
        found = self.sources.outline(module)
        return {place} if index != WHOLE or not found else {(module, number) for number in range(len(found.units))}

    def _behind(self, place: Place) -> set[Place]:
        """Return the classes and functions that a variable may stand for: an attribute set on it is set on them."""
        found, todo = set[Place](), [place]
        while todo:
            for target in self.targets(todo.pop()):
                if target.place and target.place[1] != WHOLE and target.place not in found:
                    found.add(target.place)
                    todo += [target.place] if self.unit(target.place).kind in (VARIABLE, FROZEN) else []
        return found if place[1] != WHOLE and self.unit(place).kind in (VARIABLE, FROZEN) else set()

    def _closure(self, start: Iterable[Place]) -> set[Place]:
        reached = Reached()
        self._spread(start, reached)
        return self._inside(reached)

    def _inside(self, reached: Reached) -> set[Place]:
        return {place for place in reached.places if place[1] != WHOLE}


_SETTERS = (
    "set_",
    "seterr",
    "setrecursionlimit",
    "seed",
    "manual_seed",
    "use_",
    "enable",
    "disable",
    "register",
    "filterw",
)


def _sets(dotted: str) -> bool:
    """Say whether a library's function is called for its effect rather than its value: numpy.seterr, torch.manual_seed."""
    return dotted.rpartition(".")[2].startswith(_SETTERS)
