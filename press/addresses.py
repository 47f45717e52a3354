"""Where a link leads: elsewhere, or to a place in the book."""

from __future__ import annotations

import re

_ELSEWHERE = re.compile(r"(?i)[a-z][a-z0-9+.-]*:|//")


def elsewhere(target: str) -> bool:
    """Say whether a link's target is an address (https://..., mailto:..., //...), not a path or a place in the book."""
    return _ELSEWHERE.match(target) is not None


def quoted(path: str) -> str:
    """Return a path as it stands in an address, where # ? and % have a meaning of their own."""
    return path.replace("%", "%25").replace("#", "%23").replace("?", "%3F")
