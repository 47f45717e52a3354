"""Finds the modules of a project and reads their outlines, each once; those of files that did not change come from .lab/analysis.

A project's modules are those in its own folder, the lab's wherever that is installed, and any other code of the user's own: what is
installed to be edited, or lies in a folder of PYTHONPATH.  Libraries, which come as distributions, count by name and version.
"""

from __future__ import annotations

import io
import sys
import tokenize
from functools import cache
from hashlib import sha256
from importlib.machinery import PathFinder
from pathlib import Path

from lab.errors import Refused
from lab.keys import outline, params, refusals, syntax, uses
from lab.keys.canonical_json import dumps, loads
from lab.keys.outline import Outline, Unit
from press import cached

_LAB = Path(__file__).resolve().parents[1]


class Sources:
    """One look at a project's modules: each file is read once."""

    def __init__(self, root: Path):
        self.root = root
        self._added: dict[str, tuple[str, str]] = {}  # text and label of modules in no file of their own
        self.outline = cache(self._outline)
        self.bound = cache(self._bound)
        self._find = cache(self._look_for)
        self._home = cache(self._home_of)

    def label(self, module: str) -> str:
        """Return a module's file as people call it: nets/mlp.py."""
        found = self._find(module)
        return self._added.get(module, ("", ""))[1] if found is None else found[1]

    def file(self, module: str) -> Path | None:
        """Return where a module's file lies; None if it has none of its own."""
        found = self._find(module)
        return None if found is None or found[0].is_dir() else found[0]

    def _bound(self, module: str) -> dict[str, list[int]]:
        """Return the names that a module's statements bind, with the statements' numbers."""
        found = self.outline(module)
        bound: dict[str, list[int]] = {}
        for index, unit in enumerate(found.units if found else ()):
            for name in [*unit.names, *unit.also]:
                bound.setdefault(name, []).append(index)
        return bound

    def submodules(self, package: str) -> list[str]:
        """Return the modules in a package; none if it is a plain module."""
        found = self._find(package)
        if found is None or not found[2]:
            return []
        folder = found[0].parent if found[0].name == "__init__.py" else found[0]
        stems = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
        return [f"{package}.{stem}" for stem in sorted(stems) if not stem.startswith("__") and stem.isidentifier()]

    def add(self, module: str, text: str, file: str) -> None:
        """Take a module that lies in no file of its own: a chapter's code."""
        self._added[module] = text, file

    def _look_for(self, module: str) -> tuple[Path, str, bool] | None:
        """Return a module's file (or a package's folder, if it has no __init__.py), its label, and if it is a package."""
        top, *rest = module.split(".")
        parent = self._find(module.rpartition(".")[0]) if rest else None
        if rest and not (parent and parent[2]):
            return None  # most names after a module's are no modules
        home = self._home(top)
        if home is None:
            return None
        stem = home.joinpath(top, *rest)
        for path, package in ((stem / "__init__.py", True), (stem.with_name(f"{stem.name}.py"), False), (stem, True)):
            if path.is_dir() if path == stem else path.is_file():
                return path, path.relative_to(home).as_posix(), package
        return None

    def _home_of(self, top: str) -> Path | None:
        """Return the folder in which a package or module lies, by its first name; None if it is no code of the user's own."""
        if top == "lab":
            return _LAB.parent
        if top in sys.builtin_module_names or not top.isidentifier():
            return None
        if (self.root / f"{top}.py").is_file() or (self.root / top / "__init__.py").is_file():
            return self.root  # Python looks here first: this shadows a library of the same name
        home = None if top in sys.stdlib_module_names else _editable(top)
        if home and _is_library(home):
            return None
        return self.root if (self.root / top).is_dir() else home  # a folder without __init__.py shadows no library

    def _outline(self, module: str) -> Outline | None:
        """Return a module's outline; None if it is not one of the project's."""
        if module in self._added:
            text, file = self._added[module]
            return self._cached(module, text.encode(), file, package=False)
        found = self._find(module)
        if found is None:
            return None
        path, label, package = found
        if path.is_dir():
            return Outline([], {}, [], {})
        return self._cached(module, path.read_bytes(), label, package)

    def _cached(self, module: str, content: bytes, file: str, package: bool) -> Outline:
        def make() -> bytes:
            try:
                encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            except SyntaxError as error:
                raise Refused(f"{file}:1: {error.msg}\nsave it as UTF-8") from None
            text = content.decode(encoding, "replace")
            found = outline.read_outline(text.replace("\r\n", "\n"), file, module, package)
            return dumps(found).encode()

        made_of = [rules(), file, sha256(content).hexdigest()]
        units, *others = loads(cached(self.root / ".lab" / "analysis" / module, made_of, make))
        return Outline([Unit(*unit) for unit in units], *others)


@cache
def _editable(top: str) -> Path | None:
    """Return the folder in which Python would find a package or module, library or not; nothing is imported."""
    for finder in [PathFinder, *(finder for finder in sys.meta_path if "editable" in repr(finder).lower())]:
        try:
            spec = finder.find_spec(top, None)  # type: ignore[attr-defined]
        except (ImportError, AttributeError, ValueError):
            continue
        if spec and spec.submodule_search_locations:
            return Path(next(iter(spec.submodule_search_locations))).parent
        if spec and spec.origin and Path(spec.origin).is_file():
            return Path(spec.origin).parent
    return None


@cache
def _is_library(home: Path) -> bool:
    """Say whether what lies in a folder is installed there, with its name and version."""
    return bool({"site-packages", "dist-packages"} & set(home.parts)) or any(home.glob("*.dist-info"))


@cache
def rules() -> str:
    """Return the hash of the code that makes outlines and reads parameters: what older code kept is not used."""
    files = [Path(module.__file__ or "") for module in (outline, refusals, params, syntax, uses)]
    return sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
