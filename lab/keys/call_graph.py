"""Follows code from where it starts through all of a project that it can reach, and all that importing it does.

Nothing is imported.  Where a name cannot be told (a module handed on as a value, `globals()`), everything in the module counts.
What a name stands for is a statement, a whole module, or something outside the project.
At the top level of a module every statement counts that is not an import, a definition or a plain constant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from lab.keys.outline import ACTS, DEF, Unit
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


class Target(NamedTuple):
    """What a name turned out to be: a statement, a module, or something outside the project."""

    place: Place | None = None
    outside: str = ""  # in full: numpy.random, math.sqrt
    rest: tuple[str, ...] = ()  # attributes after it
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
        todo = [*self._load(module, reached), *start]
        while todo:
            place = todo.pop()
            if place in reached.places:
                continue
            reached.places.add(place)
            for name in self.unit(place).loads if place[1] != WHOLE else ():
                todo += self._load(name, reached)
            for target in self.targets(place):
                if target.place is None:
                    reached.outside.add(target.outside)
                    continue
                todo += self._load(target.place[0], reached)
                if self.chapters and (name := _experiment(target)):
                    reached.experiments.add(name)
                else:
                    todo.append(target.place)
        return reached

    def _load(self, module: str, reached: Reached) -> list[Place]:
        """Note a module and all that importing it imports, each before what comes after it; return what they do."""
        found, todo = [], [module]
        while todo:
            name = todo.pop()
            if name in reached.modules:
                continue
            parent = name.rpartition(".")[0]
            if (outline := self.sources.outline(name)) is None:
                top = name.partition(".")[0]
                reached.outside |= {top} if self.sources.outline(top) is None else set()  # a library
            elif parent not in reached.modules and self.sources.outline(parent) is not None:
                todo += [name, parent]
            else:
                reached.modules[name] = None
                found += self.acts(name)
                todo += [inner for _, inner in reversed(outline.loads)] if not carries(name) else []
        return found

    def _acts(self, module: str) -> list[Place]:
        """Return the statements that always count where a module is imported."""
        found = None if carries(module) else self.sources.outline(module)
        return [place for index in range(len(found.units) if found else 0) if self._does(place := (module, index))]

    def _does(self, place: Place) -> bool:
        """Say whether importing a statement may change something elsewhere."""
        seen, todo = {place}, [place]
        while todo:
            here = todo.pop()
            for kind, chain in self.unit(here).rests:
                targets = self.resolve(here[0], chain) if kind != ACTS else []
                if kind and not targets:
                    return True
                for target in targets:
                    there = target.place
                    if there is None and not kind:
                        continue  # a library's value
                    if there is None or there[1] == WHOLE or target.rest or not self.unit(there).kind.startswith(kind):
                        return True
                    todo += [there] if there not in seen else []
                    seen.add(there)
        return False

    def trace(self, reached: Reached) -> list[Place | str]:
        """Return what has to run in this order when all is imported: reached statements, and imports of names that are bound again.

        Of a module in which some statement acts: all but definitions that compute nothing; of others, what computes with something.
        """
        found: list[Place | str] = []
        seen: set[str] = set()

        def run(module: str) -> None:
            if module in seen or module not in reached.modules or (outline := self.sources.outline(module)) is None:
                return
            seen.add(module)
            run(module.rpartition(".")[0])
            places = [(module, index) for index in range(len(outline.units)) if (module, index) in reached.places]
            bound = Counter(name for place in places for name in self.unit(place).names)
            bound.update({name: len(brought) for name, brought in outline.imports.items()})
            again = {name for name, count in bound.items() if count > 1}
            steps: list[tuple[float, str, Place | str]] = [(where, loaded, "") for where, loaded in outline.loads]
            steps += [(where, "", name) for name in sorted(again) for where, _ in outline.imports.get(name, ())]
            for place in places:
                unit = self.unit(place)
                ordered = unit.kind != DEF and (self.acts(module) or unit.rests)
                if ordered or place in self.acts(module) or again & {*unit.names}:
                    steps.append((place[1] + 0.5, "", place))
            for _, loaded, step in sorted(steps, key=itemgetter(0)):
                run(loaded) if loaded else found.append(step)

        for module in list(reached.modules):
            run(module)
        return found

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
        module, index = place
        if index != WHOLE:
            return [target for _, targets in self.edges(place) for target in targets]
        found = self.sources.outline(module)
        assert found
        return [
            *(Target((module, index)) for index in range(len(found.units))),
            *(target for chains in found.imports.values() for _, chain in chains for target in self._import(chain)),
            *(Target((inner, WHOLE)) for inner in self.sources.submodules(module)),
        ]

    def resolve(self, module: str, chain: Chain, seen: frozenset[tuple[str, ...]] = frozenset()) -> list[Target]:
        """Return what a chain of names stands for in a module; nothing for a builtin."""
        head, *rest = chain
        if head.startswith("@"):
            return self._import(chain, seen)
        found = self.sources.outline(module)
        mark = (module, *chain)
        if found is None or mark in seen:
            return []
        seen |= {mark}
        bound = [(place[1] + 0.5, [self._bound(place, head, rest)]) for place in self.find(module, head)]
        for where, brought in found.imports.get(head, ()):
            bound.append((where, self._import([*brought, *rest], seen)))
        for where, (star, _) in found.imports.get("*", ()):
            bound.append((where, self._by_star(star, chain, seen)))
        bound.sort(key=itemgetter(0))  # the last one holds, so their order counts
        if self.sources.outline(f"{module}.{head}") is not None:  # importing a module binds it in its package
            bound.append((0, self._import([f"@{module}.{head}", *rest], seen)))
        return [target for _, targets in bound for target in targets]

    def _bound(self, place: Place, name: str, rest: Chain) -> Target:
        """Return a statement, with the name that is meant where it binds others too: `A, B = 1, 2`, a block, `global`."""
        alone = len({*self.unit(place).names, *self.unit(place).also}) == 1
        return Target(place, rest=tuple(rest), name="" if alone else name)

    def _by_star(self, module: str, chain: Chain, seen: frozenset[tuple[str, ...]]) -> list[Target]:
        """Return what a chain of names stands for where a module's names are all imported."""
        if self.sources.outline(module[1:]) is None:
            return [Target(outside=".".join([module[1:], *chain]))]
        targets = self.resolve(module[1:], chain, seen)
        return [*targets, *(self.resolve(module[1:], ["__all__"], seen) if targets else [])]

    def _import(self, chain: Chain, seen: frozenset[tuple[str, ...]] = frozenset()) -> list[Target]:
        """Return what a module is, or a chain of names in it: ["@nets.mlp", "train"]."""
        module, rest = chain[0][1:], chain[1:]
        if self.sources.outline(module) is None or carries(module):
            return [Target(outside=".".join([module, *rest]))]
        if not rest or rest == ["*"]:
            return [Target((module, WHOLE))]
        targets = self.resolve(module, rest, seen)
        anything = Target((module, WHOLE), rest=tuple(rest))  # set from elsewhere, or by __getattr__
        return targets or ([anything] if (module, *rest) not in seen else [])


def _experiment(target: Target) -> str:
    """Return the experiment that a chapter hands on as a module."""
    module, index = target.place or ("", 0)
    package, _, name = module.partition(".")
    return name if index == WHOLE and package == "experiments" and "." not in name and not target.rest else ""
