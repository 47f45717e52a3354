"""PyTorch takes two seconds to import, and reading a result, its claims or its parameters takes none of it.

`defer_torch` puts a stand-in for it among the modules, which becomes PyTorch once something in it is used.  Experiments therefore write
`import torch` and `import torch.nn.functional as F`, and touch them inside functions only.  Not part of any key: what is used is PyTorch either way.
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
    """Stands for a module of PyTorch in sys.modules until an attribute of it is used, then has all that the module has."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__version__", "__path__"):
            raise AttributeError(name)  # pytest, inspect and others look at every module in this way
        within = sys.modules.get(f"{self.__name__}.{name}")
        if isinstance(within, _Waiting):
            return within  # from torch import nn
        asking = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0]
        if name == "__path__" and asking != "importlib":
            return []  # `from torch import nn` asks whether there is one; `import torch.func`, through importlib, wants it
        if name == "Tensor" and sys.modules.get("torch") is self and asking in _ONLY_ASK_WHETHER:
            return _NoTensorYet
        for module in _DEFERRED:
            if isinstance(sys.modules.get(module), _Waiting):
                del sys.modules[module]
        loaded = importlib.import_module(self.__name__)
        self.__dict__.update(vars(loaded))
        return getattr(loaded, name)


_DEFERRED = ("torch", "torch.nn", "torch.nn.functional")


def defer_torch() -> None:
    """Let PyTorch wait until it is used."""
    if "torch" not in sys.modules and importlib.util.find_spec("torch"):
        sys.modules |= {name: _Waiting(name) for name in _DEFERRED}
