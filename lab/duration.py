"""Times as people write them."""

from __future__ import annotations


def duration(seconds: float | None) -> str:
    """Print a time: 0.4 s, 12 s, 3 min 20 s; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 0.05:
        return "under 0.1 s"
    if seconds < 9.5:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
