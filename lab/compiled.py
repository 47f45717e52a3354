"""Machine code from C++ that says the same as some Python, where there is a compiler.

Not part of any key, like `lab.progress`: which of the two computes is the machine's business, and changes a result by
rounding only.  The C++ itself is part of the key of every experiment that reaches its name.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from press import cached_file, keep

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = 50  # of `constants` for which a file's code is kept
COMPILERS = ("c++", "g++", "clang++")
# For this very processor, and without what would let sums be taken in another order.
FLAGS = ("-std=c++20", "-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC")


def library(source: Path, **constants: str | int | float) -> ctypes.CDLL | None:
    """Return the functions of a C++ file compiled with `constants` defined; None where that cannot be had.

    A relative path starts at the project's root.
    Compiled once for each content, setting, compiler and processor, and kept in .lab/compiled beside the file's folder.
    A file that does not compile is a warning.
    """
    source = ROOT / source
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    return _library(compiler, source, source.read_bytes(), tuple(sorted(constants.items()))) if compiler else None


@cache
def _library(
    compiler: str, source: Path, content: bytes, constants: tuple[tuple[str, str | int | float], ...]
) -> ctypes.CDLL | None:
    defined = [f"-D{name}={value}" for name, value in constants]
    made_of = [platform.machine(), _target(compiler), *FLAGS, *defined, sha256(content).hexdigest()]
    folder = source.resolve().parents[1] / ".lab" / "compiled" / source.stem
    if kept := cached_file(folder, made_of):
        return ctypes.CDLL(str(kept))
    with tempfile.TemporaryDirectory() as aside:
        made = Path(aside) / f"{source.stem}.so"
        done = subprocess.run(
            [compiler, *FLAGS, *defined, str(source), "-o", str(made)], capture_output=True, text=True
        )
        if done.returncode:
            first = next(iter([line for line in done.stderr.splitlines() if "error" in line]), "no reason given")
            warnings.warn(f"{source.name} did not compile, so it is slower: {first}", stacklevel=3)
            return None
        with suppress(OSError):  # a folder that cannot be written to: compiled for this process alone
            made = keep(folder, made_of, made.read_bytes(), newest=SETTINGS)
        return ctypes.CDLL(str(made))


@cache
def _target(compiler: str) -> str:
    """Return what a compiler says about itself and this processor: all that it defines beforehand."""
    asked = [compiler, "-march=native", "-dM", "-E", "-x", "c++", os.devnull]
    return subprocess.run(asked, capture_output=True, text=True).stdout
