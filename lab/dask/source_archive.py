"""A project's sources as one file, for machines that have none: exactly what the keys of some experiments were made from."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from lab.keys.key import Key

HOME = Path(__file__).resolve().parents[2]
PACKAGES = ("lab", "press")  # what runs there
SUFFIXES = {".py", ".txt"}  # of the lab's own files, with its templates


def archive(keys: Iterable[Key], root: Path) -> bytes:
    """Return a zip of the modules and data that the keys were made from, and the lab itself, with press.

    Data outside the project's folder stays behind: a worker that lacks it has another key, and says so.
    """
    files = {file: root / file for key in keys for file in key.files if not Path(file).is_absolute()}
    ours = [path for package in PACKAGES for path in (HOME / package).rglob("*") if path.suffix in SUFFIXES]
    files |= {path.relative_to(HOME).as_posix(): path for path in ours}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name, path in sorted(files.items()):
            for inner in [path] if path.is_file() else sorted(path.rglob("*")) if path.suffix == "" else []:
                if inner.is_file() and not (path.is_dir() and inner.suffix in (".py", ".pyc")):
                    part = "" if inner == path else f"/{inner.relative_to(path).as_posix()}"
                    made.writestr(zipfile.ZipInfo(name + part), inner.read_bytes())
    return packed.getvalue()
