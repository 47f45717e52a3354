"""One question each: what is run, what it gives, what the notes claim.  The folder is the list: there is no registry.

A question is a module, or a package of its name once it holds more code than one file should: then its `__init__` has the five names
that every experiment has (Params, SMOKE, Result, CLAIMS, run) and the other modules do one step each.  `lab new` writes one to start
from.  An experiment imports nets and what lies at the top of lab, never another experiment, and neither draws nor prints.

Importing an experiment to read its result, its claims or its parameters takes no network, so PyTorch (two seconds) waits
until something in it is used.  Experiments therefore write "import torch", and touch it inside functions only.
"""

from __future__ import annotations

from lab.lazy_torch import defer_torch

defer_torch()
