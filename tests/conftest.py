"""What all tests share: one thread, and the book itself, rendered once for those that look at it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
# One thread, as the lab computes: the same bits, and two pytest workers do not fight over two cores.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# Made by tools and not part of the sources: a fresh clone has none of it.
MADE = shutil.ignore_patterns(
    ".git",
    ".venv",
    ".press",
    ".quarto",
    ".*_cache",
    "__pycache__",
    "*.egg-info",
    "_book*",
    "_own",
    "_freeze",
    "node_modules",
)

# A shell that starts the tests in the background has ctrl-C ignored, and so would what the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the book's site and PDF, rendered by press in a copy of the project: once, whatever the workers."""
    import press

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    project, done = shared / "project", shared / "project.rendered"
    with FileLock(shared / "project.lock"):
        if not done.exists():
            shutil.rmtree(project, ignore_errors=True)
            shutil.copytree(ROOT, project, ignore=MADE)
            press.render(project, keys=lambda path: "as committed")
            done.touch()
    return project / "_book"


@pytest.fixture(scope="module")
def browser(site: Path) -> Iterator[Browser]:
    """Debian's Chromium, started when all is rendered: while it is open no other event loop can run in this thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()
