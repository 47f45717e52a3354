"""Imports a project's modules from their source, never from the bytecode that Python keeps beside it.

Python takes bytecode for current if it notes the source's size and its time in whole seconds.  Two saves within a second, a
file restored with its time, a clock set back: and the old code runs, in the name of the new.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
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
    """Delete the bytecode kept in a project, for kernels that somebody else starts and that would take it for current."""
    for top in root.iterdir():
        for kept in [] if top.name.startswith(".") else top.rglob("__pycache__/*.pyc"):  # .venv is large
            if _within(str(kept), str(root.resolve())):
                with suppress(OSError):
                    kept.unlink()


def _within(path: str, base: str) -> bool:
    """Say whether a folder or file is one of the project's own: not hidden, no environment's."""
    inside = Path(path).resolve()
    if not inside.is_relative_to(base):
        return False
    parts = inside.relative_to(base).parts
    return "site-packages" not in parts and not any(part.startswith(".") for part in parts)
