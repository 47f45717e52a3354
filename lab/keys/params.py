"""An experiment's parameters, read from its source without importing it: names, types, the book's setting."""

from __future__ import annotations

import ast
import io
import math
import operator
import re
import shlex
import tokenize
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.errors import LabError, Refused, unknown
from lab.keys.canonical_json import pack, unpack

_COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
_LIMIT = re.compile(r"\s*(>=|>|<=|<)\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*")
KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "Path": "a data file"}


@dataclass(frozen=True)
class Field:
    """One parameter."""

    name: str
    kind: tuple[str, ...]  # ("int",); for a tuple its items' kinds, ("tuple", "float", "...")
    default: Any
    line: int
    limits: str = ""  # what is allowed beyond the type, of each value: "> 0, <= 1"

    def __str__(self) -> str:
        return self.kind[0] if len(self.kind) == 1 else f"tuple[{', '.join(self.kind[1:])}]"

    def packed(self) -> list[Any]:
        """Return it as JSON holds it."""
        return [self.name, list(self.kind), pack(self.default), self.line, self.limits]

    @classmethod
    def unpacked(cls, name: str, kind: list[str], default: Any, line: int, limits: str) -> Field:
        """Make it again from what `packed` returned."""
        field = cls(name, tuple(kind), None, line, limits)
        return replace(
            field, default=field.each(unpack(default), lambda item, of: Path(item) if of == "Path" else item)
        )

    def each(self, given: Any, do: Callable[[Any, str], Any]) -> Any:
        """Return a value after something is done with it and its kind; of a tuple with each item.  Raises ValueError."""
        if len(self.kind) == 1:
            return do(given, self.kind[0])
        kinds = self.kind[1:2] * len(given) if self.kind[-1] == "..." else self.kind[1:]
        return tuple(do(item, kind) for item, kind in zip(given, kinds, strict=True))

    def parse(self, text: str, root: Path) -> Any:
        """Read a value as typed on the command line.  Raises LabError for one of another type, or that is not allowed."""
        value = self._read(text, root)
        of = "" if len(self.kind) == 1 else " each"
        given = _items(value)
        wanted = ""
        if not given and self.default:
            wanted = "at least one value"
        elif any(isinstance(item, float) and not math.isfinite(item) for item in given) and not self.has_infinite:
            wanted = f"finite numbers{of}" if of else "a finite number"
        elif self.limits:
            wanted = "" if all(map(self.allows, given)) else f"{self.limits}{of}"
        elif any(type(item) is int and item < self.least for item in given):
            wanted = f"{self.least} or more{of}"
        if wanted:
            raise LabError(f"--set {self.name}={text}: wanted {wanted}, as in --set {self.name}={self.shown}")
        return value

    def allows(self, item: Any) -> bool:
        """Say whether a number is within the limits that Params states."""
        for limit in self.limits.split(",") if self.limits else ():
            sign, bound = _LIMIT.fullmatch(limit).groups()  # type: ignore[union-attr]
            if not _COMPARE[sign](item, float(bound)):
                return False
        return True

    @property
    def least(self) -> int:
        """The lowest whole number allowed where Params states no limits: what is counted is 1 or more, unless the book has less."""
        return min([1, *(item for item in _items(self.default) if type(item) is int)])

    @property
    def has_infinite(self) -> bool:
        """Whether the book's own setting is infinite, so that others may be."""
        return any(isinstance(item, float) and not math.isfinite(item) for item in _items(self.default))

    def _read(self, text: str, root: Path) -> Any:
        items = [item.strip() for item in text.strip("()[] ").split(",") if item.strip()]
        try:
            return self.each(text if len(self.kind) == 1 else items, lambda item, kind: _parse(item, kind, root))
        except ValueError as error:
            wanted = KINDS[self.kind[0]] if len(self.kind) == 1 else f"{self}, written like 0.5,1,2"
            why = f" ({error})" if self.kind == ("Path",) else ""
            raise LabError(
                f"--set {self.name}={text}: wanted {wanted}, as in --set {self.name}={self.shown}{why}"
            ) from None

    def value(self, given: Any, where: str) -> Any:
        """Check a value's type; a whole number will do for a float."""
        try:
            if isinstance(given, tuple) == (len(self.kind) > 1):
                return self.each(given, _value)
            raise TypeError(given)
        except (TypeError, ValueError):
            raise Refused(f"{where}: {given!r} is not {self}") from None

    @property
    def shown(self) -> str:
        """The book's value, as it would be typed."""
        return as_typed(self.default)


def as_typed(value: Any) -> str:
    """Return a parameter's value as it would be typed after --set."""
    if isinstance(value, tuple):
        return ",".join(map(as_typed, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def comments(text: str) -> dict[int, str]:
    """Return the comments at the ends of a source's lines, by line: what its parameters are, or their units."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def as_options(changes: dict[str, str]) -> str:
    """Return changes as options of a command: --set depth=200 --set width=64."""
    return " ".join(f"--set {shlex.quote(f'{name}={value}')}" for name, value in changes.items())


def stated_fields(tree: ast.Module, file: str) -> dict[str, Field]:
    """Return the parameters that the class Params states."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Params"]
    for node in classes[1:]:
        raise Refused(f"{file}:{node.lineno}: there is a second class Params\nstate the parameters in one")
    for node in classes:
        found = [_field(item, file) for item in node.body if isinstance(item, ast.AnnAssign)]
        return {field.name: field for field in found}
    raise Refused(
        f"{file}:1: there is no class Params\nstate the parameters and the book's setting in one, as in the other experiments"
    )


def override(known: dict[str, Field], changes: dict[str, str], root: Path) -> dict[str, Any]:
    """Return all values, the defaults with `changes` (as typed) made."""
    for name in changes:
        if name not in known:
            raise unknown("parameter", name, known)
    return {
        name: field.parse(changes[name], root) if name in changes else field.default for name, field in known.items()
    }


def paths(values: dict[str, Any]) -> list[str]:
    """Return the data files that parameters name."""
    return [item.as_posix() for value in values.values() for item in _items(value) if isinstance(item, Path)]


def check_paths(values: dict[str, Any], root: Path) -> None:
    """Raise LabError for a data file that is named and is not there."""
    for name, value in values.items():
        for path in _items(value):
            if isinstance(path, Path) and not (root / path).exists():
                raise LabError(f"parameter {name}: there is no data file {path} in {root}")
            if isinstance(path, Path) and not ((root / path).is_file() or (root / path).is_dir()):
                raise LabError(f"parameter {name}: {path} is neither a file nor a folder")  # a pipe is read for ever


def _items(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _field(node: ast.AnnAssign, file: str) -> Field:
    where = f"{file}:{node.lineno}"
    name = node.target.id if isinstance(node.target, ast.Name) else "?"
    if node.value is None:
        raise Refused(f"{where}: parameter {name} has no default\nthe default is the book's setting")
    annotation, limits = _limits(node.annotation, f"{where}: parameter {name}")
    field = Field(name, _kind(annotation, f"{where}: parameter {name}"), None, node.lineno, limits)
    field = replace(field, default=field.value(_literal(node.value, where), where))
    if not all(map(field.allows, _items(field.default))):
        raise Refused(
            f"{where}: {field.shown} is not {limits}\nthe default is the book's setting, and has to be allowed"
        )
    return field


def _limits(node: ast.expr, where: str) -> tuple[ast.expr, str]:
    """Return a type, and what is allowed of it: Annotated[float, "> 0, <= 1"]; of a tuple, each item."""
    if not (isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Annotated")):
        return node, ""
    match node.slice:
        case ast.Tuple([of, ast.Constant(str(limits))]) if all(map(_LIMIT.fullmatch, limits.split(","))):
            if not any(text in ast.unparse(of) for text in ("str", "bool", "Path")):
                return of, limits
    raise Refused(f'{where} is {ast.unparse(node)}\nwrite limits of numbers like Annotated[float, "> 0, <= 1"]')


def _kind(node: ast.expr, where: str) -> tuple[str, ...]:
    if isinstance(node, ast.Name) and node.id in KINDS:
        return (node.id,)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "tuple":
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        kinds = tuple(ast.unparse(item) for item in items)
        if all(kind in KINDS for kind in kinds[:1]) and all(kind in (*KINDS, "...") for kind in kinds[1:]):
            return ("tuple", *kinds)
    raise Refused(f"{where} is a {ast.unparse(node)}\na parameter is one of {', '.join(KINDS)}, or a tuple of them")


def _literal(node: ast.expr, where: str) -> Any:
    match node:
        case ast.Call(ast.Name("Path"), [path]):
            return Path(str(_literal(path, where)))
        case ast.Tuple(items):
            return tuple(_literal(item, where) for item in items)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        raise Refused(
            f"{where}: {ast.unparse(node)} is not a plain value\n"
            "write the default out (a number, text, a tuple of them, or Path(...)): the lab reads it without running code"
        ) from None


def _parse(text: str, kind: str, root: Path) -> Any:
    if kind == "bool":
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if kind == "Path":
        if not text or not (root / text).exists():
            raise ValueError(f"there is no file {root / text}")
        return Path(text)
    return {"int": int, "float": float, "str": str}[kind](text)


def _value(given: Any, kind: str) -> Any:
    if kind == "float" and type(given) is int:
        return float(given)
    if type(given).__name__ != kind and not (kind == "Path" and isinstance(given, Path)):
        raise TypeError(kind)
    return given
