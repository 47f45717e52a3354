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
    """Return a zip of the modules that experiments need, what lies beside them, the data that parameters name, the lab and press.

    Anything else a worker asks for (lab.workers.far_files).  Data outside the project's folder stays behind.
    """
    files: dict[str, Path] = {}
    for key in keys:
        files |= {file: path for file, path in key.files.items() if not Path(file).is_absolute()}
        beside = {path for place in key.files.values() if place.suffix == ".py" for path in place.parent.glob("*.*")}
        inside = {path for path in beside if path.suffix not in (".py", ".pyc") and path.is_relative_to(root)}
        files |= {path.relative_to(root).as_posix(): path for path in inside if path.is_file()}
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
