"""Plain values as strict JSON: the same text for the same value everywhere, floats to the last bit, and nothing else."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path, PurePath
from typing import Any

from lab.errors import LabError


def pack(value: Any) -> Any:
    """Turn a plain value into what JSON can hold; floats that JSON cannot write become {"float": "nan"}."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a numpy number
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, tuple | list):
        return [pack(item) for item in value]
    if isinstance(value, dict):
        return {str(name): pack(item) for name, item in value.items()}
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__}")


def unpack(value: Any) -> Any:
    """Turn what JSON held back into plain values; lists become tuples."""
    if isinstance(value, list):
        return tuple(unpack(item) for item in value)
    if isinstance(value, dict):
        if value.keys() == {"float"}:
            return float(value["float"])
        return {name: unpack(item) for name, item in value.items()}
    return value


def dumps(value: Any, indent: int | None = None) -> str:
    """Write packed values as JSON.  Without `indent`: one canonical line, to be hashed."""
    if indent is None:
        return json.dumps(value, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return json.dumps(value, allow_nan=False, ensure_ascii=False, indent=indent) + "\n"


def loads(text: str | bytes) -> Any:
    """Read strict JSON: no NaN, no name twice.  Raises ValueError."""
    return json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)


def digest(value: Any) -> str:
    """Return the SHA-256 of packed values, in hexadecimal."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()


def content(path: Path) -> str:
    """Return the SHA-256 of a file's content; of a folder's, of its files' names and contents."""
    if path.is_dir():
        files = sorted(found for found in path.rglob("*") if found.is_file())
        return digest([[found.relative_to(path).as_posix(), content(found)] for found in files])
    if not path.is_file():
        raise LabError(f"{path} is neither a file nor a folder\ndata lies in files")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found
