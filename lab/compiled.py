"""Machine code from C++ that says the same as some Python, where there is a compiler.

Not part of any key, like `lab.progress`: which of the two computes is the machine's business, and changes a result by
rounding only.  The C++ itself counts as what a run reads, with all that it includes, also where there is no compiler.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import subprocess
import tempfile
import warnings
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from press import cached, cached_file, keep, recorder

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
    recorder.note(source)
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return None
    defined = [f"-D{name}={value}" for name, value in sorted(constants.items())]
    made_of = (platform.machine(), _target(compiler), *FLAGS, *defined, _digest(source))
    # What the source included the last time: if all that is as it was, it includes the same again.
    listed = cached(_folder(source, ".headers"), made_of, lambda: b"", newest=SETTINGS).decode()
    headers = [Path(name) for name in listed.splitlines()]
    for header in headers:
        recorder.note(header)
    return _library(compiler, source, tuple(defined), made_of, tuple(map(_digest, headers)))


@cache
def _library(
    compiler: str, source: Path, defined: tuple[str, ...], made_of: tuple[str, ...], headers: tuple[str, ...]
) -> ctypes.CDLL | None:
    if kept := cached_file(_folder(source), (*made_of, *headers)):
        return ctypes.CDLL(str(kept))
    with tempfile.TemporaryDirectory() as aside:
        made, rule = Path(aside) / f"{source.stem}.so", Path(aside) / "rule"
        told = ["-MMD", "-MF", str(rule)]  # without the system's headers, which differ by machine
        done = subprocess.run(
            [compiler, *FLAGS, *defined, *told, str(source), "-o", str(made)], capture_output=True, text=True
        )
        if done.returncode:
            first = next(iter([line for line in done.stderr.splitlines() if "error" in line]), "no reason given")
            warnings.warn(f"{source.name} did not compile, so it is slower: {first}", stacklevel=3)
            return None
        named = _included(rule.read_text(encoding="utf-8"), source)
        for header in named:
            recorder.note(header)
        with suppress(OSError):  # a folder that cannot be written to: compiled for this process alone
            keep(_folder(source, ".headers"), made_of, "\n".join(map(str, named)).encode(), newest=SETTINGS)
            made = keep(_folder(source), (*made_of, *map(_digest, named)), made.read_bytes(), newest=SETTINGS)
        return ctypes.CDLL(str(made))


def _included(rule: str, source: Path) -> list[Path]:
    """Return the headers that a compiler names in its rule for make."""
    names = re.split(r"(?<!\\)\s+", rule.partition(": ")[2].replace("\\\n", " ").strip())
    return [path for path in (Path(name.replace("\\ ", " ")) for name in names) if path != source]


def _folder(source: Path, ending: str = "") -> Path:
    return source.resolve().parents[1] / ".lab" / "compiled" / f"{source.stem}{ending}"


def _digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


@cache
def _target(compiler: str) -> str:
    """Return what a compiler says about itself and this processor: all that it defines beforehand."""
    asked = [compiler, "-march=native", "-dM", "-E", "-x", "c++", os.devnull]
    return subprocess.run(asked, capture_output=True, text=True).stdout
