"""What kind of statement stands at the top level of a module: what can change later, and what is done for its effect."""

from __future__ import annotations

import ast

DEF, CLASS, FROZEN, VARIABLE, LOOSE = "def", "class", "frozen", "variable", "loose"
_IMMUTABLE = {"TypeVar", "ParamSpec", "NewType", "Path", "float", "int", "str", "bytes", "frozenset", "range"}
LONGEST = 60  # characters of a constant that `lab why` shows


def hooks(node: ast.ClassDef) -> bool:
    """Say whether a class does something when another is derived from it."""
    methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    last = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
    return bool(methods & {"__init_subclass__", "__set_name__", "__prepare__"}) or any(
        name == "type" or name.endswith(("Meta", "EnumType")) for name in last
    )


def kind(node: ast.stmt) -> tuple[str, str]:
    """Return what kind of statement it is, and a constant's value as text."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return DEF, ""
    if isinstance(node, ast.ClassDef):
        return CLASS, ""
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return VARIABLE, ""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [item for target in targets for item in (target.elts if isinstance(target, ast.Tuple) else [target])]
        if all(isinstance(name, ast.Name) for name in names) and node.value is not None:
            return (FROZEN if _frozen(node.value) else VARIABLE), _shown(node.value)
    return (FROZEN, "") if type(node).__name__ == "TypeAlias" else (LOOSE, "")


def _frozen(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return all(map(_frozen, node.elts))
    if isinstance(node, ast.BinOp):
        return _frozen(node.left) and _frozen(node.right)
    if isinstance(node, ast.UnaryOp | ast.Attribute):
        return _frozen(node.operand if isinstance(node, ast.UnaryOp) else node.value)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _IMMUTABLE
    return isinstance(node, ast.Constant | ast.Lambda)


def _shown(node: ast.expr) -> str:
    """Return a constant's value as text, if it is short and plain."""
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        if not _frozen(node):
            return ""
    text = ast.unparse(node)
    return text if len(text) <= LONGEST else ""
