"""What kind of statement stands at the top level of a module: a definition, a plain constant, or something done for its effect."""

from __future__ import annotations

import ast

from lab.keys.uses import BUILTINS

DEF, CLASS, CONSTANT, LOOSE = "def", "class", "constant", "loose"
LONGEST = 60  # characters of a constant that `lab why` shows
# What an expression may consist of that does nothing but make a value, but for what it calls.
_PLAIN: tuple[type[ast.AST], ...] = (
    ast.Constant,
    ast.Name,
    ast.Attribute,
    ast.Tuple,
    ast.List,
    ast.Set,
    ast.Dict,
    ast.Starred,
    ast.expr_context,
)
_PLAIN += (ast.JoinedStr, ast.FormattedValue, ast.Call, ast.keyword, ast.UnaryOp, ast.unaryop)
_PLAIN += (ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
# Functions that make a value and change nothing, by full name; a dot at the end stands for all that a module has.
_HARMLESS = {
    *("math.", "cmath.", "operator.", "fractions.", "decimal.", "dataclasses.", "typing."),
    *("lab.claims.", "lab.estimate."),
    *(f"functools.{name}" for name in ("cache", "lru_cache", "wraps", "partial", "cached_property", "total_ordering")),
    *("functools.singledispatch", "contextlib.contextmanager", "abc.abstractmethod", "enum.unique", "enum.auto"),
    *(f"collections.{name}" for name in ("namedtuple", "defaultdict", "OrderedDict", "Counter", "deque")),
    *("pathlib.Path", "pathlib.PurePath", "re.compile", "types.MappingProxyType", "types.SimpleNamespace"),
    *(f"numpy.{name}" for name in ("array", "asarray", "arange", "linspace", "logspace", "geomspace", "zeros", "ones")),
    *(f"numpy.{name}" for name in ("sqrt", "exp", "log", "finfo", "iinfo", "float32", "float64", "int64", "dtype")),
    *(f"torch.{name}" for name in ("tensor", "arange", "linspace", "finfo", "device", "no_grad", "inference_mode")),
}
_TYPES = {"NDArray", "Annotated", "Callable", "Generic", "Iterable", "Iterator", "Literal", "Mapping", "Optional"}
_TYPES |= {"Sequence", "Union", "tuple", "list", "dict", "set", "frozenset", "type"}
_WITH_EFFECT = {"exec", "eval", "compile", "__import__", "open", "input", "print", "next", "setattr", "delattr", "vars"}
_WITH_EFFECT |= {"globals", "locals", "map", "filter", "sorted", "min", "max", "sum", "breakpoint", "super", "iter"}


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
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [item for target in targets for item in (target.elts if isinstance(target, ast.Tuple) else [target])]
        if all(isinstance(name, ast.Name) for name in names) and _plain(node.value):
            return CONSTANT, _shown(node.value)
    return (CONSTANT, "") if type(node).__name__ == "TypeAlias" else (LOOSE, "")


def inert(node: ast.ClassDef) -> bool:
    """Say whether making an instance of a class runs no code of its own."""
    methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    return not methods & {"__init__", "__new__", "__post_init__", "__call__"} and not node.keywords and not hooks(node)


def harmless(name: str) -> bool:
    """Say whether a function, by its full name, makes a value and changes nothing."""
    if "." in name:
        return name in _HARMLESS or any(name.startswith(module) for module in _HARMLESS if module.endswith("."))
    return name in BUILTINS and name not in _WITH_EFFECT


def _plain(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):  # of a type: NDArray[np.float64], tuple[int, ...]
        return ast.unparse(node.value).rpartition(".")[2] in _TYPES
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("TypeVar", "NewType", "ParamSpec"):
        return True
    if isinstance(node, ast.Lambda):
        return True
    return isinstance(node, _PLAIN) and all(map(_plain, ast.iter_child_nodes(node)))


def _shown(node: ast.expr) -> str:
    """Return a constant's value as text, if it is short and plain."""
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        if any(isinstance(inner, ast.Name | ast.Call) for inner in ast.walk(node)):
            return ""
    text = ast.unparse(node)
    return text if len(text) <= LONGEST else ""
