"""`lab render` and `lab serve`: the book as a site and a PDF, with Quarto where it is new enough, else with press."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

import press
from lab.book.chapter_keys import Chapters
from lab.cli.quarto import run_quarto
from lab.cli.run import bring_up_to_date, finish
from lab.errors import LabError, unknown

FORMATS = {"html": "html", "pdf": "typst"}  # ours, and what Quarto calls them
RENDERERS = ("quarto", "press")
QUARTO = (1, 9)  # the first version that makes books with Typst


def render_book(
    chapters: Sequence[str], root: Path, formats: Sequence[str], renderer: str | None, workers: int
) -> None:
    """Bring the experiments up to date, render, and say where the book is and what made it."""
    only = [_chapter(name, root) for name in chapters]
    quarto = _quarto() if renderer != "press" else None
    if renderer == "quarto" and quarto is None:
        raise LabError("there is no quarto 1.9 or newer on PATH\ntype: make quarto, or lab render --with press")
    begun = time.monotonic()
    keys = _bring_up_to_date(root, only, workers).key
    try:
        made = _with_quarto(root, formats, only) if quarto else _with_press(root, formats, only, keys)
    except KeyboardInterrupt:
        print("stopped; the book is as it was\nthe same command goes on from here", file=sys.stderr)
        raise typer.Exit(130) from None
    for name, path in made.items():
        print(f"{name:4}  {path}")
    print(f"rendered with {f'quarto {quarto}' if quarto else 'press'} in {time.monotonic() - begun:.1f} s")


def _bring_up_to_date(root: Path, only: Sequence[Path], workers: int) -> Chapters:
    """Compute what is stale among the experiments that the book, or the chapters chosen, read; return a fresh look."""
    book = Chapters(root)
    read = sorted({name for path in only or book.paths for name in book.experiments(path)})
    outcomes = bring_up_to_date(read, root, workers)
    finish(outcomes)
    return Chapters(root) if outcomes else book


def _with_press(
    root: Path, formats: Sequence[str], only: Sequence[Path], keys: Callable[[Path], str]
) -> dict[str, Path]:
    said = sys.stderr
    clear, end = ("\r\x1b[K", "") if said.isatty() else ("", "\n")

    def tell(event: str, what: str, detail: str) -> None:
        if event == "warning":
            print(f"{clear}warning: {what}: {detail}", file=said, flush=True)
        elif clear or (event == "execute" and not detail.startswith("cell")):
            print(clear + " ".join(filter(None, (event, what, detail))), end=end, file=said, flush=True)

    try:
        return press.render(root, formats, only=only or None, keys=keys, progress=tell)
    finally:
        print(clear, end="", file=said, flush=True)


def _with_quarto(root: Path, formats: Sequence[str], only: Sequence[Path]) -> dict[str, Path]:
    to = [] if set(formats) == set(FORMATS) else ["--to", ",".join(FORMATS[name] for name in formats)]
    for target in [[str(path)] for path in only] or [[]]:
        run_quarto(["quarto", "render", *target, *to], root)
    out, file = root / (found := press.read_project(root)).output_dir, f"{found.output_file}.pdf"
    return {name: out / ("index.html" if name == "html" else file) for name in formats}


def _quarto() -> str | None:
    """Return the version of the quarto on PATH if it can render this book."""
    if not shutil.which("quarto"):
        return None
    said = subprocess.run(["quarto", "--version"], capture_output=True, text=True).stdout.strip()
    found = re.match(r"(\d+)\.(\d+)", said)
    return said if found and tuple(map(int, found.groups())) >= QUARTO else None


def _chapter(name: str, root: Path) -> Path:
    """Return the chapter that a path or a stem names, relative to the root."""
    known = {path.relative_to(root).as_posix() for path in [root / "index.qmd", *root.glob("book/*.qmd")]}
    for candidate in (name, f"{name}.qmd", f"book/{name}.qmd", f"book/{name}"):
        if candidate in known:
            return Path(candidate)
    raise unknown("chapter", name, [Path(path).stem for path in known])


def serve_site(root: Path, port: int) -> None:
    """Serve the site until ctrl-C."""
    from lab.book.serve import server

    with server(root / press.read_project(root).output_dir, port) as running:
        print(f"the book is at http://127.0.0.1:{running.server_address[1]}/ (ctrl-C ends this)", flush=True)
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print(file=sys.stderr)
            raise typer.Exit(0) from None
