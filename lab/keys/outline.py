"""What each top-level statement of a module makes and uses, and whether it always counts; read from the syntax, never run.

A use is a chain of names: ["mlp", "train"] for `mlp.train`.  One that an import inside a function brought begins with the
module in full, marked: ["@nets.mlp", "train"].

A statement that is no import, definition or plain constant always counts, used or not, since importing it may change something
elsewhere.  A constant is plain if it is made of literals, names, arithmetic, containers, types and records of the project
(`RECORD`); of what it may call beside these, and of what a definition may be decorated with or derived from, there are short lists.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lab.errors import Refused
from lab.keys import params, syntax
from lab.keys.uses import Chain, Reader, imported, made, rebound

DEF, CLASS, RECORD = "def", "class", "record"  # a record is a class that runs no code of its own to make an instance
LONGEST = 60  # characters of a constant that `lab why` shows
# Functions and decorators that make a value and change nothing, by full name; a dot at the end stands for all that a module has.
_MAKERS = [
    "typing.",
    "math.",
    "lab.claims.",
    "lab.estimate.",
    "len",
    "range",
    "int",
    "float",
    "property",
    "staticmethod",
    "classmethod",
    "dataclasses.dataclass",
    "functools.cache",
    "functools.lru_cache",
    "functools.wraps",
    "contextlib.contextmanager",
    "abc.abstractmethod",
    "enum.auto",
    "pathlib.Path",
    "re.compile",
    "numpy.array",
    "numpy.arange",
    "numpy.linspace",
    "numpy.log",
    "numpy.log10",
    "numpy.sqrt",
    "torch.no_grad",
    "torch.inference_mode",
]
_BASES = ["typing.", "enum.", "abc.ABC", "torch.nn.", "object", "Exception", "ValueError", "RuntimeError"]
_TYPES = [
    "typing.",
    "collections.abc.",
    "numpy.typing.",
    "tuple",
    "list",
    "dict",
    "set",
    "frozenset",
    "type",
]  # of what [...] makes a type
_HOOKS = {
    "__init_subclass__",
    "__class_getitem__",
    "__set_name__",
    "__prepare__",
}  # run where a class is derived or used in one
_MAKES_MEMBERS = {"__init__", "__new__", "_generate_next_value_"}  # of an enum
_METHODS = ("staticmethod", "classmethod", "abc.abstractmethod")
_MIXED_IN = ("int", "str", "float", "tuple")  # may make the members of an enum: none runs code of the project
_ALIAS = getattr(ast, "TypeAlias", ast.Pass)  # of Python 3.12; its value is made when it is asked for
_PLAIN = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Expr, ast.Pass, _ALIAS),
    *(ast.Constant, ast.Name, ast.Attribute, ast.Lambda, ast.arguments, ast.Call, ast.keyword, ast.expr_context),
    *(ast.Tuple, ast.List, ast.Set, ast.Dict, ast.Starred, ast.JoinedStr, ast.FormattedValue),
    *(ast.UnaryOp, ast.unaryop, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
)
_COMPUTES = (ast.BinOp, ast.UnaryOp, ast.Attribute, ast.FormattedValue, ast.Starred, ast.Call)


@dataclass
class Unit:
    """One top-level statement."""

    line: int
    hash: str  # of its syntax, with "@0", "@1" ... for what it uses
    verbatim: str  # of its text
    kind: str = ""  # DEF, CLASS, RECORD or none of them
    names: list[str] = field(default_factory=list)  # that it binds
    also: list[str] = field(default_factory=list)  # that it binds by an import inside it, or once called, by `global`
    text: str = ""  # a constant's value, if short
    uses: list[Chain] = field(default_factory=list)  # each once, in the order in which they first stand there
    acts: bool = False  # importing it may change something elsewhere: it does, or one of those below
    calls: list[Chain] = field(default_factory=list)  # what it calls, unless that is a record
    bases: list[Chain] = field(default_factory=list)  # what it derives from, unless that is a class of the project
    operands: list[Chain] = field(default_factory=list)  # what it computes with, unless all that made that is harmless
    shell: str = ""  # a class's, without its fields
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
    lines: dict[str, list[int]] = field(default_factory=dict)  # of those imports, by name, and of the stars, as "*"
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
    lines: dict[str, list[int]] = {}
    before = 0
    for node in statements:
        for name, target, modules in imported(node, home):
            loads += [(before, loaded) for loaded in modules]
            lines.setdefault(name, []).append(node.lineno)
            if name == "*":
                stars.append(target[0][1:])
            elif name:
                aliases.setdefault(name, []).append(target)
        before += not isinstance(node, ast.Import | ast.ImportFrom)
    bound = {name for node in statements for name in made(node) | rebound(node)}
    source = text.splitlines()
    units = []
    for node in statements:
        reader = Reader(module, home, aliases, bound, builtins=not stars)
        reader.visit(node)
        if not isinstance(node, ast.Import | ast.ImportFrom):
            units.append(_unit(node, reader, source))
    found = Outline(units, aliases, stars, list(dict.fromkeys(loads)), lines)
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


def _unit(node: ast.stmt, reader: Reader, lines: list[str]) -> Unit:
    first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", []))])
    source = "\n".join(line.rstrip() for line in lines[first - 1 : node.end_lineno])
    uses = list(dict.fromkeys(map(tuple, reader.uses)))
    shown = {
        place: "@" + ",".join(str(uses.index(tuple(chain))) for chain in chains)
        for place, chains in reader.links.items()
    }
    calls = [item for item in reader.calls if not _is_one(_MAKERS, item, reader)]
    bases = [base for base in map(_generic, reader.bases) if not _is_one(_BASES, base, reader)]
    called, derived = [reader.chains(item) for item in calls], [reader.chains(base) for base in bases]
    return Unit(
        kind=_kind(node, reader),
        names=sorted(made(node)),
        also=sorted(({name for name, *_ in imported(node, reader.home)} | rebound(node)) - made(node) - {"*"}),
        line=node.lineno,
        hash=syntax.fingerprint(node, names=shown),
        shell=syntax.fingerprint(node, names=shown, without_fields=True) if isinstance(node, ast.ClassDef) else "",
        verbatim=syntax.short(source),
        text=_shown(node),
        uses=[list(chain) for chain in uses],
        acts=not (_plain(node, reader) and all(called) and all(derived)),
        calls=[chain for chains in called for chain in chains],
        bases=[chain for chains in derived for chain in chains],
        operands=_operands(node, reader),
        loads=list(dict.fromkeys(reader.loads)),
        refused=reader.refused,
    )


def _kind(node: ast.stmt, reader: Reader) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return DEF
    if not isinstance(node, ast.ClassDef):
        return ""
    names = {name for item in node.body for name in made(item)}
    bases = [reader.full(_generic(base)) for base in node.bases]
    if names & _HOOKS or any(base.startswith("enum.") for base in bases):
        return ""
    record = all(base == "typing.NamedTuple" for base in bases) and not any(name.startswith("__") for name in names)
    decorators = [found for item in node.body for found in getattr(item, "decorator_list", [])]
    methods = all(reader.full(found) in _METHODS for found in decorators)  # asking for a property runs code
    return RECORD if record and methods else CLASS


def _plain(node: ast.AST, reader: Reader) -> bool:
    """Say whether importing a statement makes a value and does nothing else, but for what it calls and derives from."""
    if isinstance(node, ast.Subscript):
        return _listed(_TYPES, reader.full(node.value))
    if isinstance(node, ast.ClassDef):
        names = {name for item in node.body for name in made(item)}
        members = any(reader.full(base).startswith("enum.") for base in node.bases)  # made with the class
        mixed = members and not all(_is_one([*_BASES, *_MIXED_IN], base, reader) for base in map(_generic, node.bases))
        if node.keywords or mixed or (members and names & _MAKES_MEMBERS):
            return False
    stored = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    return isinstance(node, _PLAIN) and not stored and all(_plain(part, reader) for part in _evaluated(node))


def _evaluated(node: ast.AST) -> Iterable[ast.AST]:
    """Return the parts of a statement or expression that are evaluated where it stands."""
    match node:
        case ast.ClassDef():
            return [*node.decorator_list, *map(_generic, node.bases), *node.body]
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [*node.decorator_list, node.args]
        case ast.Lambda():
            return [node.args]
        case ast.arguments():
            return [*node.defaults, *filter(None, node.kw_defaults)]
        case ast.AnnAssign():
            return [node.target, *filter(None, [node.value])]
        case _:
            return [] if isinstance(node, _ALIAS) else ast.iter_child_nodes(node)


def _operands(node: ast.AST, reader: Reader, computed: bool = False) -> list[Chain]:
    """Return what importing a statement computes with: operators, attributes, formats and calls may run code of a value's own."""
    if isinstance(node, ast.Name | ast.Attribute) and (chains := reader.chains(node)):
        return chains if computed or isinstance(node, ast.Attribute) else []
    unpacked = isinstance(node, ast.Assign) and any(isinstance(target, ast.Tuple | ast.List) for target in node.targets)
    merged = isinstance(node, ast.Dict) and None in node.keys
    computed = computed or unpacked or merged or isinstance(node, _COMPUTES)
    return [
        chain for part in _evaluated(node) for chain in _operands(part, reader, computed or _is_attribute(node, part))
    ]


def _is_attribute(node: ast.AST, part: ast.AST) -> bool:
    """Say whether a class is made with a value in it: that may have a __set_name__."""
    return isinstance(node, ast.ClassDef) and isinstance(part, ast.Assign | ast.AnnAssign)


def _generic(base: ast.expr) -> ast.expr:
    """Return what a class is derived from, without types: Rule of Rule[Result]."""
    return base.value if isinstance(base, ast.Subscript) else base


def _is_one(names: Iterable[str], node: ast.expr, reader: Reader) -> bool:
    """Say whether an expression can only be one of some names."""
    return _listed(names, reader.full(node)) and reader.is_sole(node)


def _listed(names: Iterable[str], full: str) -> bool:
    return full in names or any(full.startswith(name) for name in names if name.endswith("."))


def _shown(node: ast.stmt) -> str:
    """Return a constant's value as text, if it is short and written out."""
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    if value is None or any(isinstance(inner, ast.Name | ast.Call) for inner in ast.walk(value)):
        return ""
    text = ast.unparse(value)
    return text if len(text) <= LONGEST else ""


def _params(tree: ast.Module, file: str) -> dict[str, Any]:
    try:
        return {"fields": [found.packed() for found in params.stated_fields(tree, file).values()]}
    except Refused as error:
        return {"refused": str(error)}
