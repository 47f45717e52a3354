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
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

import press
from lab.book.chapter_keys import Chapters
from lab.book.prerender import LIBRARIES
from lab.book.serve import server
from lab.cli.commands import Port, Renderer
from lab.cli.render import quarto_version
from lab.errors import LabError
from lab.keys.experiments import find_root

# What chapters are made of; all that is made by tools, and all that begins with a dot or an underscore, is left out.
_ENDINGS = "py qmd yml css scss js lua json csv toml bib typ svg png txt"
WATCHED = {f".{ending}" for ending in _ENDINGS.split()}


def preview(
    port: Port = 8000,
    renderer: Renderer = None,
    show: Annotated[bool, typer.Option("--browser/--no-browser", help="open the browser")] = True,
) -> None:
    """The site as you write: what you save is rendered again, and the browser shows it at the same place, until ctrl-C.

    Chapters, experiments, figures, results, theme and settings are watched.  An error stands in the page, with file and line.
    Nothing is computed: where a result is stale, the page says which command brings it up to date.  Quarto takes a port of its own.

    \b
    Examples:  lab preview
               lab preview --port 0 --no-browser
    """
    root = find_root()
    if quarto_version(renderer, "lab preview"):
        _with_quarto(root)
        return
    news: dict[str, Any] = {"version": 0, "error": ""}
    _render(root, news)
    with server(root / press.read_project(root).output_dir, port, news) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{running.server_address[1]}/"
        print(f"the book is at {address} and follows what you save (ctrl-C ends this)", flush=True)
        if show:
            webbrowser.open(address)
        for changed in filter(None, saved(root)):
            names = sorted({path.relative_to(root).as_posix() for path in changed})
            print(f"changed: {', '.join(names)}", flush=True)
            _render(root, news)


def saved(root: Path) -> Iterator[set[Path]]:
    """Yield the files that pages are made of and that have just been saved, or none every five seconds, until ctrl-C."""
    from watchfiles import watch

    made_of = lambda _, path: is_source(Path(path), root)  # noqa: E731
    for changes in watch(root, watch_filter=made_of, raise_interrupt=False, yield_on_timeout=True):
        yield {Path(path) for _, path in changes}


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


def _with_quarto(root: Path) -> None:
    """Start quarto preview, and touch the chapters whose key has changed, although their text has not."""
    known = chapter_keys(root)
    environment = os.environ | {"QUARTO_PYTHON": sys.executable}
    with subprocess.Popen(["quarto", "preview"], cwd=root, env=environment) as running:
        try:
            for changed in saved(root):
                if running.poll() is not None:
                    break
                if {path.suffix for path in changed} - {".qmd"}:
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
