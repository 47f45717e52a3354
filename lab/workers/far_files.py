"""Files of a project for a helper on another machine: it has the sources, and asks for whatever else its code looks at.

A file is there before the code opens it, a folder is whole before the code lists it, and what is missing where the run began is
missing there: so its record of what was read says the same as one made here.
"""

from __future__ import annotations

import queue
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path

from lab.workers.messages import FilesThere, Message, NeedFile, Tell
from press import reads, write_whole


def answer(asked: NeedFile, root: Path) -> FilesThere:
    """Return what there is at a path of the project, as far as it can be an input."""
    parts = tuple(asked.path.split("/"))
    place = root / asked.path
    if ".." in parts or reads.is_ignored(parts):
        return FilesThere({}, [])
    if reads.is_file(str(place)):
        return FilesThere({asked.path: _content(place)}, [])
    if not place.is_dir():
        return FilesThere({}, [])
    inside = [path for path in place.iterdir() if not reads.is_ignored((path.name,))] if asked.listed else []
    files = {path.relative_to(root).as_posix(): _content(path) for path in inside if reads.is_file(str(path))}
    return FilesThere(files, [asked.path, *(path.relative_to(root).as_posix() for path in inside if path.is_dir())])


def fetcher(root: Path, tell: Tell, inbox: queue.Queue[Message]) -> Callable[[str, bool], None]:
    """Return what gets a path of the project here before code looks at it, each once."""
    asked: set[tuple[str, bool]] = set()
    turn = threading.Lock()

    def fetch(path: str, listed: bool) -> None:
        with turn:
            if (path, listed) in asked or (not listed and (root / path).exists()):
                return
            asked.add((path, listed))
            tell(NeedFile(path, listed))
            there = inbox.get()
            assert isinstance(there, FilesThere)
            for folder in there.folders:
                (root / folder).mkdir(parents=True, exist_ok=True)
            for name, content in there.files.items():
                if not (root / name).exists():
                    write_whole(root / name, b64decode(content), aside=root / ".lab")

    return fetch


def _content(path: Path) -> str:
    return b64encode(path.read_bytes()).decode("ascii")
