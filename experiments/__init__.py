"""One module or package per question: what is run, what it gives, what the notes claim.

Importing an experiment to read its result, its claims or its parameters takes no network, so PyTorch (two seconds) waits
until something in it is used.  Experiments therefore write `import torch`, and touch it inside functions only.
"""

from __future__ import annotations

from lab.lazy_torch import defer_torch

defer_torch()
