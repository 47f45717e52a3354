"""Follows code from where it starts through all of a project that it can reach, and all that importing it does.

Nothing is imported.  Where a name cannot be told (a module handed on as a value, `globals()`), everything in the module counts.
What a name stands for is a statement, a whole module, or something outside the project.
At the top level of a module every statement counts that is not an import, a definition or a plain constant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from pathlib import Path

from lab.keys.outline import CLASS, DEF, RECORD, Unit
from lab.keys.sources import Sources
from lab.keys.uses import Chain

Place = tuple[str, int]  # module, and the number of a statement in it
WHOLE = -1  # in place of a statement: the module itself is handed on

# What may be used of the lab and changes no number; and what only carries numbers.
WITHOUT_EFFECT = ("lab.progress", "lab.tasks", "lab.compiled", "lab.device", "lab.stopwatch", "lab.lazy_torch")
CARRIERS = (
    *WITHOUT_EFFECT,
    *(f"lab.{room}" for room in ("keys", "results", "run", "workers", "dask", "cli")),
    *("lab.read", "lab.errors", "lab.pickling", "lab.duration", "press"),
)


@cache
def carries(module: str) -> bool:
    """Say whether a module only carries numbers."""
    return any(f"{module}.".startswith(f"{name}.") for name in CARRIERS)


@dataclass
class Target:
    """What a name turned out to be: a statement, a module, or something outside the project."""

    place: Place | None = None
    outside: str = ""  # in full: numpy.random, math.sqrt
    rest: Chain = field(default_factory=list)  # attributes after it
    name: str = ""  # which of the names that the statement binds, where it binds more than one


@dataclass
class Reached:
    """Everything that some code depends on."""

    places: set[Place] = field(default_factory=set)
    modules: dict[str, None] = field(default_factory=dict)  # imported on the way, reached or not, in order
    outside: set[str] = field(default_factory=set)
    experiments: set[str] = field(default_factory=set)  # handed on whole, by a chapter
    shells: set[Place] = field(default_factory=set)  # classes whose annotated fields do not count


class Reach:
    """One look at a project's code, which follows it; what is found is kept for the next question."""

    def __init__(self, root: Path, sources: Sources | None = None, *, chapters: bool = False):
        self.sources = sources or Sources(root)
        self.chapters = chapters  # an experiment handed on as a module stands for its result
        self.edges = cache(self._edges)
        self.acts = cache(self._acts)
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
        return reached

    def _acts(self, module: str) -> list[Place]:
        """Return the statements that always count where a module is imported."""
        found = None if carries(module) else self.sources.outline(module)
        return [place for index in range(len(found.units) if found else 0) if self._does(place := (module, index))]

    def _does(self, place: Place, inside: frozenset[Place] = frozenset()) -> bool:
        """Say whether importing a statement may change something elsewhere."""
        unit = self.unit(place)
        inside |= {place}

        def quiet(there: Place | None) -> bool:
            return there is None or there[1] == WHOLE or there in inside or not self._does(there, inside)

        def of_kind(chain: Chain, *kinds: str) -> bool:
            places = [target.place if not target.rest else None for target in self.resolve(place[0], chain)]
            return bool(places) and all(
                there and there[1] != WHOLE and self.unit(there).kind in kinds and quiet(there) for there in places
            )

        return (
            unit.acts
            or not all(of_kind(chain, RECORD) for chain in unit.calls)
            or not all(of_kind(chain, RECORD, CLASS) for chain in unit.bases)
            or not all(quiet(target.place) for chain in unit.operands for target in self.resolve(place[0], chain))
        )

    def trace(self, reached: Reached) -> list[Place]:
        """Return the reached statements whose order matters, in the order in which they run when all is imported.

        Of a module in which some statement acts, or a name is bound twice: all but definitions that compute nothing.
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
                plain = self.unit(place).kind == DEF and not self.unit(place).operands  # its defaults, decorators
                if place in acts or twice or (acts and not plain):
                    found.append(place)
            for _, name in loads:
                run(name)

        for module in list(reached.modules):
            run(module)
        return found

    def _spread(self, start: Iterable[Place], reached: Reached) -> None:
        todo = list(start)
        while todo:
            place = todo.pop()
            if place in reached.places:
                continue
            reached.places.add(place)
            for name in self.unit(place).loads if place[1] != WHOLE else ():
                self._load(name, reached)
            for target in self.targets(place):
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

    def _whole(self, module: str) -> list[Target]:
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
            if name in reached.modules:
                continue
            if (found := self.sources.outline(name)) is None:
                top = name.partition(".")[0]
                reached.outside |= {top} if self.sources.outline(top) is None else set()  # a library
                continue
            parent = name.rpartition(".")[0]
            if parent not in reached.modules and self.sources.outline(parent) is not None:
                todo += [name, parent]
                continue
            reached.modules[name] = None
            if not carries(name):
                todo += [inner for _, inner in reversed(found.loads)]

    def unit(self, place: Place) -> Unit:
        """Return the statement at a place."""
        found = self.sources.outline(place[0])
        assert found
        return found.units[place[1]]

    def find(self, module: str, name: str) -> list[Place]:
        """Return the statements of a module that bind a name."""
        return [(module, index) for index in self.sources.bound(module).get(name, ())]

    def _edges(self, place: Place) -> list[tuple[Chain, list[Target]]]:
        """Return what each name that a statement uses turned out to be, in the order in which they stand there."""
        return [(chain, self.resolve(place[0], chain)) for chain in self.unit(place).uses]

    def targets(self, place: Place) -> list[Target]:
        """Return what a statement uses, or everything that could be asked of a module that is handed on."""
        if place[1] == WHOLE:
            return self._whole(place[0])
        return [target for _, targets in self.edges(place) for target in targets]

    def resolve(self, module: str, chain: Chain, seen: frozenset[tuple[str, ...]] = frozenset()) -> list[Target]:
        """Return what a chain of names stands for in a module; nothing for a builtin."""
        mark = (module, *chain)
        if mark in seen:
            return []
        seen |= {mark}
        head, rest = chain[0], chain[1:]
        if head.startswith("@"):
            return self._walk(head[1:], rest, seen)
        found = self.sources.outline(module)
        assert found
        bound = [
            (self.unit(place).line, [Target(place, rest=rest, name=self._which(place, head))])
            for place in self.find(module, head)
        ]
        for line, alias in zip(found.lines.get(head, ()), found.aliases.get(head, ()), strict=True):
            bound.append((line, self._walk(alias[0][1:], [*alias[1:], *rest], seen)))
        for line, star in zip(found.lines.get("*", ()), found.stars, strict=True):
            bound.append((line, self._by_star(star, chain, seen)))
        bound.sort(key=itemgetter(0))  # the last one holds, so their order counts
        targets = [target for _, some in bound for target in some]
        inner = f"{module}.{head}"
        if not targets and self.sources.outline(inner) is not None:
            return self._walk(inner, rest, seen)  # importing a module binds it in its package
        return targets

    def _by_star(self, module: str, chain: Chain, seen: frozenset[tuple[str, ...]]) -> list[Target]:
        """Return what a chain of names stands for where a module's names are all imported."""
        if self.sources.outline(module) is None:
            return [Target(outside=".".join([module, *chain]))]
        targets = self.resolve(module, chain, seen)
        return [*targets, *(Target(place) for place in self.find(module, "__all__") if targets)]

    def _which(self, place: Place, name: str) -> str:
        """Return a name where its statement binds others as well: `A, B = 1, 2`, a block, a function with `global`."""
        unit = self.unit(place)
        return name if len({*unit.names, *unit.also}) > 1 else ""

    def _walk(self, module: str, rest: Chain, seen: frozenset[tuple[str, ...]]) -> list[Target]:
        found = self.sources.outline(module)
        if found is None or carries(module):
            return [Target(outside=".".join([module, *rest]))]
        if not rest:
            return [Target((module, WHOLE))]
        targets = self.resolve(module, rest, seen) if self._has(module, rest[0]) else []
        inner = f"{module}.{rest[0]}"
        if self.sources.outline(inner) is not None:
            targets += self._walk(inner, rest[1:], seen)
        if targets or (module, *rest) in seen:
            return targets
        return [Target((module, WHOLE), rest=rest)]  # set from elsewhere, or by __getattr__: anything

    def _has(self, module: str, name: str) -> bool:
        found = self.sources.outline(module)
        if found is None:
            return False
        bound = name in found.aliases or name in self.sources.bound(module)
        return bound or any(star != module and self._has(star, name) for star in found.stars)


def _experiment(target: Target) -> str:
    """Return the experiment that a chapter hands on as a module."""
    module, index = target.place or ("", 0)
    package, _, name = module.partition(".")
    return name if index == WHOLE and package == "experiments" and "." not in name and not target.rest else ""
