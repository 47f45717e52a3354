"""What decides the last bits of a number on this machine, and which calls give other bits on another.

Processors of one name do not compute the same.  NumPy, OpenBLAS, MKL, oneDNN, PyTorch and the C library each choose among
several versions of a function by the processor's instructions, and cut matrices into blocks by the size of its caches; the
versions add in different orders.  So the bits of a result are promised only where all of that is the same.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

VECTORS = ("fma", "avx", "amx", "asimd", "sve", "neon")  # instructions that numerical libraries choose by
CHOICES = ("NPY_", "OPENBLAS_", "ATEN_", "MKL_", "ONEDNN_", "DNNL_", "GLIBC_")  # variables that overrule their choice


@cache
def here() -> dict[str, Any]:
    """Return what decides the bits in this process, by name, and the bits that calls of the libraries it has loaded give."""
    return {"decided by": dict(_deciding()), "calls": dict(_calls())}


def differing(one: dict[str, Any], other: dict[str, Any], of: str) -> list[str]:
    """Return what differs between two machines, by name: of what is "decided by", or of the "calls"."""
    names = one[of].keys() | other[of].keys()
    return sorted(name for name in names if one[of].get(name) != other[of].get(name))


def _deciding() -> Iterator[tuple[str, str]]:
    info = _cpuinfo()
    numbers = [f"{name} {info[key]}" for name, key in (("family", "cpu family"), ("model", "model"), ("stepping", "stepping"))
               if key in info]
    yield "processor", " ".join([info.get("vendor_id", "") or platform.machine(), *numbers])
    flags = info.get("flags", info.get("Features", "")).split()
    yield "vectors", " ".join(sorted(flag for flag in flags if flag.startswith(VECTORS)))
    yield "caches", " ".join(_caches())
    yield "C library", " ".join(platform.libc_ver())
    yield "variables", " ".join(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith(CHOICES) and "THREADS" not in k)
    if "numpy" in sys.modules:
        from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

        yield "NumPy", " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name)) or "baseline"
    for file in _loaded("openblas"):
        yield f"OpenBLAS of {Path(file).parent.name.partition('.')[0]}", _openblas(file)
    if torch := sys.modules.get("torch"):
        yield "PyTorch", torch.backends.cpu.get_cpu_capability()
        built = [line.strip(" -") for line in torch.__config__.show().splitlines()]
        yield "MKL, oneDNN", "; ".join(line.partition(" for ")[0] for line in built if line.startswith("Intel(R)"))


def _calls() -> Iterator[tuple[str, str]]:
    """Yield a hash of what each call gives for the same numbers."""
    if "numpy" not in sys.modules:
        return
    import numpy as np

    x = np.arange(1, 65537) * 40503 % 65537 / 2.0**14 - 2  # as good as random, and the same everywhere
    large, x = x.reshape(256, 256), x[:4096]
    a, narrow = x.reshape(64, 64), x.astype(np.float32)
    tried: dict[str, Callable[[], Any]] = {
        "numpy.sin": lambda: np.sin(x),
        "numpy.exp": lambda: np.exp(x),
        "numpy.log": lambda: np.log(np.abs(x)),
        "numpy.tanh": lambda: np.tanh(x),
        "numpy.log1p": lambda: np.log1p(np.abs(x)),
        "numpy.power": lambda: np.abs(x) ** 0.3,
        "numpy.exp float32": lambda: np.exp(narrow),
        "numpy.log float32": lambda: np.log(np.abs(narrow)),
        "numpy.tanh float32": lambda: np.tanh(narrow),
        "numpy.sum": lambda: x[:4001].sum(),
        "numpy.std": lambda: a.std(axis=0),
        "numpy.einsum": lambda: np.einsum("ij,kj->ik", a, a),
        "numpy.matmul": lambda: a @ a,
        "numpy.matmul, large": lambda: large @ large,
        "numpy.matmul float32": lambda: narrow.reshape(64, 64) @ narrow.reshape(64, 64),
        "numpy.matmul, a vector": lambda: a @ x[:64],
        "numpy.dot": lambda: x @ x,
        "numpy.linalg.eigvalsh": lambda: np.linalg.eigvalsh(a + a.T),
    }
    if "scipy.special" in sys.modules:
        from scipy import special

        tried |= {"scipy.special.ndtr": lambda: special.ndtr(x), "scipy.special.erfinv": lambda: special.erfinv(x / 4)}
    if torch := sys.modules.get("torch"):
        tried |= _torch(torch, x, large)
    for name, call in tried.items():
        yield name, sha256(np.asarray(call()).tobytes()).hexdigest()[:12]


def _torch(torch: Any, x: Any, large: Any) -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {}
    for kind, mark in ((torch.float32, ""), (torch.float64, " float64")):
        t, wide = torch.tensor(x, dtype=kind), torch.tensor(large, dtype=kind)
        m, batch = t.reshape(64, 64), t.reshape(8, 32, 16)
        targets = torch.arange(64) % 27
        calls: dict[str, Callable[[Any, Any, Any], Any]] = {
            "exp": lambda t, m, batch: t.exp(),
            "log": lambda t, m, batch: t.abs().log(),
            "tanh": lambda t, m, batch: t.tanh(),
            "sum": lambda t, m, batch: t[:4001].sum(),
            "std": lambda t, m, batch: m.std(0),
            "log_softmax": lambda t, m, batch: m.log_softmax(1),
            "matmul": lambda t, m, batch: m @ m,
            "bmm": lambda t, m, batch: torch.bmm(batch, batch.mT),
            "nn.functional.linear": lambda t, m, batch: torch.nn.functional.linear(m[:, :30], m[:, 30:60], m[0]),
        }
        for name, call in calls.items():
            found[f"torch.{name}{mark}"] = lambda call=call, t=t, m=m, batch=batch: call(t, m, batch).numpy()  # type: ignore[misc]
        found[f"torch.matmul, large{mark}"] = lambda wide=wide: (wide @ wide).numpy()  # type: ignore[misc]
        cost = torch.nn.functional.cross_entropy
        found[f"torch.nn.functional.cross_entropy{mark}"] = lambda m=m: cost(m[:, :27], targets).numpy()  # type: ignore[misc]
    return found


@cache
def _cpuinfo() -> dict[str, str]:
    """Return what Linux says of the first processor; elsewhere nothing."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _caches() -> Iterator[str]:
    for place in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = ((place / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            yield f"L{level} {size}"


def _loaded(word: str) -> list[str]:
    """Return the shared libraries of this process with a word in their names."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return sorted({line.split(maxsplit=5)[-1] for line in lines if word in line and ".so" in line})


def _openblas(file: str) -> str:
    library = ctypes.CDLL(file)
    for name in ("scipy_openblas_get_config64_", "scipy_openblas_get_config", "openblas_get_config"):
        if hasattr(library, name):
            asked = getattr(library, name)
            asked.restype = ctypes.c_char_p
            said = asked().decode().split()
            return f"{said[1]} {said[-2]}"  # its version, and the processor it takes this one for
    return "unknown"
