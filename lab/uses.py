"""What a statement uses from outside itself: names, calls and changes on import, files, environment variables."""

from __future__ import annotations

import ast

from lab import outside
from lab.scopes import BUILTINS, Chain, Scopes


class Reader(Scopes):
    """Walks over one statement and notes what it uses."""

    def __init__(self, module: str, home: str, aliases: dict[str, list[Chain]], bound: set[str], *, builtins: bool):
        super().__init__(module, home, aliases, bound)
        self.builtins = BUILTINS if builtins else set()  # names that can stand for nothing else
        self.calls: list[Chain] = []
        self.stores: list[Chain] = []
        self.paths: list[str] = []
        self.files: list[str] = []
        self.variables: list[str] = []
        self.refused: list[tuple[int, str]] = []

    def visit_Name(self, node: ast.Name) -> None:  # noqa: D102
        if isinstance(node.ctx, ast.Load) or (self.scopes and not self.scopes[-1][0]):
            self._use(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:  # noqa: D102
        if node.attr in outside.ATTRIBUTES:
            self._refuse(node, f"{node.attr} cannot be followed\n{outside.ATTRIBUTES[node.attr]}")
        root: ast.AST = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name):
            self._use(node)
        else:
            self.visit(node.value)
        if not isinstance(node.ctx, ast.Load):
            self._store(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:  # noqa: D102
        if name := outside.variable(node, self.full):
            self.variables.append(name)
            return
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            self._store(node.value)

    def visit_Compare(self, node: ast.Compare) -> None:  # noqa: D102
        if name := outside.variable(node, self.full):
            self.variables.append(name)
        else:
            self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:  # noqa: D102
        text = isinstance(node.right, ast.JoinedStr) or (
            isinstance(node.right, ast.Constant) and isinstance(node.right.value, str)
        )
        if isinstance(node.op, ast.Div) and text:  # nothing but a path is divided by a text
            self._path(node.left, "a path", node)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:  # noqa: D102
        if isinstance(node.value, str) and outside.looks_like_a_path(node.value):
            self.paths.append(node.value)

    def visit_Call(self, node: ast.Call) -> None:  # noqa: D102
        if name := outside.variable(node, self.full):
            self.variables.append(name)
            for argument in node.args[1:]:
                self.visit(argument)
            return
        full = self.full(node.func)
        if full in ("globals", "vars", "dir", "locals") and not node.args and (full == "globals" or not self.later):
            self.uses.append([f"@{self.module}"])  # anything in the module
        if full in ("getattr", "hasattr") and len(node.args) >= 2 and isinstance(node.args[1], ast.Constant):
            chains = self.chains(node.args[0])
            self.uses += [[*chain, str(node.args[1].value)] for chain in chains]
            for argument in node.args[2:] if chains else node.args:
                self.visit(argument)
            return
        if full in ("setattr", "delattr") and node.args:
            self._store(node.args[0])
        if full == "pathlib.Path" and [ast.unparse(item) for item in node.args] == ["__file__"]:
            self.visit(node.func)  # where the project lies; that changes nothing, and what is read from there shows
            return
        if outside.reads(full) and node.args:
            self._path(node.args[0], full)
        if not self.later and isinstance(node.func, ast.Name | ast.Attribute):
            self.calls += self.chains(node.func) if full not in self.builtins else []
        self.generic_visit(node)

    def _path(self, node: ast.expr, reader: str, whole: ast.expr | None = None) -> None:
        """Note the file that a path names; refuse one that is put together from what is not a parameter."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.files.append(node.value)
            return
        called = {id(item.func) for item in ast.walk(node) if isinstance(item, ast.Call)}
        for item in ast.walk(node):
            written = isinstance(item, ast.Constant) and isinstance(item.value, str)
            if written or (isinstance(item, ast.Name) and id(item) not in called and self._stands_for(item.id)):
                shown = ast.unparse(whole) if whole else f"{reader}({ast.unparse(node)})"
                self._refuse(
                    node,
                    f"{shown} names a file in a way that cannot be followed\nmake the file a Path parameter: its content is then part of the key",
                )
                return

    def _use(self, node: ast.Name | ast.Attribute) -> None:
        found = self.chains(node)
        full = self.full(node)
        if full.partition(".")[0] not in self.builtins:
            self.uses += found
        hint = outside.BUILTINS.get(full) or outside.NAMES.get(full.partition(".")[0])
        for chain in found:
            hint = hint or (outside.NAMES.get(chain[0]) if chain[0] not in self.bound else None)
        why = f"{ast.unparse(node)} cannot be followed\n{hint}" if hint else outside.refusal(full)
        if why:
            self._refuse(node, why)

    def _store(self, node: ast.expr) -> None:
        while isinstance(node, ast.Subscript):
            node = node.value
        if isinstance(node, ast.Call) and self.full(node.func) in ("globals", "vars", "locals"):
            self.stores += self.chains(node.args[0]) if node.args else [[f"@{self.module}"]]
        if not self.later:
            self.stores += self.chains(node)

    def _refuse(self, node: ast.AST, why: str) -> None:
        self.refused.append((getattr(node, "lineno", 1), why))
