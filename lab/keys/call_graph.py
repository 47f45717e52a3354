"""Follows code from where it starts through all of a project that it can reach, and all that importing it does.

Nothing is imported.  Where a name cannot be told (a module handed on as a value, `globals()`), everything in the module counts.
At the top level of a module every statement counts that is not an import, a definition or a plain constant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lab.keys.resolve import WHOLE, Place, Resolver, Target, carries
from lab.keys.sources import Sources
from lab.keys.statement_kinds import DEF


@dataclass
class Reached:
    """Everything that some code depends on."""

    places: set[Place] = field(default_factory=set)
    modules: dict[str, None] = field(default_factory=dict)  # imported on the way, reached or not, in order
    outside: set[str] = field(default_factory=set)
    experiments: set[str] = field(default_factory=set)  # handed on whole, by a chapter
    shells: set[Place] = field(default_factory=set)  # classes whose annotated fields do not count


class Reach(Resolver):
    """Follows code; what is found is kept for the next question."""

    def __init__(self, root: Path, sources: Sources | None = None, *, chapters: bool = False):
        super().__init__(root, sources)
        self.chapters = chapters  # an experiment handed on as a module stands for its result
        self._acts: dict[str, list[Place]] = {}
        self.kept: dict[str, object] = {}  # what others found by this look: keys of experiments

    def follow(self, start: Iterable[Place], module: str) -> Reached:
        """Return what statements of a module reach, with what importing the module does."""
        reached = Reached()
        self._load(module, reached)
        self._spread(start, reached)
        done = 0
        while done < len(reached.modules):
            name = list(reached.modules)[done]
            self._spread(self.acts(name), reached)
            done += 1
        for name in reached.modules:
            found = self.sources.outline(name)
            unused = found.unused if found and not carries(name) else ()
            reached.outside |= {library for library in unused if self.sources.outline(library) is None}
        return reached

    def acts(self, module: str) -> list[Place]:
        """Return the statements that may change something when a module is imported."""
        if module not in self._acts:
            found = None if carries(module) else self.sources.outline(module)
            places = [(module, index) for index in range(len(found.units) if found else 0)]
            self._acts[module] = [place for place in places if self._does(place)]
        return self._acts[module]

    def _does(self, place: Place) -> bool:
        """Say whether importing a statement may change something elsewhere."""
        unit = self.unit(place)
        called = [self.resolve(place[0], chain) for chain in unit.calls]
        return (
            unit.acts
            or self._hooked(place, set())
            or not all(targets and all(map(self._inert, targets)) for targets in called)
        )

    def _inert(self, target: Target) -> bool:
        """Say whether what is called is a class of the project that runs no code of its own for that, nor do its bases."""
        if target.place is None or target.rest or target.place[1] == WHOLE:
            return False
        unit = self.unit(target.place)
        bases = [base for chain in unit.bases for base in self.resolve(target.place[0], chain)]
        return unit.inert and all(base.outside.startswith("typing.") or self._inert(base) for base in bases)

    def trace(self, reached: Reached) -> list[Place]:
        """Return the reached statements whose order matters, in the order in which they run when all is imported.

        Of a module in which some statement acts, or a name is bound twice: all but the definitions.
        """
        found: list[Place] = []
        seen: set[str] = set()

        def run(module: str) -> None:
            if module in seen or module not in reached.modules or (outline := self.sources.outline(module)) is None:
                return
            seen.add(module)
            run(module.rpartition(".")[0])
            places = [(module, index) for index in range(len(outline.units)) if (module, index) in reached.places]
            acts = set(self.acts(module))
            twice = len({name for place in places for name in self.unit(place).names}) < sum(
                len(self.unit(place).names) for place in places
            )
            loads = list(outline.loads)
            for place in places:
                while loads and loads[0][0] <= place[1]:
                    run(loads.pop(0)[1])
                if place in acts or twice or (acts and self.unit(place).kind != DEF):
                    found.append(place)
            for _, name in loads:
                run(name)

        for module in list(reached.modules):
            run(module)
        return found

    def _hooked(self, place: Place, seen: set[Place]) -> bool:
        """Say whether defining a class does something: it, or what it is derived from, has a hook for that."""
        if place in seen:
            return False
        seen.add(place)
        unit = self.unit(place)
        bases = [target.place for chain in unit.bases for target in self.resolve(place[0], chain) if target.place]
        return unit.hooks or any(base[1] != WHOLE and self._hooked(base, seen) for base in bases)

    def _spread(self, start: Iterable[Place], reached: Reached) -> None:
        todo = list(start)
        while todo:
            place = todo.pop()
            if place in reached.places:
                continue
            reached.places.add(place)
            if place[1] == WHOLE:
                targets = self.whole(place[0])
            else:
                for name in self.unit(place).loads:
                    self._load(name, reached)
                targets = self.targets(place)
            for target in targets:
                todo += self._meet(target, reached)

    def _meet(self, target: Target, reached: Reached) -> list[Place]:
        if target.place is None:
            reached.outside.add(target.outside)
            return []
        self._load(target.place[0], reached)
        if self.chapters and (name := _experiment(target)):
            reached.experiments.add(name)
            return []
        return [target.place]

    def whole(self, module: str) -> list[Target]:
        """Return everything that a module's attributes could be."""
        found = self.sources.outline(module)
        assert found
        names = [*found.aliases, *(f"@{star}" for star in found.stars)]
        return [
            *(Target((module, index)) for index in range(len(found.units))),
            *(target for name in names for target in self.resolve(module, [name])),
            *(Target((inner, WHOLE)) for inner in self.sources.submodules(module)),
        ]

    def _load(self, module: str, reached: Reached) -> None:
        """Note a module and all that importing it imports, each before what comes after it."""
        todo = [] if module in reached.modules else [module]
        while todo:
            name = todo.pop()
            if name in reached.modules or (found := self.sources.outline(name)) is None:
                continue
            parent = name.rpartition(".")[0]
            if parent not in reached.modules and self.sources.outline(parent) is not None:
                todo += [name, parent]
                continue
            reached.modules[name] = None
            if not carries(name):
                todo += [inner for _, inner in reversed(found.loads)]


def _experiment(target: Target) -> str:
    """Return the experiment that a chapter hands on as a module."""
    module, index = target.place or ("", 0)
    package, _, name = module.partition(".")
    return name if index == WHOLE and package == "experiments" and "." not in name and not target.rest else ""
