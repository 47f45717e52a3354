"""What was made from what, written down in .press/made.json."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from press.files import write_whole

FILE = ".press/made.json"  # relative to the root


def digest(path: Path) -> str:
    """Return the hash of a file, "" if there is none; of a folder, of its files' names."""
    if path.is_dir():
        return sha256("\0".join(sorted(os.listdir(path))).encode()).hexdigest()
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def intact(out: Path, outputs: Mapping[str, str]) -> bool:
    """Say whether all these files are in `out`, unchanged."""
    return bool(outputs) and all(digest(out / file) == known for file, known in outputs.items())


@dataclass
class Record:
    """What the last render was made from, and what it made."""

    inputs: str = ""  # hash of all sources, settings, keys and files
    files: list[str] = field(default_factory=list)  # images and files that chapters link to
    stamps: dict[str, str] = field(default_factory=dict)  # of each format: the hash of its pages
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)  # of each format: its files and their hashes

    @classmethod
    def load(cls, root: Path) -> Record:
        """Return what is on record; nothing if the record is missing or damaged."""
        try:
            return cls(**json.loads((root / FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    def save(self, root: Path) -> None:
        """Put it on record."""
        write_whole(root / FILE, json.dumps(asdict(self), indent=1))
