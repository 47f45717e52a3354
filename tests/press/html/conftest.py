"""The fixture book and a chapter more, rendered once in the book's own theme; a server and a browser to look at it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

import press
from tests.press.conftest import FIXTURE_BOOK
from tests.site_pages import SitePage, read

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site."""
    root = tmp_path_factory.mktemp("html") / "book"
    shutil.copytree(FIXTURE_BOOK, root, ignore=shutil.ignore_patterns(".press", "_book"))
    shutil.copytree(ROOT / "book/theme", root / "theme", ignore=shutil.ignore_patterns("*.py"))
    shutil.copyfile(Path(__file__).with_name("looks.qmd"), root / "chapters/looks.qmd")
    settings = (root / "_quarto.yml").read_text(encoding="utf-8")
    for old, new in {
        "        - chapters/counting.qmd": "        - chapters/counting.qmd\n        - chapters/looks.qmd",
        "    - /data/*.csv": "    - /data/*.csv\n    - /theme/fonts/*",
        "    html-math-method": "    css: theme/book.css\n    html-math-method",
        "  search: true": "  search: true\n  downloads: [pdf]\n  page-footer: The reader's own risk.",
    }.items():
        assert old in settings
        settings = settings.replace(old, new)
    (root / "_quarto.yml").write_text(settings, encoding="utf-8")
    press.render(root, keys=lambda path: "key")
    return root / "_book"


@pytest.fixture(scope="session")
def pages(built: Path) -> dict[str, SitePage]:
    """The site's pages, read."""
    return read(built)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture(scope="module")
def address(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site is served, in a folder of its host as on a project's page."""
    served = tmp_path_factory.mktemp("served")
    (served / "book").symlink_to(built)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(served))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/book/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(built: Path) -> Iterator[Browser]:
    """Debian's Chromium, started when all is rendered: while it is open no other event loop can run in this thread."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()
