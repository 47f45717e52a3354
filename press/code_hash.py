"""A hash of press's own code: whatever it made is made anew when it changes."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

_HOME = Path(__file__).parent


@cache
def code_hash(*parts: str) -> str:
    """Return the hash of some of press's files and folders; of all outside the writers, `html` and `pdf`, by default."""
    files = [file for part in parts for file in [_HOME / part, *(_HOME / part).rglob("*")]] or [
        file for file in _HOME.rglob("*") if file.relative_to(_HOME).parts[0] not in ("html", "pdf")
    ]
    state = sha256()
    for file in sorted(files):
        if file.is_file() and file.suffix != ".pyc":
            state.update(file.relative_to(_HOME).as_posix().encode() + b"\0" + file.read_bytes())
    return state.hexdigest()
