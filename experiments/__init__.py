"""One question each: what is run, what it gives, what the notes claim.  The folder is the list: there is no registry.

A question is a module, or a package of its name once it holds more code than one file should: then its `__init__` has the five names
that every experiment has (Params, SMOKE, Result, CLAIMS, run) and the other modules do one step each.  `lab new` writes one to start
from.  An experiment imports nets and what lies at the top of lab, never another experiment, and neither draws nor prints.

Importing an experiment to read its result, its claims or its parameters takes no network, so PyTorch (two seconds) waits
until something in it is used.  Experiments therefore write "import torch", and touch it inside functions only.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

_ONLY_ASK_WHETHER = {"matplotlib", "scipy", "numpy", "pandas"}  # isinstance(x, torch.Tensor), if torch is there


class _NoTensorYet:
    """What torch.Tensor is to those who only ask whether something is one: nothing is, while torch is not loaded."""


class _Waiting(ModuleType):
    """Stands for PyTorch in sys.modules until an attribute of it is used, then has all that PyTorch has."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__version__", "__path__"):
            raise AttributeError(name)  # pytest, inspect and others look at every module in this way
        asking = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0]
        if name == "Tensor" and sys.modules.get("torch") is self and asking in _ONLY_ASK_WHETHER:
            return _NoTensorYet
        if sys.modules.get("torch") is self:
            del sys.modules["torch"]
        loaded = importlib.import_module("torch")
        self.__dict__.update(vars(loaded))
        return getattr(loaded, name)


if "torch" not in sys.modules and importlib.util.find_spec("torch"):
    sys.modules["torch"] = _Waiting("torch")
