"""Writes out what a statement means, and notes what it uses from outside itself, what it imports, and what in it is refused.

A use is a chain of names: ["mlp", "train"] for `mlp.train`.  One that an import inside a function brought begins with the
module in full, marked: ["@nets.mlp", "train"].  In doubt whether a name is the statement's own, it counts as a use.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from typing import Any

from lab.keys.refusals import ATTRIBUTES, UNSEEDED, UNSEEN_SEED, refusal
from lab.keys.syntax import Writer

Chain = list[str]
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_BUILTINS = set(dir(builtins))


def imported(node: ast.AST, home: str) -> Iterator[tuple[str, Chain, list[str]]]:
    """Yield for each import in a statement, outside functions and classes: name bound, what it is, modules imported."""
    for found in _inside(node):
        if isinstance(found, ast.Import):
            for alias in found.names:
                first = alias.name if alias.asname else alias.name.partition(".")[0]
                yield alias.asname or first, [f"@{first}"], [alias.name]
        elif isinstance(found, ast.ImportFrom) and found.module != "__future__":
            up = home.split(".")[: len(home.split(".")) - found.level + 1] if found.level else []
            module = ".".join([*up, *filter(None, [found.module])])
            for alias in found.names:
                # What is imported may be a module itself; if so, it is loaded as well.
                yield alias.asname or alias.name, [f"@{module}", alias.name], [module, f"{module}.{alias.name}"]


def made(node: ast.AST) -> set[str]:
    """Return the names that a statement binds where it stands."""
    found: set[str] = set()
    for item in _inside(node):
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(item.name)
        elif isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store | ast.Del):
            found.add(item.id)
        elif isinstance(item, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and item.name:
            found.add(item.name)
        elif isinstance(item, ast.MatchMapping) and item.rest:
            found.add(item.rest)
    return found


def declared(nodes: Iterable[ast.AST], kind: type[ast.Global | ast.Nonlocal]) -> set[str]:
    """Return the names that nodes declare to be another scope's."""
    return {name for node in nodes if isinstance(node, kind) for name in node.names}


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a statement's own nodes; of functions, classes and comprehensions in it only their names."""
    yield node
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        return
    for item in (inner for child in ast.iter_child_nodes(node) for inner in _inside(child)):
        if not isinstance(node, _COMPREHENSIONS):
            yield item
        elif isinstance(item, ast.NamedExpr):  # binds outside it
            yield item.target


class Reader(Writer):
    """Writes out one statement of a module, with @0, @1 ... for what it uses."""

    def __init__(self, module: str, home: str, imports: dict[str, list[Chain]], bound: set[str]):
        """`imports`: what the module's imports bind, stars as "*"; `bound`: the names that its statements bind."""
        self.module, self.home, self.imports, self.bound = module, home, imports, bound
        self.of_class: set[str] = set()  # names of classes that are being made, which shadow others
        self.uses: dict[tuple[str, ...], int] = {}
        self.loads: list[str] = []
        self.refused: list[tuple[int, str]] = []
        self._scopes: list[
            dict[str, list[Chain]]
        ] = []  # names of functions; those of imports, with what they stand for
        self._class: set[str] | None = None  # names of the class in whose body we are
        self._outside: set[int] = set()  # first iterables of comprehensions, which are evaluated outside

    def write(self, node: Any, annotated: bool = False) -> str:  # noqa: D102
        if isinstance(node, ast.Import | ast.ImportFrom):
            return self._import(node)
        if isinstance(node, ast.Attribute):
            self._attribute(node)
        if isinstance(node, ast.Name | ast.Attribute) and (chains := self.chains(node)):
            return self._use(node, chains)
        if isinstance(node, ast.Call):
            return self._call(node)
        return super().write(node, annotated)

    def part(self, node: ast.AST, name: str, value: Any, annotated: bool) -> str:  # noqa: D102
        scopes, of_class = self._scopes, self._class
        if isinstance(node, _FUNCTIONS) and name == "body":
            args = node.args
            given = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, [args.vararg, args.kwarg])]
            body = value if isinstance(value, list) else [value]
            self._scopes, self._class = [*scopes, self._locals(body, [arg.arg for arg in given])], None
        elif isinstance(node, ast.ClassDef) and name == "body":
            self._class = {bound for item in value for bound in made(item)}
        elif isinstance(node, _COMPREHENSIONS):
            targets = [generator.target for generator in node.generators]
            self._scopes, self._class = [*scopes, self._locals(targets)], None
            self._outside.add(id(node.generators[0].iter))
        elif isinstance(node, ast.comprehension) and id(value) in self._outside:
            self._scopes = scopes[:-1]
        text = super().part(node, name, value, annotated)
        self._scopes, self._class = scopes, of_class
        return text

    def _locals(self, nodes: Iterable[ast.AST], names: Iterable[str] = ()) -> dict[str, list[Chain]]:
        found: dict[str, list[Chain]] = {name: [] for name in names}
        inside = [item for node in nodes for item in _inside(node)]
        for node in nodes:
            found |= {name: [] for name in made(node)}
        for node in nodes:
            for name, target, _ in imported(node, self.home):
                found.setdefault(name, []).append(target)
        found |= {name: [[name]] for name in declared(inside, ast.Global)}
        return {name: chains for name, chains in found.items() if name not in declared(inside, ast.Nonlocal)}

    def _import(self, node: ast.Import | ast.ImportFrom) -> str:
        """Write out an import inside a function or a class."""
        shown = []
        for name, target, modules in imported(node, self.home):
            self.loads += modules
            local = self._class is None and self._scopes[-1].get(name) != [[name]] if self._scopes else False
            if isinstance(node, ast.Import) and local:
                shown.append(name)  # whatever is used of it counts where it is used
            else:
                whole = isinstance(node, ast.Import) or name == "*"
                shown.append(f"{name}={self._use(node, [[f'@{modules[0]}'] if whole else target])}")
        return f"Import({' '.join(shown)})"

    def chains(self, node: ast.AST) -> list[Chain]:
        """Return what `a.b.c` may stand for outside the statement; nothing if `a` is its own, or it is no such chain."""
        rest: list[str] = []
        while isinstance(node, ast.Attribute):
            rest.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return []
        found = next((names[node.id] for names in reversed(self._scopes) if node.id in names), [[node.id]])
        if not isinstance(node.ctx, ast.Load):
            found = [[node.id]] if self._scopes and self._class is None and found == [[node.id]] else []
        elif self._class is not None and [node.id] not in found:
            found = [*found, [node.id]]  # the class's own, or the module's
        return [[*chain, *rest] for chain in found]

    def full(self, node: ast.AST) -> list[str]:
        """Return all that a chain of names may be, in full: `np.load` is numpy.load; "" for the module's own and what is not known."""
        return [full for chain in self.chains(node) for full in self._full(chain)]

    def _full(self, chain: Chain) -> list[str]:
        head, *rest = chain
        targets = [[head]] if head.startswith("@") else self.imports.get(head, [])
        unknown = head in self.bound or head in self.of_class or not (targets or self._is_builtin(head))
        builtin = [["@builtins", head]] if head not in self.bound else []
        found = [".".join([*target, *rest])[1:] for target in targets or builtin]
        return [*found, ""] if unknown else found

    def _is_builtin(self, name: str) -> bool:
        return name in _BUILTINS and name not in self.bound and not self.imports.keys() & {name, "*"}

    def _use(self, node: ast.AST, chains: list[Chain]) -> str:
        for chain in chains:
            for full in self._full(chain) if chain[0] not in (self._class or ()) else ():
                if full in ("builtins.globals", "builtins.vars", "builtins.locals", "builtins.dir"):
                    self._refer([[f"@{self.module}"]])  # called here, or handed on: anything in the module
                if why := refusal(full):
                    self._refuse(node, f"{full.removeprefix('builtins.')} cannot be followed\n{why}")
        return self._refer(chains)

    def _refer(self, chains: list[Chain]) -> str:
        """Note what is used, and return what stands for it; of a builtin its name."""
        shown = []
        for chain in chains:
            builtin = self._is_builtin(chain[0])
            shown.append(".".join(chain) if builtin else f"@{self.uses.setdefault(tuple(chain), len(self.uses))}")
        return ",".join(shown)

    def _refuse(self, node: ast.AST, why: str) -> None:
        self.refused.append((getattr(node, "lineno", 1), why))

    def _attribute(self, node: ast.AST) -> None:
        while isinstance(node, ast.Attribute):
            self._refuse_attribute(node, node.attr)
            if node.attr == "__init_subclass__" and isinstance(node.ctx, ast.Store):
                self._refuse(node, f"{ast.unparse(node)} cannot be followed\nwrite it in the class")
            node = node.value

    def _refuse_attribute(self, node: ast.AST, name: str) -> None:
        if why := ATTRIBUTES.get(name):
            self._refuse(node, f"{name} cannot be followed\n{why}")

    def _call(self, node: ast.Call) -> str:
        full = self.full(node.func)
        seeds = isinstance(node.func, ast.Attribute) and node.func.attr == "seed"
        if (seeds or UNSEEDED & {*full}) and not node.args and not node.keywords:
            self._refuse(node, f"{ast.unparse(node)} cannot be followed\n{UNSEEN_SEED}")
        if full == ["pathlib.Path"] and [ast.unparse(given) for given in node.args] == ["__file__"]:
            return f"Call({self.write(node.func)} file)"  # where the project lies; what is read from there is recorded
        if full in (["builtins.getattr"], ["builtins.hasattr"]):
            match node.args:
                case [of, ast.Constant(str(name)), *others] if name.isidentifier():
                    self._refuse_attribute(node, name)
                    if chains := [[*chain, name] for chain in self.chains(of)]:
                        used = self._use(of, chains)
                        return f"Call({self.write(node.func)} {used} {self.write(others)} {self.write(node.keywords)})"
        return super().write(node)
