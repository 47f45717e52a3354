"""Files and folders that are whole or not there, and a cache of what costs time to make.

Whatever press or the lab writes while somebody may read it, or may kill the writer, is written here.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

NEWEST = 5  # files of one folder that stay in the cache, so that going back and forth costs nothing
_HOME = Path(__file__).parent
_SEAL = 64  # characters at the end of a cached file: the hash of what stands before them


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file aside and rename it into place: a reader meets the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / f"{path.name}.{os.getpid()}.{threading.get_ident()}.part"
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def swap(new: Path, place: Path, previous: Path, step: Callable[[str], None] = lambda step: None) -> None:
    """Put the folder `new` in the place of another, which waits in `previous` until that is done.

    Whoever is killed in between leaves the old folder there, for `restore`.  `step` is told of each step (tests).
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    previous.parent.mkdir(parents=True, exist_ok=True)
    try:
        if place.exists():
            shutil.rmtree(previous, ignore_errors=True)
            place.rename(previous)
            step("set the old one aside")
        new.rename(place)
        sync_folder(place.parent)
        step("published")
    except OSError:
        with suppress(OSError):
            restore(place, previous)
        raise
    shutil.rmtree(previous, ignore_errors=True)


@contextmanager
def renewed(place: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which takes the place of another at the end; nothing changes if that fails."""
    aside = place.with_name(f"{place.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        yield aside
        swap(aside, place, place.with_name(f"{place.name}.old"))
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def restore(place: Path, previous: Path) -> None:
    """Bring the old folder back if a swap was cut short."""
    if not place.exists() and previous.exists():
        previous.rename(place)


def sync_folder(place: Path) -> None:
    """Make renames in a folder last through a power cut."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(path: Path) -> str:
    """Return the hash of a file, "" if there is none; of a folder, of its files' names."""
    if path.is_dir():
        return sha256("\0".join(sorted(os.listdir(path))).encode()).hexdigest()
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@cache
def code_hash(*parts: str) -> str:
    """Return the hash of some of press's files and folders; of all by default."""
    files = [file for part in parts or ["."] for file in [_HOME / part, *(_HOME / part).rglob("*")]]
    state = sha256()
    for file in sorted(files):
        if file.is_file() and file.suffix != ".pyc":
            state.update(file.relative_to(_HOME).as_posix().encode() + b"\0" + file.read_bytes())
    return state.hexdigest()


def cached(folder: Path, made_of: Iterable[str], make: Callable[[], bytes], newest: int = NEWEST) -> bytes:
    """Return what is kept in `folder` for `made_of`; make and keep it where there is nothing, or a damaged file."""
    sources = list(made_of)
    path = _path(folder, sources)
    if (found := unsealed(path)) is not None:
        with suppress(OSError):
            path.touch()  # the newest stay
        return found
    made = make()
    with suppress(OSError):  # a folder that cannot be written to: slower, no worse
        keep(folder, sources, made, newest)
    return made


def cached_json(folder: Path, made_of: Iterable[str], make: Callable[[], Any]) -> Any:
    """Return a value as `cached` does, kept as JSON."""
    return json.loads(cached(folder, made_of, lambda: json.dumps(make()).encode()))


def cached_file(folder: Path, made_of: Iterable[str]) -> Path | None:
    """Return the file kept in `folder` for `made_of`, its seal at its end; None where there is none, or a damaged one."""
    path = _path(folder, made_of)
    if unsealed(path) is None:
        return None
    with suppress(OSError):
        path.touch()  # the newest stay
    return path


def keep(folder: Path, made_of: Iterable[str], content: bytes, newest: int = NEWEST) -> Path:
    """Keep what was made, in place of the oldest in that folder.  Raises OSError where that cannot be."""
    return write_sealed(_path(folder, made_of), content, newest)


def write_sealed(path: Path, content: bytes, newest: int = NEWEST) -> Path:
    """Write a file with its seal, in place of the oldest in its folder.  Raises OSError where that cannot be."""
    write_whole(path, content + _seal(content))
    ages = {}
    for other in path.parent.iterdir():
        with suppress(OSError):  # somebody else has just removed it
            if other.is_file():
                ages[other] = other.stat().st_mtime_ns
    for old in sorted(ages, key=lambda other: ages[other])[:-newest]:
        old.unlink(missing_ok=True)
    return path


def unsealed(path: Path) -> bytes | None:
    """Return the content of a sealed file, None where there is none or it was damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content[:-_SEAL] if content[-_SEAL:] == _seal(content[:-_SEAL]) else None


def _path(folder: Path, made_of: Iterable[str]) -> Path:
    return folder / sha256("\0".join(made_of).encode()).hexdigest()[:24]


def _seal(content: bytes) -> bytes:
    return sha256(content).hexdigest().encode()
