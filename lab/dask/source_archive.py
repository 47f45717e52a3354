"""A project as one file, for machines that have none: the sources and whatever else its code may look at."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.errors import LabError
from lab.keys.key import Key
from press import reads

HOME = Path(__file__).resolve().parents[2]
PACKAGES = ("lab", "press")  # what runs there
SUFFIXES = {".py", ".txt"}  # of the lab's own files, with its templates
MOST = 2**30  # bytes: more would have to lie where the workers are


def archive(keys: Iterable[Key], root: Path) -> bytes:
    """Return a zip of a project's folder, of modules elsewhere that experiments need, of the lab and press.

    What tools keep in the folder stays behind, and so does data outside it.  Raises LabError for a folder that is too large.
    """
    ours = [path for package in PACKAGES for path in (HOME / package).rglob("*") if path.suffix in SUFFIXES]
    files = {path.relative_to(HOME).as_posix(): path for path in ours}
    for key in keys:
        files |= {file: path for file, path in key.files.items() if path.is_file() and not Path(file).is_absolute()}
    files |= {path.relative_to(root).as_posix(): path for path in _inputs(root)}
    if sum(path.stat().st_size for path in files.values()) > MOST:
        raise LabError(
            f"{root} is larger than the {MOST / 1e9:.0f} GB that are sent to a cluster\nkeep data outside it"
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as made:
        for name, path in sorted(files.items()):
            made.write(path, name)
    return packed.getvalue()


def _inputs(root: Path) -> Iterator[Path]:
    """Yield the files and folders of a project that code may look at."""
    for folder, inner, names in os.walk(root):
        here = Path(folder)
        inner[:] = [
            name for name in inner if not reads.is_ignored((name,)) and not (here / name / "pyvenv.cfg").exists()
        ]
        yield from (here / name for name in inner)
        yield from (here / name for name in names if not reads.is_ignored((name,)) and reads.is_file(str(here / name)))
