"""`lab preview`: renders what changed as it is saved, and has the browser show it at the same place.

With Quarto `quarto preview` does that for chapters; here a chapter whose experiment, figures or results changed is touched for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import press
from lab.book.chapter_keys import Chapters
from lab.book.prerender import LIBRARIES
from lab.book.serve import server
from lab.cli.render import quarto_version
from lab.errors import LabError

# What chapters are made of; all that is made by tools, and all that begins with a dot or an underscore, is left out.
_ENDINGS = "py qmd yml css scss js lua json csv toml bib typ svg png txt"
WATCHED = {f".{ending}" for ending in _ENDINGS.split()}


def follow(root: Path, port: int, renderer: str | None, show: bool) -> None:
    """Render, serve, and go on rendering what changes, until ctrl-C."""
    from watchfiles import watch

    if renderer != "press" and quarto_version():
        _with_quarto(root)
        return
    if renderer == "quarto":
        raise LabError("there is no quarto 1.9 or newer on PATH\ntype: make quarto, or lab preview --with press")
    news: dict[str, Any] = {"version": 0, "error": ""}
    _render(root, news)
    with server(root / press.read_project(root).output_dir, port, news) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{running.server_address[1]}/"
        print(f"the book is at {address} and follows what you save (ctrl-C ends this)", flush=True)
        if show:
            webbrowser.open(address)
        for changes in watch(root, watch_filter=lambda _, path: is_source(Path(path), root), raise_interrupt=False):
            _say({Path(path) for _, path in changes}, root)
            _render(root, news)


def is_source(path: Path, root: Path) -> bool:
    """Say whether a file is one that pages are made of."""
    inside = path.relative_to(root).parts
    return path.suffix in WATCHED and not any(part.startswith((".", "_")) for part in inside[:-1])


def _render(root: Path, news: dict[str, Any]) -> None:
    """Render the site with the results that are there; what fails is told on the page and here."""
    begun = time.monotonic()
    try:
        press.render(root, ["html"], keys=Chapters(root).key, libraries=LIBRARIES)
    except (LabError, press.SourceError) as error:
        news["error"] = str(error)
        print(f"error: {error}", file=sys.stderr, flush=True)
    else:
        news["error"] = ""
        print(f"rendered in {time.monotonic() - begun:.1f} s", flush=True)
    news["version"] += 1


def _say(paths: Iterable[Path], root: Path) -> None:
    print(f"changed: {', '.join(sorted(path.relative_to(root).as_posix() for path in paths))}", flush=True)


def _with_quarto(root: Path) -> None:
    """Start quarto preview, and touch the chapters whose key has changed, although their text has not."""
    from watchfiles import watch

    known = chapter_keys(root)
    environment = os.environ | {"QUARTO_PYTHON": sys.executable}
    with subprocess.Popen(["quarto", "preview"], cwd=root, env=environment) as running:
        try:
            for changes in watch(
                root,
                watch_filter=lambda _, path: is_source(Path(path), root),
                raise_interrupt=False,
                yield_on_timeout=True,
            ):
                if running.poll() is not None:
                    break
                if changes and not all(Path(path).suffix == ".qmd" for _, path in changes):
                    known = touch_changed(root, known)
        finally:
            running.terminate()


def chapter_keys(root: Path) -> dict[Path, str]:
    """Return the key of every chapter: what it prints depends on."""
    try:
        book = Chapters(root)
        return {path: book.key(path) for path in book.paths}
    except (LabError, press.SourceError):  # in the middle of a change: the next one tells
        return {}


def touch_changed(root: Path, known: dict[Path, str]) -> dict[Path, str]:
    """Touch the chapters whose keys are others than those known, and return the keys as they are now."""
    now = chapter_keys(root)
    for path in now:
        if known.get(path, now[path]) != now[path]:
            (root / path).touch()
            print(f"touched {path}", flush=True)
    return known | now
