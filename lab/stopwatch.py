"""The one clock that an experiment may look at.

What it measures is never the same twice, so a Result says which of its fields are measured times (`field(metadata={"times": ...})`),
and `lab verify` compares those apart.
"""

from __future__ import annotations

import time


def processor_seconds() -> float:
    """Return the processor time that this process has used so far."""
    return time.process_time()
