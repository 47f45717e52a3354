"""What each top-level statement of a module makes, uses and does when it is imported; read from the syntax, never run.

A use is a chain of names: ["mlp", "train"] for `mlp.train`.  One that an import inside a function brought begins with the
module in full, marked: ["@nets.mlp", "train"].
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from lab.errors import Refused
from lab.keys import params, statement_kinds, syntax
from lab.keys.uses import Chain, Reader, called, imported, made, rebound


@dataclass
class Unit:
    """One top-level statement."""

    kind: str
    line: int
    hash: str  # of its syntax, with "@0", "@1" ... for what it uses
    verbatim: str  # of its text
    names: list[str] = field(default_factory=list)  # that it binds
    also: list[str] = field(default_factory=list)  # that it binds by an import inside it, or once called, by `global`
    text: str = ""  # a constant's value, if short
    uses: list[Chain] = field(default_factory=list)  # each once, in the order in which they first stand there
    acts: bool = False  # importing it may change something elsewhere
    calls: list[Chain] = field(
        default_factory=list
    )  # it does if one of these, which it calls, is no class without a constructor
    inert: bool = False  # a class without one
    bases: list[Chain] = field(default_factory=list)  # of a class
    shell: str = ""  # a class's, without its fields
    hooks: bool = False  # a class that does something when another is derived from it
    loads: list[str] = field(default_factory=list)  # modules that it imports when it runs
    refused: list[tuple[int, str]] = field(default_factory=list)  # line, and what cannot be followed

    def packed(self) -> dict[str, Any]:
        """Return what is not as it is by default."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass
class Outline:
    """A module."""

    units: list[Unit]
    aliases: dict[str, list[Chain]]  # what its imports bind
    stars: list[str]  # modules it imports all names from
    loads: list[tuple[int, str]]  # modules that importing it imports, and before which statement
    unused: list[str]  # libraries imported for their effect: no name of theirs is used
    params: dict[str, Any] = field(default_factory=dict)  # of an experiment, packed, or why not


def read_outline(text: str, file: str, module: str, package: bool) -> Outline:
    """Return the outline of a module's source.  Raises Refused where it is not Python."""
    try:
        tree = syntax.parse(text, file)
    except SyntaxError as error:
        raise Refused(f"{file}:{error.lineno or 1}: {error.msg}\nmake it valid Python") from None
    home = module if package else module.rpartition(".")[0]
    statements = list(_statements(tree.body))
    aliases: dict[str, list[Chain]] = {}
    stars: list[str] = []
    loads: list[tuple[int, str]] = []
    before = 0
    for node in statements:
        for name, target, modules in imported(node, home):
            loads += [(before, loaded) for loaded in modules]
            if name == "*":
                stars.append(target[0][1:])
            elif name:
                aliases.setdefault(name, []).append(target)
        before += not isinstance(node, ast.Import | ast.ImportFrom)
    bound = {name for node in statements for name in made(node) | rebound(node)} | set(aliases)
    lines = text.splitlines()
    units, mentioned = [], set()
    for node in statements:
        reader = Reader(module, home, aliases, bound, builtins=not stars)
        reader.visit(node)
        mentioned |= reader.mentioned
        if not isinstance(node, ast.Import | ast.ImportFrom):
            units.append(_unit(node, reader, lines))
    used = mentioned | {chain[0] for unit in units for chain in unit.uses} | _exported(tree)
    unused = [chain[0][1:] for name, chains in aliases.items() if name not in used for chain in chains]
    found = Outline(units, aliases, stars, list(dict.fromkeys(loads)), unused)
    if module.count(".") == 1 and module.startswith("experiments."):
        found.params = _params(tree, file)
    return found


def _statements(body: list[ast.stmt]) -> Any:
    """Yield the statements that run on import; those for a type checker or for a script do not."""
    for node in body:
        if isinstance(node, ast.If) and _never(node.test):
            yield from _statements(node.orelse)
        elif not _idle(node):
            yield node


def _idle(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant | ast.Name)
    return isinstance(node, ast.Pass) or (isinstance(node, ast.AnnAssign) and node.value is None)


def _never(test: ast.expr) -> bool:
    text = ast.unparse(test)
    return text in ("TYPE_CHECKING", "typing.TYPE_CHECKING", "False", "__name__ == '__main__'")


def _exported(tree: ast.Module) -> set[str]:
    """Return the names in `__all__`, and those imported as themselves: `from x import y as y`."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            found |= {item.value for item in ast.walk(node.value) if isinstance(item, ast.Constant)}
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.name for alias in node.names if alias.asname == alias.name}
    return {str(name) for name in found}


def _unit(node: ast.stmt, reader: Reader, lines: list[str]) -> Unit:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(item.lineno for item in decorators)])
    source = "\n".join(line.rstrip() for line in lines[first - 1 : node.end_lineno])
    kind, text = statement_kinds.kind(node)
    bases = [] if not isinstance(node, ast.ClassDef) else [*node.bases, *(item.value for item in node.keywords)]
    uses = list(dict.fromkeys(map(tuple, reader.uses)))
    shown = {
        place: "@" + ",".join(str(uses.index(tuple(chain))) for chain in chains)
        for place, chains in reader.links.items()
    }
    calls = [
        item for item in [*reader.calls, *map(called, decorators)] if not statement_kinds.harmless(reader.full(item))
    ]
    chains = [reader.chains(item) for item in calls]
    return Unit(
        names=sorted(made(node)),
        also=sorted(({name for name, *_ in imported(node, reader.home)} | rebound(node)) - made(node) - {"*"}),
        kind=kind,
        line=node.lineno,
        hash=syntax.fingerprint(node, names=shown),
        shell=syntax.fingerprint(node, names=shown, without_fields=True) if isinstance(node, ast.ClassDef) else "",
        verbatim=syntax.short(source),
        text=text,
        uses=[list(chain) for chain in uses],
        acts=kind == statement_kinds.LOOSE or reader.stores or not all(chains),
        calls=[chain for found in chains for chain in found],
        inert=isinstance(node, ast.ClassDef) and statement_kinds.inert(node),
        bases=[chain for base in bases for chain in reader.chains(base)],
        hooks=isinstance(node, ast.ClassDef) and statement_kinds.hooks(node),
        loads=list(dict.fromkeys(reader.loads)),
        refused=reader.refused,
    )


def _params(tree: ast.Module, file: str) -> dict[str, Any]:
    try:
        return {"fields": [found.packed() for found in params.stated_fields(tree, file).values()]}
    except Refused as error:
        return {"refused": str(error)}
