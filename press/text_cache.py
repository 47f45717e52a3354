"""Texts that cost time to make, kept in .press under a hash of all that they were made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

NEWEST = 5  # texts of one folder that stay, so that going back and forth costs nothing


def kept(folder: Path, made_of: Iterable[str], make: Callable[[], str]) -> str:
    """Return the text kept in `folder` for `made_of`; make and keep it where there is none, or a damaged one."""
    file = folder / sha256("\0".join(made_of).encode()).hexdigest()[:24]
    if file.is_file():
        check, _, text = file.read_bytes().partition(b"\n")
        if check == _check(text):
            file.touch()
            return text.decode()
    made = make()
    content = made.encode()
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"{file.name}.part"
    aside.write_bytes(_check(content) + b"\n" + content)
    aside.replace(file)
    for old in sorted(folder.glob("?" * 24), key=lambda path: path.stat().st_mtime)[:-NEWEST]:
        old.unlink()
    return made


def _check(content: bytes) -> bytes:
    return sha256(content).hexdigest().encode()
