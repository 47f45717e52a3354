"""What a name in a module stands for: a statement, a whole module, or something outside the project."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lab.keys.outline import Chain, Unit
from lab.keys.sources import Sources

Place = tuple[str, int]  # module, and the number of a statement in it
WHOLE = -1  # in place of a statement: the module itself is handed on

# Parts of the lab that only carry numbers: nothing in them changes a result.
CARRIERS = (
    *(f"lab.{room}" for room in ("keys", "results", "run", "workers", "dask", "cli")),
    *(
        f"lab.{name}"
        for name in ("progress", "tasks", "compiled", "device", "stopwatch", "lazy_torch", "read", "errors")
    ),
    *("lab.pickling", "lab.duration", "press"),
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


class Resolver:
    """One look at a project's code; what is found about a statement is kept for the next question."""

    def __init__(self, root: Path, sources: Sources | None = None):
        self.sources = sources or Sources(root)
        self._edges: dict[Place, list[tuple[Chain, list[Target]]]] = {}

    def unit(self, place: Place) -> Unit:
        """Return the statement at a place."""
        found = self.sources.outline(place[0])
        assert found
        return found.units[place[1]]

    def find(self, module: str, name: str) -> list[Place]:
        """Return the statements of a module that bind a name."""
        return [(module, index) for index in self.sources.bound(module).get(name, ())]

    def edges(self, place: Place) -> list[tuple[Chain, list[Target]]]:
        """Return what each name that a statement uses turned out to be, in the order in which they stand there."""
        if place not in self._edges:
            self._edges[place] = [(chain, self.resolve(place[0], chain)) for chain in self.unit(place).uses]
        return self._edges[place]

    def targets(self, place: Place) -> list[Target]:
        """Return what a statement uses."""
        return [] if place[1] == WHOLE else [target for _, targets in self.edges(place) for target in targets]

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
        targets = [Target(place, rest=rest) for place in self.find(module, head)]
        for alias in found.aliases.get(head, ()):
            targets += self._walk(alias[0][1:], [*alias[1:], *rest], seen)
        if not targets:
            for star in found.stars:
                if self._has(star, head):
                    targets += self.resolve(star, chain, seen)
                    targets += [Target(place) for place in self.find(star, "__all__")]
                elif self.sources.outline(star) is None:
                    targets.append(Target(outside=".".join([star, *chain])))
        return targets

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
