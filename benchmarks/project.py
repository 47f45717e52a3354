"""What the benchmarks share: a copy of the project to work in, and a clock."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MADE = shutil.ignore_patterns(
    ".git", ".venv", "_book*", "_freeze", ".press", ".lab", ".quarto", "__pycache__", ".*_cache"
)


@contextmanager
def fresh_copy(root: Path = ROOT) -> Iterator[Path]:
    """Give a copy of the project as a fresh clone has it, set up but with nothing rendered."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "book"
        shutil.copytree(root, copy, ignore=MADE)
        (copy / ".venv").symlink_to(Path(sys.prefix))
        yield copy


def environment(root: Path) -> dict[str, str]:
    """Return the environment in which commands work on the copy in `root`."""
    return os.environ | {"LAB_ROOT": str(root), "PYTHONPATH": str(root)}


def seconds(command: list[str], cwd: Path) -> float:
    """Run a command to its end and return how long it took, in seconds."""
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=environment(cwd), capture_output=True, text=True)
    took = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return took


def best(command: list[str], cwd: Path, times: int = 3) -> float:
    """Return the shortest of several runs, in seconds: the one that other processes disturbed least."""
    return min(seconds(command, cwd) for _ in range(times))
