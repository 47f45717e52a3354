"""What code can depend on besides code, as far as its syntax says so: files, environment variables, and what to refuse.

A file or a variable that is named on the spot becomes part of the key.  What is not named cannot be followed, and is refused
with file and line.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

ELSEWHERE = (
    "names a file in a way that cannot be followed\nmake the file a Path parameter: its content is then part of the key"
)
NAMED = "name it on the spot, as in"
# What cannot be followed, by full name (or its beginning), and what to do instead.
REFUSED = {
    "importlib": "import the module by name, so that the lab can see which",
    "runpy": "import the module by name, so that the lab can see which",
    "pkgutil": "import the module by name, so that the lab can see which",
    "zipimport": "import the module by name, so that the lab can see which",
    "pydoc.locate": "import the module by name, so that the lab can see which",
    "sys.modules": "import the module by name, so that the lab can see which",
    "sys.path": "keep the module in the project, or install it",
    "sys.meta_path": "import the module by name, so that the lab can see which",
    "sys.argv": "make it a parameter",
    "sys._getframe": "what code does may not depend on how it is written",
    "linecache": "what code does may not depend on how it is written",
    "inspect": "what code does may not depend on how it is written",
    "typing.get_type_hints": "annotations are no part of a key: write what matters as a value",
    "os.environ": f'{NAMED} os.environ["NAME"]: its value is then part of the key',
    "os.getenv": f'{NAMED} os.getenv("NAME"): its value is then part of the key',
    "os.listdir": "make the folder a Path parameter, and list that",
    "os.scandir": "make the folder a Path parameter, and list that",
    "os.walk": "make the folder a Path parameter, and list that",
    "os.fwalk": "make the folder a Path parameter, and list that",
    "os.getcwd": "make the file a Path parameter",
    "os.path.expanduser": "make the file a Path parameter",
    "os.path.expandvars": "make the file a Path parameter",
    "glob": "make the folder a Path parameter, and list that",
    "pathlib.Path.cwd": "make the file a Path parameter",
    "pathlib.Path.home": "make the file a Path parameter",
    "subprocess": "a key cannot see what another program does",
    "os.system": "a key cannot see what another program does",
    "os.popen": "a key cannot see what another program does",
    "pickle": "what is unpickled brings code that a key cannot see: keep numbers and text",
    "marshal": "what is unpickled brings code that a key cannot see: keep numbers and text",
    "shelve": "what is unpickled brings code that a key cannot see: keep numbers and text",
    "socket": "a key cannot see what comes over the network",
    "urllib": "a key cannot see what comes over the network: keep the data in a file and make it a Path parameter",
    "http": "a key cannot see what comes over the network: keep the data in a file and make it a Path parameter",
    "torch.hub": "a key cannot see what comes over the network: keep the data in a file and make it a Path parameter",
    "requests": "a key cannot see what comes over the network: keep the data in a file and make it a Path parameter",
}
CALLERS = {
    "map",
    "filter",
    "sorted",
    "min",
    "max",
    "any",
    "all",
    "list",
    "next",
    "setattr",
    "delattr",
    "vars",
    "globals",
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
    "__code__": "what code does may not depend on how it is written",
    "expanduser": "make the file a Path parameter",
    "with_name": "make the other file a Path parameter too: its content is then part of the key",
    "with_stem": "make the other file a Path parameter too: its content is then part of the key",
    "with_suffix": "make the other file a Path parameter too: its content is then part of the key",
}
OPENERS = {"read_text", "read_bytes", "open", "iterdir", "glob", "rglob", "walk", "joinpath"}  # methods of a path
_READERS = {"open", "io.open", "torch.load", "pathlib.Path", "pathlib.PurePath", "torch.jit.load"}
_READERS |= {"gzip.open", "bz2.open", "lzma.open", "codecs.open", "os.open", "tarfile.open", "zipfile.ZipFile"}
_READERS |= {"sqlite3.connect", "wave.open", "PIL.Image.open", "h5py.File", "ctypes.CDLL"}
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


def leaves(node: ast.AST) -> bool:
    """Say whether an expression goes up from a path to the folder it is in: what lies beside a data file is no part of it."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return isinstance(node, ast.Attribute) and node.attr in ("parent", "parents")


def puts_together(node: ast.expr, full: str = "") -> bool:
    """Say whether an expression puts together a text that could name a file; `full` is the function's name in full."""
    if full == "os.path.join":
        return True
    texts: list[ast.expr] = []
    if isinstance(node, ast.JoinedStr):
        texts = list(node.values) if len(node.values) > 1 else []
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        texts = [node.left, node.right]
    elif (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "replace")
    ):
        texts = [node.func.value, *node.args]
    written = [item.value for item in texts if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    return bool(written) and not any(set(text) & set(" \n") for text in written) and any(map(_piece.search, written))


_piece = re.compile(r"^[\w.-]*\w/|\.[A-Za-z]\w{0,4}$")  # a folder at the beginning, or an ending


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
