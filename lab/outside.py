"""What code can depend on besides code, as far as its syntax says so: files, environment variables, and what to refuse.

A file or a variable that is named on the spot becomes part of the key.  What is not named cannot be followed, and is refused
with file and line.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

NAMED = "name it on the spot, as in"
# What cannot be followed, by full name (or its beginning), and what to do instead.
REFUSED = {
    "importlib": "import the module by name, so that the lab can see which",
    "runpy": "import the module by name, so that the lab can see which",
    "pkgutil": "import the module by name, so that the lab can see which",
    "sys.modules": "import the module by name, so that the lab can see which",
    "inspect": "what code does may not depend on how it is written",
    "typing.get_type_hints": "annotations are no part of a key: write what matters as a value",
    "os.environ": f'{NAMED} os.environ["NAME"]: its value is then part of the key',
    "os.getenv": f'{NAMED} os.getenv("NAME"): its value is then part of the key',
    "os.listdir": "make the folder a Path parameter, and list that",
    "os.scandir": "make the folder a Path parameter, and list that",
    "os.walk": "make the folder a Path parameter, and list that",
    "glob": "make the folder a Path parameter, and list that",
    "pathlib.Path.cwd": "make the file a Path parameter",
    "pathlib.Path.home": "make the file a Path parameter",
    "subprocess": "a key cannot see what another program does",
    "socket": "a key cannot see what comes over the network",
    "urllib": "a key cannot see what comes over the network: keep the data in a file and make it a Path parameter",
    "requests": "a key cannot see what comes over the network: keep the data in a file and make it a Path parameter",
}
BUILTINS = {
    "exec": "write the code out",
    "eval": "write the code out",
    "compile": "write the code out",
    "__import__": "import the module by name, so that the lab can see which",
    "input": "make it a parameter",
}
NAMES = {
    "__file__": "make the file a Path parameter",
    "__builtins__": "write the name out",
}
ATTRIBUTES = {
    "__subclasses__": "list the classes, so that the lab can see which",
    "__doc__": "docstrings are no part of a key: write what matters as a value",
    "__annotations__": "annotations are no part of a key: write what matters as a value",
    "__globals__": "write the name out",
}
_READERS = {"open", "io.open", "torch.load", "pathlib.Path", "pathlib.PurePath", "torch.jit.load"}
_READERS |= {f"numpy.{name}" for name in ("load", "loadtxt", "genfromtxt", "fromfile", "memmap")}
_READERS |= {f"scipy.io.{name}" for name in ("loadmat", "readsav", "wavfile.read")}
_ENVIRONMENT = {"os.getenv", "os.environ.get", "os.environ.pop", "os.environ.setdefault"}


def refusal(dotted: str) -> str | None:
    """Return why a name (in full) is refused, and what to do; None if it is not."""
    for beginning, hint in REFUSED.items():
        if dotted == beginning or dotted.startswith(f"{beginning}."):
            return f"{dotted} cannot be followed\n{hint}"
    return None


def reads(dotted: str) -> bool:
    """Say whether a function (in full) takes a path."""
    return dotted in _READERS or dotted.startswith("pandas.read_")


def variable(node: ast.Call | ast.Subscript | ast.Compare, full: Callable[[ast.expr], str]) -> str | None:
    """Return the environment variable that an expression reads, if it names one; `full` gives a name in full."""
    if isinstance(node, ast.Call) and full(node.func) in _ENVIRONMENT and node.args:
        return _literal(node.args[0])
    if isinstance(node, ast.Subscript) and full(node.value) == "os.environ":
        return _literal(node.slice)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.In | ast.NotIn):
        return _literal(node.left) if full(node.comparators[0]) == "os.environ" else None
    return None


def looks_like_a_path(text: str) -> bool:
    """Say whether a text could name a file of the project: if there is one, it becomes part of the key."""
    return 0 < len(text) < 200 and not set(text) & set(" \n\t<>|*?{}$\\") and ("." in text[1:-1] or "/" in text[1:-1])


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
