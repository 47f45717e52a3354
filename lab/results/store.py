"""Results on disk: result.json and one CSV per table, in one folder that is swapped in whole.

    results/<experiment>/                    the book's, committed
    .lab/cache/<experiment>/<key>/           any other setting's; or in a team's cache (lab.results.shared_cache)
    .lab/cache/<experiment>/<key>+<reads>/   the same with other contents of the files that it read

A folder is written aside, synced, and renamed into place; the one it replaces waits in .lab/previous until that is done
and is read from there if it never was.  result.json holds a checksum of itself and of every CSV.  What does not check out
counts as missing, and says why.  Nothing is ever unpickled: reading a result runs no code.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import Missing, NoResult, OtherFormat
from lab.keys.canonical_json import digest, dumps, loads
from lab.keys.key import Key
from lab.results.codec import Table
from lab.results.shared_cache import Shared, shared
from lab.results.writing import unwritten
from press import reads, swap, sync_folder

FORMAT = 1  # raise it whenever what is written below changes its meaning
FILE = "result.json"
_FIELDS = {"format": int, "experiment": str, "key": str} | dict.fromkeys(
    ("params", "numbers", "tables", "parts", "provenance"), dict
)
_TABLE = {"file": str, "sha256": str, "rows": int, "dtypes": dict}
_nothing: Callable[[str], None] = lambda step: None  # noqa: E731


@dataclass(frozen=True)
class Stored:
    """A result as it lies on disk, checked."""

    experiment: str
    key: str
    params: dict[str, Any]
    numbers: dict[str, Any]
    tables: dict[str, Table]
    parts: dict[str, Any]  # what the key was made of, by name, and "reads": what the run read
    provenance: dict[str, Any]  # date, seconds, machine, versions, commit
    checksum: str = ""


def is_fresh(there: Stored, wanted: Key, present: reads.Present) -> bool:
    """Say whether a stored result is the wanted one, and everything that its run read is as it was."""
    return there.key == wanted.key and "reads" in there.parts and present.holds(there.parts["reads"])


def folder(root: Path, name: str, key: str, book: bool) -> Path | Shared:
    """Return where a result lives; `book`: it has the book's setting."""
    if book:
        return root / "results" / name
    return shared(root, name, key) or local(root, name, key)


def local(root: Path, name: str, key: str) -> Path:
    """Return where this project alone keeps a result."""
    return root / ".lab" / "cache" / name / key


def find(root: Path, wanted: Key, present: reads.Present) -> tuple[Path | Shared, Stored]:
    """Return where the result of a setting lies, and the result: the one whose reads are as they are now, if there is one.

    Raises NoResult if there is none at all.
    """
    place = folder(root, wanted.experiment, wanted.key, wanted.book)
    return (None if wanted.book else find_fresh(place, root, wanted, present)) or (place, read_result(place, root))


def find_fresh(
    place: Path | Shared, root: Path, wanted: Key, present: reads.Present
) -> tuple[Path | Shared, Stored] | None:
    """Return the result that is fresh, of those that lie at a place and beside it under the same key."""
    for inner in _beside(place):
        with suppress(NoResult):
            there = read_result(inner, root)
            if is_fresh(there, wanted, present):
                return inner, there
    return None


def place_for(place: Path | Shared, root: Path, stored: Stored) -> Path | Shared:
    """Return where a result goes, so that those with the same key and other reads stay."""
    recorded = stored.parts.get("reads")
    for inner in _beside(place):
        try:
            if read_result(inner, root).parts.get("reads") == recorded:
                return inner
        except NoResult:
            return inner
    ending = f"+{digest(recorded)[:8]}"
    return Shared(place.url + ending) if isinstance(place, Shared) else place.with_name(place.name + ending)


def _beside(place: Path | Shared) -> list[Path | Shared]:
    if isinstance(place, Shared):
        return [place, *place.siblings()]
    return [place, *sorted(place.parent.glob(f"{place.name}+*"))]


def read_result(place: Path | Shared, root: Path) -> Stored:
    """Read a result.  Raises Missing if there is none, NoResult if it is damaged; the reason is the message."""
    reason = NoResult("")
    for _ in range(1 if isinstance(place, Shared) else 5):  # a reader may meet a writer between two renames
        try:
            return _check(place.read if isinstance(place, Shared) else _reader(place))
        except FileNotFoundError:
            reason = Missing(f"{shown(place, root)} is missing")
            with suppress(FileNotFoundError, NoResult):
                if isinstance(place, Path):
                    return _check(_reader(_previous(place, root)))
        except OtherFormat as error:
            reason = OtherFormat(f"{shown(place, root)} {error}")
        except NoResult as error:
            reason = NoResult(f"{shown(place, root)} is damaged: {error}")
        except OSError as error:
            reason = NoResult(f"{shown(place, root)} cannot be read: {error.strerror}")
    raise reason


def write_result(place: Path | Shared, root: Path, stored: Stored, step: Callable[[str], None] = _nothing) -> None:
    """Publish a result in place of whatever is there.  The caller holds its lock; `step` is told of each step (tests).

    Raises LabError where the disk does not take it; what was there stays.
    """
    files = {f"{name}.csv": table.csv for name, table in stored.tables.items()}
    files[FILE] = dumps(_content(stored), indent=1).encode()  # the last: it has the checksums of all
    if isinstance(place, Shared):
        place.write(files)
        return
    staged = root / ".lab" / "staged" / _flat(place, root)
    shutil.rmtree(staged, ignore_errors=True)  # left by a writer that was killed: we hold the lock now
    try:
        staged.mkdir(parents=True)
        for name, content in files.items():
            _write(staged / name, content)
            if name != FILE:
                step(f"wrote {name}")
        sync_folder(staged)
        step("staged")
        swap(staged, place, _previous(place, root), step)
    except OSError as error:
        raise unwritten(error, Path(error.filename or place), "the result there is as it was") from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _content(stored: Stored) -> dict[str, Any]:
    tables = {
        name: {
            "file": f"{name}.csv",
            "sha256": hashlib.sha256(table.csv).hexdigest(),
            "rows": table.rows,
            "dtypes": table.dtypes,
        }
        for name, table in stored.tables.items()
    }
    content = {"format": FORMAT} | vars(stored) | {"tables": tables}
    del content["checksum"]
    return content | {"checksum": digest(content)}


def _reader(place: Path) -> Callable[[str], bytes]:
    def read(file: str) -> bytes:
        if not stat.S_ISREG((place / file).stat().st_mode):  # a pipe would be read for ever
            raise NoResult(f"{file} is not a file")
        return (place / file).read_bytes()

    return read


def _check(get: Callable[[str], bytes]) -> Stored:
    """Return the result whose files `get` reads.  Raises FileNotFoundError, or NoResult."""
    raw = get(FILE)
    try:
        content = loads(raw)
    except (ValueError, RecursionError) as error:
        raise NoResult(f"{FILE} is not JSON ({error})") from None
    found = content.get("format") if isinstance(content, dict) else None
    if type(found) is int and found != FORMAT:
        age, remedy = ("an older", "recompute it") if found < FORMAT else ("a newer", "update the project")
        raise OtherFormat(f"is in {age} lab's format, {found}; this lab reads format {FORMAT}: {remedy}")
    if found != FORMAT:
        raise NoResult(f"{FILE} has format {found!r}, this lab reads format {FORMAT}")
    checksum = content.pop("checksum", None)
    try:
        right = _fits(content) and checksum == digest(content)
    except (ValueError, RecursionError):  # 1e400: JSON takes it for a number, and Python for infinity
        right = False
    if not right:
        raise NoResult(f"{FILE} does not agree with its checksum")
    tables = {}
    for name, table in content["tables"].items():
        try:
            csv = get(f"{name}.csv")
        except FileNotFoundError:
            raise NoResult(f"{name}.csv is missing") from None
        if hashlib.sha256(csv).hexdigest() != table["sha256"]:
            raise NoResult(f"{name}.csv does not agree with its checksum")
        tables[name] = Table(csv, table["dtypes"])
    content.pop("format")
    return Stored(**(content | {"tables": tables, "checksum": checksum}))


def _fits(content: dict[str, Any]) -> bool:
    """Say whether the fields are those of a result, each of its kind; the checksum vouches for what is in them."""
    return _kinds(content) == _FIELDS and all(
        name.isidentifier() and _kinds(table) == _TABLE for name, table in content["tables"].items()
    )


def _kinds(value: Any) -> dict[str, type]:
    return {name: type(held) for name, held in value.items()} if isinstance(value, dict) else {}


def _previous(place: Path, root: Path) -> Path:
    return root / ".lab" / "previous" / _flat(place, root)


def _flat(place: Path, root: Path) -> str:
    return shown(place, root).replace("/", "+")


def shown(place: Path | Shared, root: Path) -> str:
    """Return a place as people call it: from the root on, or its URL."""
    return str(place) if isinstance(place, Shared) else place.relative_to(root).as_posix()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
