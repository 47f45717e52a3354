"""Imports a project's modules from their source, never from the bytecode that Python keeps beside it.

Python takes bytecode for current if it notes the source's size and its time in whole seconds.  Two saves within a second, a
file restored with its time, a clock set back: and the old code runs, in the name of the new.
"""

from __future__ import annotations

import py_compile
import sys
from contextlib import suppress
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from typing import Any

_roots: set[str] = set()


class _FromSource(SourceFileLoader):
    def path_stats(self, path: Any) -> Any:
        raise OSError("without a time and a size there is no bytecode to take for current, nor to keep")


def from_source(root: Path | str) -> None:
    """Make every import from a folder in `root` that comes after this read the source."""
    base = str(Path(root).resolve())
    if base in _roots:
        return
    _roots.add(base)

    def finder(path: str) -> FileFinder:
        if not _within(path, base):
            raise ImportError(f"{path} is not the project's")  # and Python asks the next hook
        return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_FromSource, [".py"]))

    sys.path_hooks.insert(0, finder)
    for path in [path for path in sys.path_importer_cache if _within(path, base)]:
        del sys.path_importer_cache[path]


def forget(root: Path) -> None:
    """Let no bytecode kept in a project be taken for current by size and time, in kernels that somebody else starts.

    What is there is made again with a hash of its source in it, by which Python then goes; it stays for the next time.
    """
    tops = [top for top in root.iterdir() if top.is_dir() and not top.name.startswith(".")]  # .venv is large
    for folder in [root / "__pycache__", *(found for top in tops for found in top.rglob("__pycache__"))]:
        if _within(str(folder), str(root.resolve())):
            for kept in folder.glob("*.pyc"):
                with suppress(OSError):
                    if not _goes_by_hash(kept):
                        kept.unlink()
                        _compile(folder.parent / f"{kept.name.partition('.')[0]}.py", kept)


def _goes_by_hash(kept: Path) -> bool:
    with kept.open("rb") as file:
        return file.read(8) == MAGIC_NUMBER + b"\3\0\0\0"


def _compile(source: Path, kept: Path) -> None:
    by_hash = py_compile.PycInvalidationMode.CHECKED_HASH
    with suppress(py_compile.PyCompileError, FileNotFoundError):
        if Path(cache_from_source(str(source))).name == kept.name:  # else of another Python, or pytest's own
            py_compile.compile(str(source), str(kept), doraise=True, invalidation_mode=by_hash)


def _within(path: str, base: str) -> bool:
    """Say whether a folder or file is one of the project's own: not hidden, no environment's."""
    inside = Path(path).resolve()
    if not inside.is_relative_to(base):
        return False
    parts = inside.relative_to(base).parts
    return "site-packages" not in parts and not any(part.startswith(".") for part in parts)
