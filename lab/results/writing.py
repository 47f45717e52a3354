"""Who may write: what keeps a file from being written and what to do about it, and one lock a result.

Whoever computes a result holds its lock, and the system frees it when the holder dies, however it dies.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.results.shared_cache import Shared

if TYPE_CHECKING:
    from filelock import FileLock

HINTS = {
    errno.ENOSPC: "make room on that disk; the same command then goes on from here",
    errno.EDQUOT: "make room in your quota; the same command then goes on from here",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f); the same command then goes on from here",
    errno.EROFS: "make that folder writable, or work in a copy of the project",
    errno.EACCES: "make that folder writable, or work in a copy of the project",
    errno.EPERM: "make that folder writable, or work in a copy of the project",
}


def unwritten(error: OSError, path: Path, kept: str = "") -> LabError:
    """Return the error for a file or folder that could not be written; `kept`: what became of what was there."""
    hint = HINTS.get(error.errno or 0, "see to that disk; the same command then goes on from here")
    return LabError(f"cannot write {path}: {error.strerror or error}{kept and '; '}{kept}\n{hint}")


def check_writable(place: Path) -> None:
    """Raise LabError if a result's folder could not be replaced, before hours are spent on what goes into it."""
    nearest = next(folder for folder in (place, *place.parents) if folder.exists())
    for folder in {nearest, place.parent if nearest == place else nearest}:
        probe = folder / f".writable.{os.getpid()}"
        try:
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise unwritten(error, folder) from None


def lock_of(place: Path | Shared, root: Path) -> FileLock:
    """Return the lock of a result's folder.  Raises LabError where no file can be written to be locked.

    In a team's cache it holds for this project alone: no two of us compute it.
    """
    from filelock import FileLock

    path = _file(place, root)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise unwritten(error, path) from None
    return FileLock(path)


def is_held(place: Path | Shared, root: Path) -> bool:
    """Say whether somebody computes this result at the moment."""
    if not _file(place, root).exists():
        return False  # never computed here; and filelock need not be imported
    from filelock import Timeout

    try:
        with lock_of(place, root).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except (LabError, OSError):  # a project that we may only read: whoever computes there is none of us
        return False


def _file(place: Path | Shared, root: Path) -> Path:
    parts = place.relative_to(root).parts if isinstance(place, Path) else ("shared", *place.url.split("/")[-2:])
    return root / ".lab" / "locks" / f"{'+'.join(parts)}.lock"
