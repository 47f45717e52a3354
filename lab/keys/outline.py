"""What each top-level statement of a module makes and uses, and whether it always counts; read from the syntax, never run.

A statement that is no import, definition or plain constant always counts, used or not, since importing it may change something
elsewhere.  A constant is plain if it is made of literals and names, of arithmetic with literals, and of records of its own module.
What it may call beside these, and what a definition may be decorated with or derived from, stands in short lists.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from copy import copy
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
LONGEST = 60  # characters of a constant that `lab why` shows
# By full name; a dot at the end stands for all that a module has.
_BASES = {"typing.", "abc.ABC", "torch.nn."} | _builtins("object Exception ValueError RuntimeError")
_TYPES = {"typing.", "collections.abc.", "numpy.typing."} | _builtins("tuple list dict set frozenset type")
_RECORDS = {"dataclasses.dataclass", "typing.NamedTuple"}
_DECORATORS = _RECORDS | _builtins("property staticmethod classmethod")
_DECORATORS |= {"functools.cache", "functools.lru_cache", "functools.wraps", "contextlib.contextmanager"}
_DECORATORS |= {"abc.abstractmethod", "torch.no_grad", "torch.inference_mode"}
_KEEPS = {"lab.claims.", "lab.estimate.", "typing."}  # only take what they are given
_COMPUTES = {"math.", "pathlib.Path", "re.compile"} | _builtins("len range int float")
_COMPUTES |= {f"numpy.{name}" for name in ("array", "arange", "linspace", "log", "log10", "sqrt")}
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
    rests: list[
        tuple[str, Chain]
    ]  # on what it rests that importing it changes nothing elsewhere, and of which kind; or ACTS
    loads: list[str]  # modules that it imports when it runs
    refused: list[tuple[int, str]]  # line, and what cannot be followed


class Outline(NamedTuple):
    """A module."""

    units: list[Unit]
    imports: dict[str, list[tuple[int, Chain]]]  # what its imports bind, and in which line; stars as "*"
    loads: list[tuple[int, str]]  # modules that importing it imports, and before which statement
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
    imports: dict[str, list[tuple[int, Chain]]] = {}
    loads: dict[tuple[int, str], None] = {}
    for node in statements:
        before = sum(other.lineno < node.lineno for other in kept)
        for name, target, modules in imported(node, home):
            imports.setdefault(name, []).append((node.lineno, target))
            loads |= {(before, loaded): None for loaded in modules}
    names = _Names(module, home, imports, kept)
    units = [names.unit(node, text.splitlines()) for node in kept]
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
        elif not syntax.is_idle(node) and not (isinstance(node, ast.AnnAssign) and node.value is None):
            yield node


class _Names:
    """What the names in a module's statements may stand for."""

    def __init__(self, module: str, home: str, imports: dict[str, list[tuple[int, Chain]]], statements: list[ast.stmt]):
        self.module, self.home = module, home
        self.imports = {name: [target for _, target in found] for name, found in imports.items()}
        binds = [made(node) | declared(ast.walk(node), ast.Global) for node in statements]
        self.bound = {name for names in binds for name in names}
        self.of_classes = {name for node in statements if isinstance(node, ast.ClassDef) for name in _methods(node)}
        self.reader = self.new_reader()

    def new_reader(self) -> Reader:
        """Return what reads one statement."""
        return Reader(self.module, self.home, self.imports, self.bound, self.of_classes)

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
        if not isinstance(node, ast.ClassDef) or _methods(node) & _HOOKS:
            return ""
        makers = [_called(item) for item in [*node.decorator_list, *node.bases]]
        record = bool(makers) and all(self._is_one(item, _RECORDS) for item in makers)
        return RECORD if record and not any(name.startswith("__") for name in _methods(node)) else CLASS

    def _is_one(self, node: ast.expr, names: Iterable[str]) -> bool:
        """Say whether an expression can only be one of some names."""
        full = self.reader.full(node)
        modules = tuple(name for name in names if name.endswith("."))
        return bool(full) and all(name in names or name.startswith(modules) for name in full)

    def _rests(self, node: Any, computed: bool = False) -> Iterator[tuple[str, Chain]]:
        """Yield on what it rests that a statement, or what is evaluated in it, makes a value and does nothing else.

        `computed`: something is done with the value, which may be code of the value's own.
        """
        parts: list[Any] = []
        match node:
            case None | ast.Pass() | ast.Constant() | _ALIAS():
                pass
            case ast.Name() | ast.Attribute():
                if computed or isinstance(node, ast.Attribute):
                    yield from self._must_be("", node)
            case ast.Subscript() if self._is_one(node.value, _TYPES):
                pass
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self._decorators(node)
                parts = [node.args]
            case ast.ClassDef(keywords=[]):
                for base in map(_generic, node.bases):
                    yield from self._must_be(CLASS, base) if not self._is_one(base, _BASES) else ()
                yield from self._decorators(node)
                computed, parts = True, node.body  # a value may have a __set_name__
            case ast.Lambda():
                parts = [node.args]
            case ast.arguments():
                parts = [*node.defaults, *node.kw_defaults]
            case ast.Expr() | ast.Assign(targets=[ast.Name()]) | ast.AnnAssign(target=ast.Name()):
                parts = [node.value]
            case ast.Assign(targets=[ast.Tuple(elts=names)]) if _are_names(names):
                computed, parts = True, [node.value]
            case ast.Tuple() | ast.List() | ast.Set():
                parts = node.elts
            case ast.Dict() if None not in node.keys:
                parts = [*node.keys, *node.values]
            case ast.UnaryOp(operand=operand) | ast.FormattedValue(value=operand) | ast.Starred(value=operand):
                computed, parts = True, [operand]
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.FloorDiv() | ast.Mod() | ast.Pow()):
                computed, parts = True, [node.left, node.right]
            case ast.JoinedStr():
                parts = node.values
            case ast.Call():
                computed = self._is_one(node.func, _COMPUTES)
                parts = [*node.args, *(keyword.value for keyword in node.keywords)]
                known = computed or self._is_one(node.func, _KEEPS)
                yield from self._must_be(RECORD, node.func) if not known else ()
            case _:
                yield ACTS, []
        for part in parts:
            yield from self._rests(part, computed)

    def _decorators(self, node: Any) -> Iterator[tuple[str, Chain]]:
        for item in node.decorator_list:
            if not self._is_one(_called(item), _DECORATORS):
                yield ACTS, []
            for given in (
                [*item.args, *(keyword.value for keyword in item.keywords)] if item is not _called(item) else ()
            ):
                yield from self._rests(given)

    def _must_be(self, kind: str, node: ast.AST) -> Iterator[tuple[str, Chain]]:
        chains = self.reader.chains(node)
        yield from [(kind, chain) for chain in chains] or [(ACTS, [])]


def _are_names(nodes: list[ast.expr]) -> bool:
    return all(isinstance(node, ast.Name) for node in nodes)


def _methods(node: ast.ClassDef) -> set[str]:
    return {name for item in node.body for name in made(item)}


def _without_fields(node: ast.ClassDef) -> ast.ClassDef:
    bare = copy(node)
    bare.body = [item for item in node.body if not isinstance(item, ast.AnnAssign)]
    return bare


def _generic(base: ast.expr) -> ast.expr:
    """Return what a class is derived from, without types: Rule of Rule[Result]."""
    return base.value if isinstance(base, ast.Subscript) else base


def _called(node: ast.expr) -> ast.expr:
    """Return what is called in the end by `f`, `f()` or `f()()`."""
    return _called(node.func) if isinstance(node, ast.Call) else node


def _shown(node: ast.stmt) -> str:
    """Return a constant's value as text, if it is short and written out."""
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    if value is None or any(isinstance(inner, ast.Name | ast.Call) for inner in ast.walk(value)):
        return ""
    text = ast.unparse(value)
    return text if len(text) <= LONGEST else ""
