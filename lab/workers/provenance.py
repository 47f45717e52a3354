"""What this computer is called in a result's provenance."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from lab.results.registration import git_says
from lab.workers.arithmetic import cpuinfo


def machine() -> str:
    """Return processor, cores and system, for example "AMD EPYC 7763 with AVX2, 2 cores, Linux x86_64".

    The widest vectors are named because they decide the order of sums: processors of one name that differ in them differ in
    the last bits of results.
    """
    processor = cpuinfo().get("model name") or platform.processor() or "unknown processor"
    flags = set(cpuinfo().get("flags", "").split())
    if flags >= {"avx512f", "avx512bw", "avx512dq", "avx512vl"}:
        processor += " with AVX-512"
    elif flags >= {"avx2", "fma"}:
        processor += " with AVX2"
    return f"{processor}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def node() -> str:
    """Return what the machine is called on its network."""
    return platform.node() or "this machine"


def commit(root: Path) -> str | None:
    """Return the commit that the project is at, with "+" where files differ from it; None outside git."""
    return git_says(root, "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*") or None
