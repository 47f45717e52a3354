"""Machine code from C++ that says the same as some Python, where there is a compiler.

Not part of any key, like `lab.progress`: which of the two computes is the machine's business, and changes a result by
rounding only.  The C++ itself counts as what a run reads, with all that it includes, also where there is no compiler.
"""

from __future__ import annotations

import ctypes
import platform
import re
import shutil
import subprocess
import tempfile
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path

from press import cached_file, keep, recorder

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
    content = source.read_bytes() if source.is_file() else b""
    found, headers = _library(source, content, *(f"-D{name}={value}" for name, value in sorted(constants.items())))
    for file in (source, *headers):
        recorder.note(file)
    return found


@cache
def _library(source: Path, content: bytes, *defined: str) -> tuple[ctypes.CDLL | None, tuple[Path, ...]]:
    """Return it, and the headers that the file includes but for the system's, which differ by machine."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return None, ()
    told = [compiler, *FLAGS, *defined, str(source)]
    # All that is compiled, with what it includes, and what the compiler defines for itself and this processor.
    read = subprocess.run([*told, "-E", "-dD"], capture_output=True, text=True)
    names = re.findall(r'^# \d+ "([^"<]+)"(?: [12])*$', read.stdout, re.M)  # a system's header has a 3 as well
    headers = tuple(sorted({Path(name) for name in names} - {source}))
    folder = source.resolve().parents[1] / ".lab" / "compiled" / source.stem
    made_of = (platform.machine(), *told, read.stdout)
    if kept := cached_file(folder, made_of):
        return ctypes.CDLL(str(kept)), headers
    with tempfile.TemporaryDirectory() as aside:
        made = Path(aside) / f"{source.stem}.so"
        done = subprocess.run([*told, "-o", str(made)], capture_output=True, text=True)
        if done.returncode:
            first = next(iter([line for line in done.stderr.splitlines() if "error" in line]), "no reason given")
            warnings.warn(f"{source.name} did not compile, so it is slower: {first}", stacklevel=3)
            return None, headers
        with suppress(OSError):  # a folder that cannot be written to: compiled for this process alone
            made = keep(folder, made_of, made.read_bytes(), newest=SETTINGS)
        return ctypes.CDLL(str(made)), headers
