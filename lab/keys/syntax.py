"""Python's syntax as text in which only meaning shows, the same on every Python version that the project supports.

Comments, docstrings, layout and most annotations do not show; `ast.dump` would show the last three, and differs from version to
version.  Annotations show where something is made of them: the fields of a class, what some decorators read.
"""

from __future__ import annotations

import ast
import warnings
from hashlib import sha256
from typing import Any

_HIDDEN = {
    "ctx",
    "returns",
    "type_comment",
    "type_params",
    "kind",
    "str",
}  # `str`: an interpolation's own text, in Python 3.14
_READ_ANNOTATIONS = {"register", "script", "custom_op", "beartype", "typechecked", "jaxtyped", "validate_call"}


def parse(text: str, file: str) -> ast.Module:
    """Parse a module.  Raises SyntaxError with its file and line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape is the linter's business
        return ast.parse(text, file)


def short(text: str) -> str:
    """Return 16 hexadecimal digits for a text."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def dump(node: ast.AST) -> str:
    """Write out a tree."""
    return Writer().write(node)


class Writer:
    """Writes trees out."""

    def write(self, node: Any, annotated: bool = False) -> str:
        """Return a node, a list of them or a value as text.  `annotated`: annotations of this very node show."""
        if isinstance(node, list):
            return "[" + " ".join(filter(None, (self.write(item, annotated) for item in node))) + "]"
        if isinstance(node, ast.Constant):
            return f"{type(node.value).__name__}:{node.value!a}"
        if not isinstance(node, ast.AST):
            return ascii(node)
        kind = type(node).__name__
        if isinstance(node, ast.AnnAssign) and not annotated:
            if is_idle(node):
                return ""
            value = f" value={self.write(node.value)}" if node.value else ""
            return f"Assign(targets=[{self.write(node.target)}]{value})"
        if kind in ("JoinedStr", "TemplateStr"):
            return f"{kind}({self._pieces(node)})"
        shown = [self.part(node, name, value, annotated) for name, value in ast.iter_fields(node)]
        return f"{kind}({' '.join(filter(None, shown))})"

    def part(self, node: ast.AST, name: str, value: Any, annotated: bool) -> str:
        """Return one field of a node as text, nothing for what does not show."""
        if name in _HIDDEN or value is None or value == [] or (name == "annotation" and not annotated):
            return ""
        if name == "format_spec" and not self._pieces(value):
            return ""
        if name == "body" and isinstance(value, list):
            typed = isinstance(node, ast.ClassDef) or annotated
            value = [item for item in value if not is_idle(item) or (typed and isinstance(item, ast.AnnAssign))]
        inside = isinstance(node, ast.ClassDef) or (annotated and isinstance(node, ast.If | ast.Try | ast.With))
        fields = inside and name in ("body", "orelse", "finalbody")
        arguments = isinstance(node, ast.arguments) and annotated
        return f"{name}={self.write(value, fields or arguments or (name == 'args' and _reads_annotations(node)))}"

    def _pieces(self, node: Any) -> str:
        """Write out an f-string: neighbouring texts as one, none that is empty, since versions cut them differently."""
        pieces: list[str] = []
        text = ""
        for value in [*node.values, None]:
            if isinstance(value, ast.Constant):
                text += str(value.value)
                continue
            pieces += [ascii(text)] if text else []
            pieces += [self.write(value)] if value else []
            text = ""
        return " ".join(pieces)


def is_idle(node: ast.stmt) -> bool:
    """Say whether a statement does nothing: docstrings, comments in disguise, a variable's type alone."""
    typed = isinstance(node, ast.AnnAssign) and node.value is None and isinstance(node.target, ast.Name)
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return typed or text or isinstance(node, ast.Pass)


def _reads_annotations(node: ast.AST) -> bool:
    """Say whether a decorator looks at a function's annotations: functools.singledispatch's `register` does."""
    called = [found.func if isinstance(found, ast.Call) else found for found in getattr(node, "decorator_list", [])]
    return any(ast.unparse(found).rpartition(".")[2] in _READ_ANNOTATIONS for found in called)
