"""What a statement uses from outside itself: names, calls and changes on import, files, environment variables."""

from __future__ import annotations

import ast

from lab.keys import refusals
from lab.keys.scopes import BUILTINS, Chain, Scopes


class Reader(Scopes):
    """Walks over one statement and notes what it uses."""

    def __init__(self, module: str, home: str, aliases: dict[str, list[Chain]], bound: set[str], *, builtins: bool):
        super().__init__(module, home, aliases, bound)
        self.builtins = BUILTINS if builtins else set()  # names that can stand for nothing else
        self.calls: list[Chain] = []
        self.given: list[Chain] = []
        self.stores: list[Chain] = []
        self.changes: list[Chain] = []  # the same inside functions
        self.paths: list[str] = []
        self.files: list[str] = []
        self.variables: list[str] = []
        self.reads = False
        self.builds: list[tuple[int, str]] = []
        self.refused: list[tuple[int, str]] = []

    def visit_Name(self, node: ast.Name) -> None:  # noqa: D102
        if isinstance(node.ctx, ast.Load) or (self.scopes and not self.scopes[-1][0]):
            self._use(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:  # noqa: D102
        if node.attr in refusals.OPENERS:
            self.reads = True
            if refusals.leaves(node.value):
                self._refuse(node, f"{ast.unparse(node)} {refusals.ELSEWHERE}")
        root: ast.AST = node
        while isinstance(root, ast.Attribute):
            self._attribute(root, root.attr)
            root = root.value
        if isinstance(root, ast.Name):
            self._use(node)
        else:
            self.visit(node.value)
        if not isinstance(node.ctx, ast.Load):
            self._store(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:  # noqa: D102
        if name := refusals.variable(node, self.full):
            self.variables.append(name)
            return
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            self._store(node.value)

    def visit_Compare(self, node: ast.Compare) -> None:  # noqa: D102
        if name := refusals.variable(node, self.full):
            self.variables.append(name)
        else:
            self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:  # noqa: D102
        text = isinstance(node.right, ast.JoinedStr) or (
            isinstance(node.right, ast.Constant) and isinstance(node.right.value, str)
        )
        if isinstance(node.op, ast.Div) and text:  # nothing but a path is divided by a text
            self._path(node.left, "a path", node)
        elif isinstance(node.op, ast.Div) and refusals.leaves(node.left):
            self._refuse(node, f"{ast.unparse(node)} {refusals.ELSEWHERE}")
        self._build(node)
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:  # noqa: D102
        self._build(node)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:  # noqa: D102
        if isinstance(node.value, str) and refusals.looks_like_a_path(node.value):
            self.paths.append(node.value)
        if isinstance(node.value, str) and (node.value == ".." or node.value.startswith("../")):
            self._refuse(node, f"{node.value!r} {refusals.ELSEWHERE}")

    def visit_Call(self, node: ast.Call) -> None:  # noqa: D102
        if name := refusals.variable(node, self.full):
            self.variables.append(name)
            for argument in node.args[1:]:
                self.visit(argument)
            return
        full = self.full(node.func)
        if full in ("globals", "vars", "dir", "locals") and not node.args and (full == "globals" or not self.later):
            self.uses.append([f"@{self.module}"])  # anything in the module
        if full in ("getattr", "hasattr") and len(node.args) >= 2 and isinstance(node.args[1], ast.Constant):
            chains = self.chains(node.args[0])
            self._attribute(node, str(node.args[1].value))
            self.uses += [[*chain, str(node.args[1].value)] for chain in chains]
            for argument in node.args[2:] if chains else node.args:
                self.visit(argument)
            return
        if full in ("setattr", "delattr") and len(node.args) > 1:
            self._store(ast.Attribute(node.args[0], str(getattr(node.args[1], "value", "?"))))
        if full == "next" and node.args:
            self._store(node.args[0])
        if full == "pathlib.Path" and [ast.unparse(item) for item in node.args] == ["__file__"]:
            self.visit(node.func)  # where the project lies; that changes nothing, and what is read from there shows
            return
        if refusals.reads(full) and node.args:
            self.reads = self.reads or not isinstance(node.args[0], ast.Constant)
            self._path(node.args[0], full)
        if self.full(_called(node.func)) == "dataclasses.dataclass" and node.args:
            self._refuse(node, f"{ast.unparse(node)} cannot be followed\nwrite @dataclass above the class")
        self._build(node, full)
        if not self.later and isinstance(node.func, ast.Name | ast.Attribute):
            self.calls += self.chains(node.func) if full not in self.builtins - refusals.CALLERS else []
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            bare = [item.value if isinstance(item, ast.Starred) else item for item in given]
            self.given += [chain for item in bare for chain in self.chains(item)]
        self.generic_visit(node)

    def _path(self, node: ast.expr, reader: str, whole: ast.expr | None = None) -> None:
        """Note the file that a path names; refuse one that is put together from what is not a parameter."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.files.append(node.value)
            return
        called = {id(item.func) for item in ast.walk(node) if isinstance(item, ast.Call)}
        for item in ast.walk(node):
            written = isinstance(item, ast.Constant) and isinstance(item.value, str)
            foreign = isinstance(item, ast.Name) and id(item) not in called and self._stands_for(item.id)
            if written or foreign or refusals.leaves(item):
                shown = ast.unparse(whole) if whole else f"{reader}({ast.unparse(node)})"
                self._refuse(node, f"{shown} {refusals.ELSEWHERE}")
                return

    def _build(self, node: ast.expr, full: str = "") -> None:
        """Note a text put together that could name a file: refused where code reads files that are named elsewhere."""
        if refusals.puts_together(node, full):
            self.builds.append((node.lineno, f"{ast.unparse(node)} {refusals.ELSEWHERE}"))

    def _attribute(self, node: ast.AST, name: str) -> None:
        if name in refusals.ATTRIBUTES:
            self._refuse(node, f"{name} cannot be followed\n{refusals.ATTRIBUTES[name]}")

    def _use(self, node: ast.Name | ast.Attribute) -> None:
        found = self.chains(node)
        full = self.full(node).removeprefix("builtins.")
        if full.partition(".")[0] not in self.builtins:
            self.uses += found
        hint = refusals.BUILTINS.get(full) or refusals.NAMES.get(full.partition(".")[0])
        for chain in found:
            hint = hint or (refusals.NAMES.get(chain[0]) if chain[0] not in self.bound else None)
        why = f"{ast.unparse(node)} cannot be followed\n{hint}" if hint else refusals.refusal(full)
        if why:
            self._refuse(node, why)

    def _store(self, node: ast.expr) -> None:
        """Note what is changed in place: by `a.b = `, `a[0] = `, `a[0].b = ` or `globals()["a"] = `."""
        while isinstance(node, ast.Subscript):
            node = node.value
        found = self.changes if self.later else self.stores
        if isinstance(node, ast.Call) and self.full(node.func) in ("globals", "vars", "locals"):
            found += self.chains(node.args[0]) if node.args else [[f"@{self.module}"]]
        attributes: Chain = []
        while isinstance(node, ast.Attribute | ast.Subscript):
            attributes = [node.attr, *attributes] if isinstance(node, ast.Attribute) else ["[]"]
            node = node.value
        found += [[*chain, *attributes] for chain in self.chains(node)]

    def _refuse(self, node: ast.AST, why: str) -> None:
        self.refused.append((getattr(node, "lineno", 1), why))


def _called(node: ast.expr) -> ast.expr:
    return _called(node.func) if isinstance(node, ast.Call) else node
