"""One lock a result: whoever computes it holds it, and the system frees it when the holder dies, however it dies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.results.shared_cache import Shared
from lab.results.write_errors import unwritten

if TYPE_CHECKING:
    from filelock import FileLock


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
