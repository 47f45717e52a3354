"""What a statement uses from outside itself, what it calls when its module is imported, and what is refused.

Which names are its own is told scope by scope.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from typing import Any

from lab.keys import refusals, syntax

Chain = list[str]
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
BUILTINS = set(dir(builtins))


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


def rebound(node: ast.AST) -> set[str]:
    """Return the names of the module that functions in a statement bind once they are called."""
    return {name for item in ast.walk(node) if isinstance(item, ast.Global) for name in item.names}


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a statement's own nodes; of functions, classes and comprehensions in it only their names."""
    yield node
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        return
    if isinstance(node, _COMPREHENSIONS):  # `:=` in one binds outside it
        for item in ast.walk(node):
            if isinstance(item, ast.NamedExpr):
                yield item.target
        return
    for child in ast.iter_child_nodes(node):
        yield from _inside(child)


class Reader(ast.NodeVisitor):
    """Walks over one statement and notes what it uses, knowing at each name whether it is local."""

    def __init__(self, module: str, home: str, aliases: dict[str, list[Chain]], made: set[str], *, builtins: bool):
        self.module, self.home, self.aliases = module, home, aliases
        self.made = set(made)  # names that the module's statements bind, and those of the classes in this one
        self.bound = made | set(aliases)
        self.scopes: list[
            tuple[bool, dict[str, list[Chain]]]
        ] = []  # of a class or not; local names, imported ones with what
        self.later = 0  # inside how many functions: what is there does not run on import
        self.uses: list[Chain] = []
        self.links: dict[
            int, list[Chain]
        ] = {}  # what a name or an import, by its node's id, stands for outside the statement
        self.loads: list[str] = []
        self.builtins = BUILTINS if builtins else set()  # names that can stand for nothing else
        self.calls: list[ast.expr] = []  # on import
        self.bases: list[ast.expr] = []  # of classes that are made on import
        self.refused: list[tuple[int, str]] = []

    def visit_Name(self, node: ast.Name) -> None:  # noqa: D102
        if isinstance(node.ctx, ast.Load) or (self.scopes and not self.scopes[-1][0]):
            self._use(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:  # noqa: D102
        root: ast.AST = node
        while isinstance(root, ast.Attribute):
            self._attribute(root, root.attr)
            root = root.value
        if isinstance(node.ctx, ast.Store) and node.attr == "__init_subclass__":
            self._refuse(node, f"{ast.unparse(node)} cannot be followed\nwrite it in the class")
        before = len(self.refused)
        if isinstance(root, ast.Name):
            self._use(node)
        else:
            self.visit(node.value)
        known = self.full(node) or (isinstance(root, ast.Name) and root.id == "self")
        if node.attr in refusals.CLOCKS and not known and len(self.refused) == before:
            self._refuse(node, f"{ast.unparse(node)} cannot be followed\n{refusals.REFUSED['time']}")

    def visit_Call(self, node: ast.Call) -> None:  # noqa: D102
        full = self.full(node.func)
        if full in ("vars", "dir", "locals") and not node.args and not self.later:
            self.uses.append([f"@{self.module}"])  # anything in the module
        if not self.later:
            self.calls.append(node.func)
        texts = [given.value for given in node.args if isinstance(given, ast.Constant)]
        put_together = full == "getattr" and any(not isinstance(given, ast.Constant) for given in node.args[1:2])
        by_name = put_together and self.full(node.args[0]) in refusals.CLOCK_TYPES
        if by_name or (full in refusals.NOW and {"now", "today"} & set(texts)):
            self._refuse(node, f"{ast.unparse(node)} cannot be followed\n{refusals.REFUSED['time']}")
        seeds = isinstance(node.func, ast.Attribute) and node.func.attr == "seed"
        if (full in refusals.UNSEEDED or seeds) and not node.args and not node.keywords:
            full = full or ast.unparse(node.func)
            self._refuse(node, f"{full}() cannot be followed\n{refusals.REFUSED['secrets']}")
        if full in ("getattr", "hasattr") and len(node.args) >= 2 and isinstance(node.args[1], ast.Constant):
            chains = [[*chain, str(node.args[1].value)] for chain in self.chains(node.args[0])]
            self._attribute(node, str(node.args[1].value))
            self.uses += chains
            self._refuse_name(node, ".".join(filter(None, [self.full(node.args[0]), str(node.args[1].value)])))
            for argument in node.args[2:] if chains else node.args:
                self.visit(argument)
            return
        if full == "pathlib.Path" and [ast.unparse(item) for item in node.args] == ["__file__"]:
            self.visit(
                node.func
            )  # where the project lies; that changes nothing, and what is read from there is recorded
            return
        if self.full(called(node.func)) == "dataclasses.dataclass" and node.args:
            self._refuse(node, f"{ast.unparse(node)} cannot be followed\nwrite @dataclass above the class")
        self.generic_visit(node)

    def _attribute(self, node: ast.AST, name: str) -> None:
        if name in refusals.ATTRIBUTES:
            self._refuse(node, f"{name} cannot be followed\n{refusals.ATTRIBUTES[name]}")

    def _use(self, node: ast.Name | ast.Attribute) -> None:
        found = self.chains(node)
        full = self.full(node).removeprefix("builtins.")
        if full.partition(".")[0] not in self.builtins:
            self.link(node, found)
        if full == "globals":  # called here, or handed on
            self.uses.append([f"@{self.module}"])
        hint = refusals.BUILTINS.get(full) or refusals.NAMES.get(full.partition(".")[0])
        for chain in found:
            hint = hint or (refusals.NAMES.get(chain[0]) if chain[0] not in self.bound else None)
        if hint:
            self._refuse(node, f"{ast.unparse(node)} cannot be followed\n{hint}")
        else:
            self._refuse_name(node, full)

    def _refuse_name(self, node: ast.AST, full: str) -> None:
        if why := refusals.refusal(full):
            self._refuse(node, why)

    def _refuse(self, node: ast.AST, why: str) -> None:
        self.refused.append((getattr(node, "lineno", 1), why))

    def link(self, node: ast.AST, chains: list[Chain]) -> None:
        """Note what a node stands for."""
        self.uses += chains
        if chains:
            self.links[id(node)] = chains

    def chains(self, node: ast.AST) -> list[Chain]:
        """Return what `a.b.c` stands for outside the statement; nothing if `a` is local, or it is no such chain."""
        rest: list[str] = []
        while isinstance(node, ast.Attribute):
            rest.insert(0, node.attr)
            node = node.value
        return [[*chain, *rest] for chain in self._stands_for(node.id)] if isinstance(node, ast.Name) else []

    def full(self, node: ast.AST) -> str:
        """Return a name in full: `np.load` is numpy.load; "" if it is local or of this module."""
        for chain in self.chains(node) if isinstance(node, ast.Name | ast.Attribute) else []:
            targets = self.aliases.get(chain[0], [[chain[0]]])
            if targets[0][0].startswith("@"):
                return ".".join([targets[0][0][1:], *targets[0][1:], *chain[1:]])
            if chain[0] in BUILTINS and chain[0] not in self.bound:
                return ".".join(chain)
        return ""

    def is_sole(self, node: ast.AST) -> bool:
        """Say whether what `full` tells is all that a name can be: no statement, star or other import binds it as well."""
        while isinstance(node, ast.Attribute):
            node = node.value
        name = node.id if isinstance(node, ast.Name) else ""
        targets = self.aliases.get(name, [])
        starless = bool(self.builtins)
        return starless and name not in self.made and all(target == targets[0] for target in targets)

    def _stands_for(self, name: str) -> list[Chain]:
        for depth, (of_class, names) in enumerate(reversed(self.scopes)):
            if name in names and (not of_class or depth == 0):
                return [*names[name], [name]] if of_class else names[name]
        return [[name]]

    def _within(self, nodes: Iterable[ast.AST], names: dict[str, list[Chain]], *, of_class: bool = False) -> None:
        self.scopes.append((of_class, names))
        self.later += not of_class
        for node in nodes:
            self.visit(node)
        self.later -= not of_class
        self.scopes.pop()

    def _locals(
        self, nodes: Iterable[ast.AST], names: Iterable[str] = (), *, of_class: bool = False
    ) -> dict[str, list[Chain]]:
        found: dict[str, list[Chain]] = {name: [] for name in names}
        nodes = list(nodes)
        shared = {
            name for node in nodes for item in _inside(node) if isinstance(item, ast.Global) for name in item.names
        }
        for node in nodes:
            found |= {name: [] for name in made(node)}
        for node in nodes:
            for name, target, modules in imported(node, self.home):
                self.loads += modules
                found.setdefault(name, []).append(target)
                if name == "*":
                    self.uses.append(target[:1])
                elif (of_class or name in shared) and not isinstance(node, ast.ImportFrom):
                    self.uses += [[f"@{module}"] for module in modules]  # others may ask it for anything
            if isinstance(node, ast.ImportFrom) and node.names[0].name != "*":
                self.link(node, [target for _, target, _ in imported(node, self.home)])
            for item in _inside(node):
                if isinstance(item, ast.Global):
                    found |= {name: [[name]] for name in item.names}
                elif isinstance(item, ast.Nonlocal):
                    for name in item.names:
                        found.pop(name, None)
        return found

    def visit_FunctionDef(self, node: Any) -> None:  # noqa: D102
        self._decorators(getattr(node, "decorator_list", []))
        arguments = node.args
        for default in [*arguments.defaults, *filter(None, arguments.kw_defaults)]:
            self.visit(default)
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        for annotation in [arg.annotation for arg in given if arg] if syntax.reads_annotations(node) else []:
            self.visit(annotation or ast.Pass())
        body = node.body if isinstance(node.body, list) else [node.body]
        self._within(body, self._locals(body, [arg.arg for arg in given if arg]))

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:  # noqa: D102
        self._decorators(node.decorator_list)
        for item in [*node.bases, *node.keywords]:
            self.visit(item)
        self.bases += [] if self.later else node.bases
        self.made |= set() if self.later else {name for item in node.body for name in made(item)}
        self._within(node.body, self._locals(node.body, of_class=True), of_class=True)

    def _decorators(self, nodes: list[ast.expr]) -> None:
        for item in nodes:
            self.visit(item)
        self.calls += [] if self.later else map(called, nodes)

    def _comprehension(self, node: Any) -> None:
        first, *others = node.generators
        self.visit(first.iter)
        targets = [generator.target for generator in node.generators]
        names = self._locals(targets)
        self.scopes.append((False, names))  # it runs here and now, so `later` stays
        for generator in others:
            self.visit(generator.iter)
        inner = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for item in [*(test for generator in node.generators for test in generator.ifs), *inner]:
            self.visit(item)
        self.scopes.pop()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:  # noqa: D102
        self.visit(node.target)
        if node.value:
            self.visit(node.value)


def called(node: ast.expr) -> ast.expr:
    """Return what is called in the end by `f`, `f()` or `f()()`."""
    return called(node.func) if isinstance(node, ast.Call) else node
