"""Files: their hashes, what was made from what, and the swap that puts a finished site in place of the old one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path


def digest(path: Path) -> str:
    """Return the hash of a file, "" if there is none; of a folder, of its files' names."""
    if path.is_dir():
        return sha256("\0".join(sorted(os.listdir(path))).encode()).hexdigest()
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@dataclass
class Made:
    """What the last render was made from, and what it made."""

    inputs: str = ""  # hash of all sources, settings, keys and files
    files: list[str] = field(default_factory=list)  # images and files that chapters link to
    stamps: dict[str, str] = field(default_factory=dict)  # of each format: the hash of its pages
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)  # of each format: its files and their hashes

    @classmethod
    def read(cls, root: Path) -> Made:
        """Return what is on record; nothing if the record is missing or damaged."""
        try:
            return cls(**json.loads((root / ".press/made.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, root: Path) -> None:
        """Put it on record."""
        aside = root / ".press/made.json.part"
        aside.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        aside.replace(root / ".press/made.json")


def outputs_intact(out: Path, outputs: Mapping[str, str]) -> bool:
    """Say whether all these files are in `out`, unchanged."""
    return bool(outputs) and all(digest(out / file) == known for file, known in outputs.items())


def swap(new: Path, out: Path) -> None:
    """Put the folder `new` in the place of `out`."""
    old = _old(out)
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def restore(out: Path) -> None:
    """Bring the old folder back if a swap was killed in the middle."""
    if not out.exists() and _old(out).exists():
        _old(out).rename(out)


def _old(out: Path) -> Path:
    return out.with_name(f"{out.name}.old")
