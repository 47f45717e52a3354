"""Imports a project's modules from their source, never from __pycache__.

Python takes a module's compiled form as current when the source's size and its time stamp, in whole seconds, agree: code
edited within the second that it was last imported in, or put back with its old time, would run as it was, under a key that
says it has changed.
"""

from __future__ import annotations

import sys
from importlib.machinery import FileFinder, SourceFileLoader
from pathlib import Path
from typing import Any


class _FromSource(SourceFileLoader):
    def path_stats(self, path: Any) -> Any:
        """Say nothing of the source's size and age: then Python neither reads nor writes a compiled form."""
        raise OSError(path)


def sourced(root: Path) -> None:
    """Import modules in this folder from their source from now on; installed libraries, in .venv too, as ever."""
    finder = FileFinder.path_hook((_FromSource, [".py"]))

    def hook(entry: str) -> Any:
        place = Path(entry)
        inside = place.relative_to(root).parts if place.is_relative_to(root) else (".",)
        if "site-packages" in inside or any(part.startswith(".") for part in inside):
            raise ImportError(entry)
        return finder(entry)

    if str(root) not in _done:
        _done.add(str(root))
        sys.path_hooks.insert(0, hook)
        for entry in [entry for entry in sys.path_importer_cache if Path(entry).is_relative_to(root)]:
            del sys.path_importer_cache[entry]


_done: set[str] = set()
