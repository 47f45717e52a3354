"""What decides the last bits of a number on this machine, and which calls give other bits on another.

Processors of one name do not compute the same.  NumPy, OpenBLAS, MKL, oneDNN, PyTorch and the C library each choose among
several versions of a function by the processor's instructions, and cut matrices into blocks by the size of its caches; the
versions add in different orders.  So the bits of a result are promised only where all of that is the same.
"""

from __future__ import annotations

import ctypes
import math
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

VECTORS = ("fma", "avx", "amx", "asimd", "sve", "neon")  # instructions that numerical libraries choose by
CHOICES = ("NPY_", "OPENBLAS_", "ATEN_", "MKL_", "ONEDNN_", "DNNL_", "GLIBC_")  # variables that overrule their choice
NOT_TOLD = "not told"  # by a build of a library that does not say which functions it chose

# What MKL calls the library of functions that it takes for a processor, by its own number for it (2024.2).
MKL_LIBRARIES = {0: "def", 1: "def", 3: "mc3", 5: "avx2", 15: "avx2"} | dict.fromkeys((7, 9, 10, 12, 14, 16), "avx512")


@cache
def here() -> dict[str, Any]:
    """Return what decides the bits in this process, by name, and the bits that calls of the libraries it has loaded give."""
    return {"decided by": dict(_deciding()), "calls": dict(_calls())}


def differing(one: dict[str, Any], other: dict[str, Any], of: str) -> list[str]:
    """Return what differs between two machines, by name: of what is "decided by", or of the "calls"; as far as both say."""
    return sorted(name for name in one[of].keys() & other[of].keys() if one[of][name] != other[of][name])


def untold(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return what decides the bits and cannot be compared, by name: not both machines say it."""
    names = one["decided by"].keys() | other["decided by"].keys()
    return sorted(
        name for name in names if {one["decided by"].get(name), other["decided by"].get(name)} & {None, NOT_TOLD}
    )


def machine() -> str:
    """Return processor, cores and system, for example "AMD EPYC 7763 with AVX2, 2 cores, Linux x86_64".

    The widest vectors are named because they decide the order of sums: processors of one name that differ in them differ in
    the last bits of results.
    """
    info = _cpuinfo()
    processor, flags = (
        info.get("model name") or platform.processor() or "unknown processor",
        info.get("flags", "").split(),
    )
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= set(flags):
        processor += " with AVX-512"
    elif {"avx2", "fma"} <= set(flags):
        processor += " with AVX2"
    return f"{processor}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _deciding() -> Iterator[tuple[str, str]]:
    info = _cpuinfo()
    numbers = [f"{name.split()[-1]} {info[name]}" for name in ("cpu family", "model", "stepping") if name in info]
    yield "processor", " ".join([info.get("vendor_id", "") or platform.machine(), *numbers])
    flags = info.get("flags", info.get("Features", "")).split()
    yield "vectors", " ".join(sorted(flag for flag in flags if flag.startswith(VECTORS)))
    places = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    caches = [[_read(place / name).strip() for name in ("level", "type", "size")] for place in places]
    yield "caches", " ".join(f"L{level} {size}" for level, kind, size in caches if kind != "Instruction")
    yield "C library", " ".join(platform.libc_ver())
    careful = sum([1e16, 1.0, -1e16])  # since Python 3.12
    yield "Python's sum of floats", "carries along what rounding loses" if careful else "rounds after each"
    chosen = [f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith(CHOICES) and "THREADS" not in k]
    yield "variables", " ".join(chosen)
    if core := sys.modules.get("numpy._core._multiarray_umath"):
        yield "NumPy", " ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name)) or "baseline"
    for file in sorted(set(re.findall(r"/\S*openblas\S*\.so\S*", _read(Path("/proc/self/maps"))))):
        yield f"OpenBLAS of {Path(file).parent.name.partition('.')[0]}", _openblas(ctypes.CDLL(file))
    if torch := sys.modules.get("torch"):
        yield "PyTorch", torch.backends.cpu.get_cpu_capability()
        built = [line.strip(" -") for line in torch.__config__.show().splitlines()]
        yield "MKL, oneDNN", "; ".join(line.partition(" for ")[0] for line in built if line.startswith("Intel(R)"))
        if torch.backends.mkl.is_available():
            yield "MKL's functions", _mkl(Path(torch.__path__[0], "lib", "libtorch_cpu.so"))
        if torch.backends.mkldnn.is_available():
            yield "oneDNN's functions", _onednn(torch)


def _calls() -> Iterator[tuple[str, str]]:
    """Yield a hash of what each call gives for the same numbers."""
    if "numpy" not in sys.modules:
        return
    import numpy as np

    large = (np.arange(1, 65537) * 40503 % 65537 / 65537 * 4 - 2).reshape(256, 256)  # no pattern; the same everywhere
    made = _numpy(np, large)
    if "scipy.special" in sys.modules:
        from scipy import special

        made |= {"scipy.special.ndtr": special.ndtr(large), "scipy.special.erfinv": special.erfinv(large / 4)}
    if torch := sys.modules.get("torch"):
        made |= _torch(torch, large, "float32") | _torch(torch, large, "float64")
    for name, value in made.items():
        yield name, sha256(np.asarray(value).tobytes()).hexdigest()[:12]


def _numpy(np: Any, large: Any) -> dict[str, Any]:
    a = large[:64, :64]
    x, positive, narrow = a.ravel(), np.abs(a) + 0.1, a.astype(np.float32)
    floats = x.tolist()
    return {
        "math.exp": [math.exp(value) for value in floats],
        "math.tanh": [math.tanh(value) for value in floats],
        "math.log": [math.log(value) for value in positive.ravel().tolist()],
        "numpy.sin": np.sin(x),
        "numpy.exp": np.exp(x),
        "numpy.log": np.log(positive),
        "numpy.tanh": np.tanh(x),
        "numpy.log1p": np.log1p(positive),
        "numpy.power": positive**0.3,
        "numpy.exp float32": np.exp(narrow),
        "numpy.log float32": np.log(positive.astype(np.float32)),
        "numpy.tanh float32": np.tanh(narrow),
        "numpy.sum": np.exp(x[:4001]).sum(),
        "numpy.std": a.std(axis=0),
        "numpy.einsum": np.einsum("ij,kj->ik", a, a),
        "numpy.dot": x @ x,
        "numpy.matmul": a @ a,
        "numpy.matmul by a vector": a @ x[:64],
        "numpy.matmul large": large @ large,
        "numpy.matmul float32": narrow @ narrow,
        "numpy.linalg.eigvalsh": np.linalg.eigvalsh(a + a.T),
    }


def _torch(torch: Any, large: Any, kind: str) -> dict[str, Any]:
    wide = torch.tensor(large, dtype=getattr(torch, kind))
    m, batch = wide[:64, :64], wide[:64, :64].reshape(8, 32, 16)
    functional = torch.nn.functional
    made = {
        "exp": m.exp(),
        "log": (m.abs() + 0.1).log(),
        "tanh": m.tanh(),
        "sum": m.exp().flatten()[:4001].sum(),
        "std": m.std(0),
        "log_softmax": m.log_softmax(1),
        "matmul": m @ m,
        "matmul large": wide @ wide,
        "bmm": torch.bmm(batch, batch.mT),
        "nn.functional.linear": functional.linear(m[:, :30], m[:, 30:60], m[0]),
        "nn.functional.cross_entropy": functional.cross_entropy(m[:, :27], torch.arange(64) % 27),
    }
    return {f"torch.{name} {kind}": value.numpy() for name, value in made.items()}


def _cpuinfo() -> dict[str, str]:
    """Return what Linux says of the first processor; elsewhere nothing."""
    first = _read(Path("/proc/cpuinfo")).partition("\n\n")[0]
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}


def _read(file: Path) -> str:
    """Return what a file of the system's says; nothing where there is none."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def _openblas(library: Any) -> str:
    """Return its version, and the processor it takes this one for."""
    for name in ("scipy_openblas_get_config64_", "scipy_openblas_get_config", "openblas_get_config"):
        if asked := getattr(library, name, None):
            asked.restype = ctypes.c_char_p
            said = asked().decode().split()
            return f"{said[1]} {said[-2]}"
    return NOT_TOLD


def _mkl(file: Path) -> str:
    """Return which of its libraries of functions MKL chose, which it exports under these names for its own parts."""
    try:
        library = ctypes.CDLL(str(file))
        chosen, vectors = library.mkl_serv_cpu_detect(), library.mkl_serv_vml_cpu_detect()
        kind, zen = library.mkl_serv_get_microarchitecture(), library.mkl_serv_cpuiszen()
    except (OSError, AttributeError):
        return NOT_TOLD
    known = MKL_LIBRARIES.get(chosen, "another library")
    return f"{known} ({chosen}), vector functions {vectors}, microarchitecture {kind}{', Zen' if zen else ''}"


def _onednn(torch: Any) -> str:
    """Return the instructions that oneDNN chose, and its implementations of a few calls, as it reports them itself.

    It prints them, in C, where only the file number 1 is known.
    """
    sys.stdout.flush()
    usual = os.dup(1)
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        try:
            with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
                one = torch.ones(32, 64).to_mkldnn()
                torch.nn.functional.linear(one, one)
                one.relu()
        except RuntimeError:  # no such implementation here
            pass
        finally:
            ctypes.CDLL(None).fflush(None)
            os.dup2(usual, 1)
            os.close(usual)
        printed.seek(0)
        said = printed.read().decode(errors="replace")
    made = [match.split(":", 1)[-1] for match in re.findall(r",exec,cpu,(?!reorder)\w+,([^,]+),", said)]
    return "; ".join([*re.findall(r",info,cpu,isa:(.+)", said), *made]) if made else NOT_TOLD
