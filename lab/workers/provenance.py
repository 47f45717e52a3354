"""What this computer is called in a result's provenance."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def machine() -> str:
    """Return processor, cores and system, for example "AMD EPYC 7763 with AVX2, 2 cores, Linux x86_64".

    The widest vectors are named because they decide the order of sums: processors of one name that differ in them differ in
    the last bits of results.
    """
    vectors = _vectors()
    return f"{_processor()}{vectors and ' with '}{vectors}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def node() -> str:
    """Return what the machine is called on its network."""
    return platform.node() or "this machine"


def commit(root: Path) -> str | None:
    """Return the commit that the project is at, with "+" where files differ from it; None outside git."""
    try:
        asked = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
        found = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or "unknown processor"


def _vectors() -> str:
    """Return the widest vector instructions that numerical libraries here choose between; "" where it is not to be had."""
    flags = set(_cpuinfo("flags").split())
    if flags >= {"avx512f", "avx512bw", "avx512dq", "avx512vl"}:
        return "AVX-512"
    return "AVX2" if flags >= {"avx2", "fma"} else ""


def _cpuinfo(field: str) -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(field):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""
