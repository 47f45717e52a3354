"""A result of two tables that all say one word: whatever mixes two results shows."""

from __future__ import annotations

from lab.results.codec import Table
from lab.results.store import Stored


def pair(word: str) -> Stored:
    """Return a result, not written yet, whose key and tables say `word`."""
    table = Table(f"name\n{word}\n".encode(), {"name": "str"})
    return Stored("pair", word, {}, {"word": word}, {"one": table, "two": table}, {}, {})
