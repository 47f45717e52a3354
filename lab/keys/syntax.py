"""Python's syntax as text in which only meaning shows, the same on every Python version that the project supports.

Comments, docstrings, layout and annotations do not show; `ast.dump` would show the last three, and differs from version to
version.  Annotations do show where they make something: the fields of a class with a decorator or a base.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

_NEVER = {"ctx", "type_comment", "type_params", "kind", "str"}  # `str`: an interpolation's own text, in Python 3.14
_ANNOTATIONS = {"annotation", "returns"}
_READ_ANNOTATIONS = {"register", "script", "custom_op", "beartype", "typechecked", "jaxtyped", "validate_call"}
_STRINGS = {"JoinedStr", "TemplateStr"}


def parse(text: str, file: str) -> ast.Module:
    """Parse a module.  Raises SyntaxError with its file and line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape is the linter's business
        return ast.parse(text, file)


Names = Mapping[int, str]  # what stands for a node, by its id, in place of how it is written
_NONE: Names = {}


def fingerprint(*nodes: ast.AST, names: Names = _NONE, without_fields: bool = False) -> str:
    """Return 16 hexadecimal digits that change when what the nodes mean does.

    `without_fields` leaves out the annotated fields of a class.
    """
    return short("\n".join(dump(node, names, without_fields=without_fields) for node in nodes))


def short(text: str) -> str:
    """Return 16 hexadecimal digits for a text."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def dump(node: Any, names: Names = _NONE, *, annotated: bool = False, without_fields: bool = False) -> str:
    """Write out a tree.  `annotated`: annotations of this very node matter."""
    if isinstance(node, list):
        return "[" + " ".join(dump(item, names, annotated=annotated) for item in node) + "]"
    if not isinstance(node, ast.AST):
        return ascii(node)
    if id(node) in names:
        return names[id(node)]
    if isinstance(node, ast.Constant):
        return f"{type(node.value).__name__}:{node.value!a}"
    if isinstance(node, ast.AnnAssign) and not annotated:
        return (
            ""
            if node.value is None
            else f"Assign(targets=[{dump(node.target, names)}] value={dump(node.value, names)})"
        )
    kind = type(node).__name__
    if kind in _STRINGS:
        return f"{kind}({' '.join(_pieces(node, names))})"
    shown = []
    for name in node._fields:
        value = getattr(node, name, None)
        if name in _NEVER or value is None or value == [] or (name in _ANNOTATIONS and not annotated):
            continue
        if name == "format_spec" and not _pieces(value, names):
            continue
        if name == "body" and isinstance(value, list):
            shown.append(f"body={_body(node, value, names, without_fields)}")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.arguments):
            keep = annotated or reads_annotations(node)
            shown.append(
                f"{name}={dump(value, names, annotated=keep and name in ('args', 'posonlyargs', 'kwonlyargs'))}"
            )
        else:
            shown.append(f"{name}={dump(value, names)}")
    return f"{kind}({' '.join(shown)})"


def _body(node: ast.AST, statements: list[ast.stmt], names: Names, without_fields: bool) -> str:
    """Write out a block without strings that stand alone: docstrings, and comments in disguise."""
    made_of_fields = isinstance(node, ast.ClassDef) and bool(node.decorator_list or node.bases or node.keywords)
    kept = [
        statement
        for statement in statements
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        and not isinstance(statement, ast.Pass)
        and not (without_fields and isinstance(statement, ast.AnnAssign))
    ]
    return (
        "["
        + " ".join(
            filter(
                None, (dump(item, names, annotated=made_of_fields and isinstance(item, ast.AnnAssign)) for item in kept)
            )
        )
        + "]"
    )


def reads_annotations(node: ast.AST) -> bool:
    """Say whether a decorator looks at a function's annotations: functools.singledispatch's `register` does."""
    called = [found.func if isinstance(found, ast.Call) else found for found in getattr(node, "decorator_list", [])]
    return any(ast.unparse(found).rpartition(".")[2] in _READ_ANNOTATIONS for found in called)


def _pieces(node: ast.AST, names: Names) -> list[str]:
    """Write out an f-string: neighbouring texts as one, none that is empty, since versions cut them differently."""
    pieces: list[str] = []
    text = ""
    for value in getattr(node, "values", []):
        if isinstance(value, ast.Constant):
            text += str(value.value)
            continue
        pieces += [ascii(text)] if text else []
        pieces.append(dump(value, names))
        text = ""
    return pieces + ([ascii(text)] if text else [])
