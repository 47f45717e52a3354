"""What a statement uses from outside itself, what it calls and changes when its module is imported, and what is refused."""

from __future__ import annotations

import ast

from lab.keys import refusals
from lab.keys.scopes import BUILTINS, Chain, Scopes


class Reader(Scopes):
    """Walks over one statement and notes what it uses."""

    def __init__(self, module: str, home: str, aliases: dict[str, list[Chain]], bound: set[str], *, builtins: bool):
        super().__init__(module, home, aliases, bound)
        self.builtins = BUILTINS if builtins else set()  # names that can stand for nothing else
        self.calls: list[ast.expr] = []  # on import
        self.stores = False  # whether importing it changes something in place
        self.refused: list[tuple[int, str]] = []

    def visit_Name(self, node: ast.Name) -> None:  # noqa: D102
        if isinstance(node.ctx, ast.Load) or (self.scopes and not self.scopes[-1][0]):
            self._use(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:  # noqa: D102
        root: ast.AST = node
        while isinstance(root, ast.Attribute):
            self._attribute(root, root.attr)
            root = root.value
        before = len(self.refused)
        if isinstance(root, ast.Name):
            self._use(node)
        else:
            self.visit(node.value)
        known = self.full(node) or (isinstance(root, ast.Name) and root.id == "self")
        if node.attr in refusals.CLOCKS and not known and len(self.refused) == before:
            self._refuse(node, f"{ast.unparse(node)} cannot be followed\n{refusals.REFUSED['time']}")
        self._store(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:  # noqa: D102
        self.generic_visit(node)
        self._store(node)

    def visit_Call(self, node: ast.Call) -> None:  # noqa: D102
        full = self.full(node.func)
        if full in ("globals", "vars", "dir", "locals") and not node.args and (full == "globals" or not self.later):
            self.uses.append([f"@{self.module}"])  # anything in the module
        if not self.later:
            self.calls.append(node.func)
        if full in refusals.NOW and any(
            isinstance(given, ast.Constant) and given.value in ("now", "today") for given in node.args
        ):
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
        hint = refusals.BUILTINS.get(full) or refusals.NAMES.get(full.partition(".")[0])
        for chain in found:
            hint = hint or (refusals.NAMES.get(chain[0]) if chain[0] not in self.bound else None)
        if hint:
            self._refuse(node, f"{ast.unparse(node)} cannot be followed\n{hint}")
        else:
            self._refuse_name(node, full)

    def _store(self, node: ast.Attribute | ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load) and not self.later:
            self.stores = True

    def _refuse_name(self, node: ast.AST, full: str) -> None:
        if why := refusals.refusal(full):
            self._refuse(node, why)

    def _refuse(self, node: ast.AST, why: str) -> None:
        self.refused.append((getattr(node, "lineno", 1), why))


def called(node: ast.expr) -> ast.expr:
    """Return what is called in the end by `f`, `f()` or `f()()`."""
    return called(node.func) if isinstance(node, ast.Call) else node
