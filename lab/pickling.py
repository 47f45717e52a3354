"""Values on their way between the live processes of one run: over a pipe or a connection, to the last bit.

The one place that pickles.  Nothing pickled is ever written to a disk or read from one: what lies on a disk can be changed by
anybody, and unpickling it would run what they put there.  A pipe between a process and its parent is nobody else's.
"""

from __future__ import annotations

import pickle
from base64 import b64decode, b64encode
from typing import Any


def pickled(value: Any) -> str:
    """Return a value as text that fits on a line.  Raises whatever pickle does where it cannot."""
    return b64encode(pickle.dumps(value, protocol=5)).decode()


def unpickled(text: str) -> Any:
    """Return the value that `pickled` was given in another process of this run."""
    return pickle.loads(b64decode(text))
