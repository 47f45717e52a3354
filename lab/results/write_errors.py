"""Says what keeps a file from being written, and what to do about it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from lab.errors import LabError

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
