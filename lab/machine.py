"""What this computer is called in a result's provenance."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def name() -> str:
    """Return processor, cores and system, for example "AMD EPYC 7763, 2 cores, Linux x86_64"."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


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
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"
