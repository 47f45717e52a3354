"""What each top-level statement of a module makes and uses, and whether it always counts; read from the syntax, never run.

A statement that is no import, definition or plain constant always counts, used or not, since importing it may change something
elsewhere.  A constant is plain if it is made of literals, of names of what is plain itself, of arithmetic with these, and of records.
What it may call beside, and what a definition may be decorated with or derived from, stands in short lists.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

from lab.errors import Refused
from lab.keys import params, syntax
from lab.keys.uses import Chain, Reader, declared, imported, made


def _builtins(names: str) -> set[str]:
    return {f"builtins.{name}" for name in names.split()}


# What a statement defines: a function without decorators and computed defaults; a class that does nothing to those derived from it;
# one whose instances are made without code of its own.
DEF, CLASS, RECORD = "function", "class", "class of records"
ACTS = "acts"
DEEPEST = 30_000  # calls inside each other while a statement is read
LONGEST = 60  # characters of a constant that `lab why` shows
# By full name; a dot at the end stands for all that a module has.
_BASES = {"typing.", "abc.ABC", "enum.Enum", "torch.nn."} | _builtins("object Exception ValueError RuntimeError")
_TYPES = {"typing.", "collections.abc.", "numpy.typing."} | _builtins("tuple list dict set frozenset type")
_RECORDS = {"dataclasses.dataclass", "typing.NamedTuple"}
_DECORATORS = _RECORDS | _builtins("property staticmethod classmethod")
_DECORATORS |= {"functools.cache", "functools.lru_cache", "contextlib.contextmanager"}
_DECORATORS |= {"abc.abstractmethod", "torch.no_grad", "torch.inference_mode"}
_MAKERS = {"lab.claims.", "typing.TypeVar", "math.", "pathlib.Path", "re.compile"} | _builtins("len range int float")
_MAKERS |= {f"numpy.{name}" for name in ("array", "arange", "linspace", "log", "log10", "sqrt")}
_HOOKS = {"__init_subclass__", "__class_getitem__", "__set_name__"}  # run where a class is derived or used in one
_ALIAS = getattr(ast, "TypeAlias", ast.Pass)  # of Python 3.12; its value is made when it is asked for


class Unit(NamedTuple):
    """One top-level statement."""

    line: int
    names: list[str]  # that it binds
    also: list[str]  # that it binds by an import inside it, or once called, by `global`
    kind: str  # DEF, CLASS, RECORD or none
    hash: str  # of its syntax, with "@0", "@1" ... for what it uses
    shell: str  # of a class: the same without its annotated fields
    verbatim: str  # the hash of its text
    text: str  # a constant's value, if short
    uses: list[Chain]  # each once, in the order in which they first stand there
    rests: list[tuple[str, Chain]]  # what has to be plain for it to be plain, and of which kind; or ACTS
    loads: list[str]  # modules that it imports when it runs
    refused: list[tuple[int, str]]  # line, and what cannot be followed


class Outline(NamedTuple):
    """A module."""

    units: list[Unit]
    # Where an import stands: 3 and a bit is before statement 3, after those with less.
    imports: dict[str, list[tuple[float, Chain]]]  # where, and what each name is that its imports bind; stars as "*"
    loads: list[tuple[float, str]]  # where, and which modules importing it imports
    params: dict[str, Any]  # of an experiment: its fields, or why they are refused


def read_outline(text: str, file: str, module: str, package: bool) -> Outline:
    """Return the outline of a module's source.  Raises Refused where it is not Python."""
    try:
        tree = syntax.parse(text, file)
    except SyntaxError as error:
        raise Refused(f"{file}:{error.lineno or 1}: {error.msg}\nmake it valid Python") from None
    home = module if package else module.rpartition(".")[0]
    statements = list(_statements(tree.body))
    kept = [node for node in statements if not isinstance(node, ast.Import | ast.ImportFrom)]
    imports: dict[str, list[tuple[float, Chain]]] = {}
    loads: dict[tuple[float, str], None] = {}
    place = 0.0
    for node in statements:
        for name, target, modules in imported(node, home):
            place += 1e-6
            imports.setdefault(name, []).append((place, target))
            loads |= {(place, loaded): None for loaded in modules}
        place = place + 1 if node in kept else place
    names, deepest = _Names(module, home, imports, kept), sys.getrecursionlimit()
    sys.setrecursionlimit(max(deepest, DEEPEST))  # a sum of a thousand terms is a thousand levels deep
    try:
        units = [names.unit(node, text.splitlines()) for node in kept]
    finally:
        sys.setrecursionlimit(deepest)
    parameters: dict[str, Any] = {}
    if module.count(".") == 1 and module.startswith("experiments."):
        try:
            parameters["fields"] = [found.packed() for found in params.stated_fields(tree, file).values()]
        except Refused as error:
            parameters["refused"] = str(error)
    return Outline(units, imports, list(loads), parameters)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run on import and do something; those for a type checker or for a script do not run."""
    for node in body:
        never = ("TYPE_CHECKING", "typing.TYPE_CHECKING", "False", "__name__ == '__main__'")
        if isinstance(node, ast.If) and ast.unparse(node.test) in never:
            yield from _statements(node.orelse)
        elif not syntax.is_idle(node):
            yield node


@dataclass
class _Decorator:
    """What a definition is decorated with."""

    of: ast.expr


class _Names:
    """What the names in a module's statements may stand for."""

    def __init__(
        self, module: str, home: str, imports: dict[str, list[tuple[float, Chain]]], statements: list[ast.stmt]
    ):
        self.module, self.home = module, home
        self.imports = {name: [target for _, target in found] for name, found in imports.items()}
        binds = [made(node) | declared(ast.walk(node), ast.Global) for node in statements]
        self.bound = {name for names in binds for name in names}
        self.reader = self.new_reader()

    def new_reader(self) -> Reader:
        """Return what reads one statement."""
        return Reader(self.module, self.home, self.imports, self.bound)

    def unit(self, node: ast.stmt, lines: list[str]) -> Unit:
        """Return what a statement comes to."""
        reader = self.new_reader()
        shell = reader.write(_without_fields(node)) if isinstance(node, ast.ClassDef) else ""
        first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", []))])
        also = {name for name, *_ in imported(node, self.home)} | declared(ast.walk(node), ast.Global)
        return Unit(
            line=node.lineno,
            names=sorted(made(node)),
            also=sorted(also - made(node) - {"*"}),
            kind=self._kind(node),
            shell=syntax.short(shell),
            hash=syntax.short(reader.write(node)),
            verbatim=syntax.short("\n".join(line.rstrip() for line in lines[first - 1 : node.end_lineno])),
            text=_shown(node),
            uses=[list(chain) for chain in reader.uses],
            rests=list(self._rests(node)),
            loads=list(dict.fromkeys(reader.loads)),
            refused=reader.refused,
        )

    def _kind(self, node: ast.stmt) -> str:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = [*node.args.defaults, *node.args.kw_defaults, *node.decorator_list]
            return DEF if all(item is None or isinstance(item, ast.Constant) for item in given) else ""
        if not isinstance(node, ast.ClassDef) or _methods(node) & _HOOKS or self._is_enum(node):
            return ""
        makers = [item.func if isinstance(item, ast.Call) else item for item in [*node.decorator_list, *node.bases]]
        record = bool(makers) and all(self._is_one(item, _RECORDS) for item in makers)
        return RECORD if record and not any(name.startswith("__") for name in _methods(node)) else CLASS

    def _is_enum(self, node: ast.ClassDef) -> bool:
        return any("enum." in full for base in node.bases for full in self.reader.full(base))

    def _is_one(self, node: ast.expr, names: Iterable[str]) -> bool:
        """Say whether an expression can only be one of some names."""
        full = self.reader.full(node)
        modules = tuple(name for name in names if name.endswith("."))
        return bool(full) and all(name in names or name.startswith(modules) for name in full)

    def _rests(self, node: Any) -> Iterator[tuple[str, Chain]]:
        """Yield on what it rests that a statement, or what is evaluated in it, makes a value and does nothing else."""
        parts: list[Any] = []
        match node:
            case None | ast.Pass() | ast.Constant() | _ALIAS():
                pass
            case ast.Name() | ast.Attribute():
                yield from self._must_be("", node)
            case ast.Subscript() if self._is_one(node.value, _TYPES):
                parts = [node.slice]
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                parts = [*map(_Decorator, node.decorator_list), node.args]
            case ast.ClassDef(keywords=[]):
                for base in map(_generic, node.bases):
                    yield from self._must_be(CLASS, base) if not self._is_one(base, _BASES) else ()
                makes_members = len(node.bases) > 1 or any(name.startswith("_") for name in _methods(node))
                if self._is_enum(node) and makes_members:
                    yield ACTS, []
                types = [base.slice for base in node.bases if isinstance(base, ast.Subscript)]
                outside, self.reader.of_class = self.reader.of_class, self.reader.of_class | _methods(node)
                for item in [*map(_Decorator, node.decorator_list), *types, *node.body]:
                    yield from self._rests(item)
                self.reader.of_class = outside
            case _Decorator(ast.Call(func=func, args=[], keywords=parts)) if self._is_one(func, _DECORATORS):
                pass
            case _Decorator(of) if self._is_one(of, _DECORATORS):
                pass
            case ast.Lambda():
                parts = [node.args]
            case ast.arguments():
                parts = [*node.defaults, *node.kw_defaults]
            case ast.Assign(targets=[ast.Tuple(elts=names)]) if all(isinstance(name, ast.Name) for name in names):
                parts = [node.value]
            case ast.Expr() | ast.Assign(targets=[ast.Name()]) | ast.AnnAssign(target=ast.Name()) | ast.Starred():
                parts = [node.value]
            case ast.keyword() | ast.FormattedValue():
                parts = [node.value, getattr(node, "format_spec", None)]
            case ast.Tuple() | ast.List() | ast.Set():
                parts = node.elts
            case ast.Dict() if None not in node.keys:
                parts = [*node.keys, *node.values]
            case ast.UnaryOp():
                parts = [node.operand]
            case ast.BinOp(left=left, right=right, op=operator) if not isinstance(operator, ast.MatMult):
                parts = [left, right]
            case ast.JoinedStr():
                parts = node.values
            case ast.Call():
                yield from self._must_be(RECORD, node.func) if not self._is_one(node.func, _MAKERS) else ()
                parts = [*node.args, *node.keywords]
            case _:
                yield ACTS, []
        for part in parts:
            yield from self._rests(part)

    def _must_be(self, kind: str, node: ast.AST) -> Iterator[tuple[str, Chain]]:
        chains = self.reader.chains(node)
        known = chains and not any(chain[0] in self.reader.of_class for chain in chains)
        yield from [(kind, chain) for chain in chains] if known else [(ACTS, [])]


def _methods(node: ast.ClassDef) -> set[str]:
    return {name for item in node.body for name in made(item)}


def _without_fields(node: ast.ClassDef) -> ast.ClassDef:
    bare = copy(node)
    bare.body = [item for item in node.body if not isinstance(item, ast.AnnAssign)]
    return bare


def _generic(base: ast.expr) -> ast.expr:
    """Return what a class is derived from, without types: Rule of Rule[Result]."""
    return base.value if isinstance(base, ast.Subscript) else base


def _shown(node: ast.stmt) -> str:
    """Return a constant's value as text, if it is short and written out."""
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    if value is None or any(isinstance(inner, ast.Name | ast.Call) for inner in ast.walk(value)):
        return ""
    text = ast.unparse(value)
    return text if len(text) <= LONGEST else ""
