"""A team's cache: results of other settings at any URL that fsspec knows (a folder, s3://..., gs://...).

The same files as in .lab/cache, with the same checksums.  An object store has no folder that could be swapped in whole, so the old
result.json goes first, and the new one, which has the checksums of all, comes last: half a result reads as none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError

VARIABLE = "LAB_CACHE"


@dataclass(frozen=True)
class Shared:
    """Where one result lies: a folder at a URL."""

    url: str

    def __str__(self) -> str:
        return self.url

    def read(self, file: str) -> bytes:
        """Return a file.  Raises FileNotFoundError, and LabError where the cache cannot be reached."""
        with self._reached() as (fs, path):
            content: bytes = fs.cat_file(f"{path}/{file}")
        return content

    def write(self, files: dict[str, bytes]) -> None:
        """Put files there, one after the other, the last one last."""
        *_, last = files
        with self._reached(missing=LabError) as (fs, path):
            fs.makedirs(path, exist_ok=True)
            if fs.exists(f"{path}/{last}"):
                fs.rm_file(f"{path}/{last}")
            for name, content in files.items():
                fs.pipe_file(f"{path}/{name}", content)

    def siblings(self) -> list[Shared]:
        """Return the results beside it that have the same key and read something else."""
        with suppress(FileNotFoundError), self._reached() as (fs, path):
            found = sorted(fs.unstrip_protocol(name) for name in fs.glob(f"{path}+*"))
            return [Shared(url if "://" in self.url else url.removeprefix("file://")) for url in found]
        return []

    def check(self) -> None:
        """Raise LabError if nothing can be written there, before hours are spent on what should be."""
        self.write({".writable": b""})
        with suppress(FileNotFoundError), self._reached() as (fs, path):  # another of the team may have looked as well
            fs.rm_file(f"{path}/.writable")

    @contextmanager
    def _reached(self, missing: type[Exception] = FileNotFoundError) -> Iterator[tuple[Any, str]]:
        """Give the file system and the path; what goes wrong there, a file that is `missing` aside, is a LabError."""
        import fsspec

        try:
            yield fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except Exception as error:  # each kind of store has its own
            if isinstance(error, missing):
                raise
            raise LabError(
                f"the cache {self.url} cannot be used: {type(error).__name__}: {error}\n"
                f"look at --cache or {VARIABLE}; without them, results of other settings are kept in .lab/cache"
            ) from None


def shared(root: Path, name: str, key: str) -> Shared | None:
    """Return where the team keeps a result; None if there is no team's cache.  A relative folder starts at the root."""
    url = os.environ.get(VARIABLE, "").rstrip("/")
    if not url:
        return None
    return Shared(f"{url if '://' in url else root / url}/{name}/{key}")
