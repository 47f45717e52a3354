"""What a process read of a project, as data: which files, folders and variables, and what each of them was.

    {"read": {"data/names.txt": "<SHA-256>"}, "listed": {"data": ...}, "found": {"data/more.txt": "missing"}, "variables": {"SCALE": null}}

A record is made by press.execute.recorder.  It holds if everything in it is still as it was.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from stat import S_ISDIR, S_ISREG, S_IXUSR

Record = dict[str, dict[str, str | None]]
READ, LISTED, FOUND, VARIABLES = "read", "listed", "found", "variables"
NOUNS = {READ: "file", LISTED: "folder", FOUND: "file", VARIABLES: "environment variable"}
MISSING, FOLDER = "missing", "folder"
EITHER = "|"  # between two states that are as good: before the run wrote the file itself, and after
# What lies in a project and is no input: what tools keep there, and what the lab and press make.
_IGNORED = {".git", ".venv", "venv", "site-packages", "__pycache__", ".lab", ".press", "_book", "_freeze", ".quarto"}
_IGNORED |= {".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


def empty() -> Record:
    """Return a record of nothing."""
    return {kind: {} for kind in NOUNS}


def is_ignored(parts: tuple[str, ...]) -> bool:
    """Say whether a path in the project, by its parts, is never an input."""
    return any(part in _IGNORED or part.endswith((".egg-info", ".pyc")) for part in parts)


def merge(into: Record, other: Record) -> list[str]:
    """Add a record to another; return what the two have found to be different things, in words."""
    differ = []
    for kind, entries in other.items():
        for name, state in entries.items():
            if into[kind].setdefault(name, state) != state:
                differ.append(f"{NOUNS[kind]} {name}")
    return differ


class Present:
    """One look at a project as it is now: each file is read once."""

    def __init__(self, root: Path, variables: Mapping[str, str] | None = None) -> None:
        self._root = root
        self._variables = os.environ if variables is None else variables
        self._seen: dict[tuple[str, str], str | None] = {}

    def differences(self, record: Record) -> list[str]:
        """Return what is not as a record has it, in words."""
        found = []
        for kind, entries in record.items():
            for name, then in entries.items():
                now = self.state(kind, name)
                if now != then and not (then and now in then.split(EITHER)):
                    found.append(f"{NOUNS[kind]} {name}{_change(kind, then, now)}")
        return found

    def holds(self, record: Record) -> bool:
        """Say whether everything is as a record has it."""
        return not self.differences(record)

    def state(self, kind: str, name: str) -> str | None:
        """Return what a file, folder or variable is now."""
        if (kind, name) not in self._seen:
            variable = kind == VARIABLES
            state = hash_of_value(self._variables.get(name)) if variable else look(kind, self._root / name)
            self._seen[kind, name] = state
        return self._seen[kind, name]


def look(kind: str, path: Path | str) -> str:
    """Return what a file or folder is now."""
    return {READ: content, LISTED: listing, FOUND: found}[kind](path)


def content(path: Path | str) -> str:
    """Return the SHA-256 of a file."""
    try:
        with open(path, "rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:
        return found(path)


def listing(path: Path | str) -> str:
    """Return the hash of the names in a folder, with what is found at each."""
    try:
        with os.scandir(path) as entries:
            there = sorted((entry.name, found(entry.path)) for entry in entries if not is_ignored((entry.name,)))
    except OSError:
        return found(path)
    return sha256(repr(there).encode("utf-8", "surrogatepass")).hexdigest()


def found(path: Path | str) -> str:
    """Return what there is at a path: nothing, a folder, or a file of so many bytes; of a link also where it leads."""
    link = ""
    try:
        if os.path.islink(path):
            link = f"link to {os.readlink(path)}: "
        there = os.stat(path)
    except (OSError, ValueError):
        return link + MISSING
    executable = ", executable" if there.st_mode & S_IXUSR else ""  # the one permission that git keeps
    return link + (FOLDER if S_ISDIR(there.st_mode) else f"file of {there.st_size} bytes{executable}")


def hash_of_value(value: str | None) -> str | None:
    """Return a hash of a variable's value, None for one that is not set; results are published, so never the value."""
    return None if value is None else sha256(f"variable\0{value}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def is_file(path: str) -> bool:
    """Say whether there is a file with a content of its own: no folder, no device, no pipe."""
    try:
        return S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _change(kind: str, then: str | None, now: str | None) -> str:
    if kind == VARIABLES:
        return " is not set any more" if now is None else " is set now" if then is None else " has another value"
    if MISSING in (then, now):
        return " is there now" if then == MISSING else " is gone"
    return ": other files in it" if kind == LISTED else " changed"
