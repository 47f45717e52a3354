"""Where a link leads: elsewhere, or to a place in the book."""

from __future__ import annotations

import re

_ELSEWHERE = re.compile(r"(?i)[a-z][a-z0-9+.-]*:|//")


def elsewhere(target: str) -> bool:
    """Say whether a link's target is an address (https://..., mailto:..., //...), not a path or a place in the book."""
    return _ELSEWHERE.match(target) is not None
