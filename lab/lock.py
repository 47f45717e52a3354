"""One lock a result: whoever computes it holds it, and the system frees it when the holder dies, however it dies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.disk import unwritten
from lab.errors import LabError

if TYPE_CHECKING:
    from filelock import FileLock


def lock_of(place: Path, root: Path) -> FileLock:
    """Return the lock of a result's folder.  Raises LabError where no file can be written to be locked."""
    from filelock import FileLock

    path = _file(place, root)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise unwritten(error, path) from None
    return FileLock(path)


def is_held(place: Path, root: Path) -> bool:
    """Say whether somebody computes this result at the moment."""
    if not _file(place, root).exists():
        return False  # never computed here; and filelock need not be imported
    from filelock import Timeout

    try:
        lock = lock_of(place, root)
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except (LabError, OSError):  # a project that we may only read: whoever computes there is none of us
        return False
    lock.release()
    return False


def _file(place: Path, root: Path) -> Path:
    return root / ".lab" / "locks" / f"{place.relative_to(root).as_posix().replace('/', '+')}.lock"
