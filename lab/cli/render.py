"""`lab render` and `lab serve`: the book as a site and a PDF, with Quarto where it is new enough, else with press."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

import press
from lab.book.chapter_keys import Chapters
from lab.book.markdown_tables import as_text
from lab.book.notebooks import write_notebooks
from lab.book.prerender import LIBRARIES
from lab.cli.run import bring_up_to_date, compute_setting, finish
from lab.errors import LabError, unknown
from lab.keys import key
from lab.keys.canonical_json import digest, dumps
from lab.keys.key import Key
from lab.results import store
from lab.results.reading import SETTING

FORMATS = {"html": "html", "pdf": "typst"}  # ours, and what Quarto calls them
QUARTO = (1, 9)  # the first version that makes books with Typst

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = r"\w+(?:Error|Exception|Interrupt|Exit)\b.*"
OWN = Path("_own")  # pages with settings of one's own
LONGEST = 80  # characters of a folder's name


def render_book(
    chapters: Sequence[str], root: Path, formats: Sequence[str], renderer: str | None, workers: int
) -> None:
    """Bring the experiments up to date, render, and say where the book is and what made it."""
    only = [_chapter(name, root) for name in chapters]
    quarto = quarto_version() if renderer != "press" else None
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


def render_own(name: str, typed: Sequence[str], root: Path, formats: Sequence[str], workers: int, smoke: bool) -> None:
    """Make a chapter's page from a setting of one's own, computing that first, in a folder of its own: with press."""
    begun = time.monotonic()
    name, changes, wanted = compute_setting([name], typed, root, workers, smoke=smoke)
    keys = _bring_up_to_date(root, [_chapter(name, root)], workers).key
    made = press_variant(name, changes, wanted, root, formats, keys)
    for kind, path in made.items():
        print(f"{kind:4}  {path}")
    print(f"rendered with press in {time.monotonic() - begun:.1f} s; the book stays as it is")


def press_variant(
    name: str,
    changes: dict[str, str],
    wanted: Key,
    root: Path,
    formats: Sequence[str],
    keys: Callable[[Path], str],
) -> dict[str, Path]:
    """Make the page of a setting that has been computed."""
    _, stored = store.find(root, wanted, press.reads.Present(root))
    fields = key.fields(name, root)
    settings = ", ".join(f"{field} = {value} (book: {fields[field].shown})" for field, value in changes.items())
    note = (
        "::: {.own-setting}\n**Your own numbers.** This page was made with another setting than the book's: "
        f"{as_text(settings)}. Where a number is another than in the book, the book's stands beside it. Verdicts, tables and "
        "figures are of your setting, and a dash stands for what it does not have. The lines of the claims are the book's, and the sentences were written for its numbers.\n"
        ":::"
    )
    variant = press.Variant(
        chapter=_chapter(name, root),
        variables={SETTING: dumps({name: changes})},
        key=f"{wanted.key} {stored.checksum}",
        out=OWN / name / _folder(changes),
        note=note,
    )
    with _telling() as tell:
        return press.render_variant(root, variant, formats, keys, tell)


def _folder(changes: dict[str, str]) -> str:
    """Return what the folder of a setting is called: depth=200,width=64; a long one ends with its hash."""
    name = re.sub(r"[^\w.,=+-]", "-", ",".join(f"{field}={value}" for field, value in changes.items()))
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{digest(changes)[:8]}"


def _bring_up_to_date(root: Path, only: Sequence[Path], workers: int) -> Chapters:
    """Compute what is stale among the experiments that the book, or the chapters chosen, read; return a fresh look."""
    book = Chapters(root)
    read = sorted({name for path in only or book.paths for name in book.experiments(path)})
    outcomes = bring_up_to_date(read, root, workers)
    finish(outcomes)
    write_notebooks(root, read)
    return Chapters(root) if outcomes else book


def _with_press(
    root: Path, formats: Sequence[str], only: Sequence[Path], keys: Callable[[Path], str]
) -> dict[str, Path]:
    with _telling() as tell:
        return press.render(root, formats, only or None, keys, tell, libraries=LIBRARIES)


@contextmanager
def _telling() -> Iterator[press.Progress]:
    """Give a function that tells, on stderr, how far rendering is."""
    said = sys.stderr
    clear, end = ("\r\x1b[K", "") if said.isatty() else ("", "\n")

    def tell(event: str, what: str, detail: str) -> None:
        if event == "warning":
            print(f"{clear}warning: {what}: {detail}", file=said, flush=True)
        elif clear or (event == "execute" and not detail.startswith("cell")):
            print(clear + " ".join(filter(None, (event, what, detail))), end=end, file=said, flush=True)

    try:
        yield tell
    finally:
        print(clear, end="", file=said, flush=True)


def _with_quarto(root: Path, formats: Sequence[str], only: Sequence[Path]) -> dict[str, Path]:
    to = [] if set(formats) == set(FORMATS) else ["--to", ",".join(FORMATS[name] for name in formats)]
    for target in [[str(path)] for path in only] or [[]]:
        run_quarto(["quarto", "render", *target, *to], root)
    out, file = root / (found := press.read_project(root)).output_dir, f"{found.output_file}.pdf"
    return {name: out / ("index.html" if name == "html" else file) for name in formats}


def run_quarto(command: Sequence[str], root: Path) -> None:
    """Run a command of Quarto's in the book's root.  Raises LabError if it fails."""
    environment = os.environ | {"QUARTO_PYTHON": sys.executable}
    said = []
    with subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.PIPE, text=True) as running:
        for line in running.stderr or ():
            print(line, end="", file=sys.stderr, flush=True)
            said.append(_COLOUR.sub("", line).rstrip())
    if running.returncode:
        words = f"{' '.join(command)} failed; its own words are above"
        sources = press.read_sources(press.read_project(root))
        raise LabError("\n".join(filter(None, [_failed_code(said, sources), words])))


def _failed_code(said: Sequence[str], sources: Mapping[str, press.Source]) -> str:
    """Return file, line and error of what Quarto ran last, a cell or inline code, if an error is the last that was heard of it."""
    text = "\n".join(said)
    executing = list(re.finditer(r"^Executing '(.+)\.quarto_ipynb'$", text, re.M))
    if not executing:
        return ""
    after = text[executing[-1].end() :]
    file = next((file for file in sources if Path(file).stem == executing[-1][1]), None)
    number = int((re.findall(r"^  Cell (\d+)/\d+: '.*?'\.*", after, re.M) or [0])[-1])
    if not file or number > len(sources[file].cells):
        return ""
    if inline := re.search(rf"(?:\A|\.Done)\s+({_ERROR})", after):
        return _failed_inline(file, sources[file], number, inline[1])
    error = re.findall(rf"^({_ERROR})$", after.partition("Traceback")[2], re.M)
    if not (number and error):
        return ""
    cell = sources[file].cells[number - 1]
    inside = re.findall(r"^Cell In\[\d+\], line (\d+)", after, re.M)
    line = cell.code_line + int(inside[-1]) - 1 if inside else cell.line
    return f"{file}:{line}: this cell fails: {error[-1]}"


def _failed_inline(file: str, source: press.Source, number: int, error: str) -> str:
    """Say where inline code fails after the cell of a number: Quarto does not say which, but an error may name what it is about."""
    begin = source.cells[number - 1].line if number else 0
    end = source.cells[number].line if number < len(source.cells) else len(source.lines)
    there = [inline for inline in source.inlines if begin < inline.line <= end]
    names = re.findall(r"'(\w+)'", error)
    named = [inline for inline in there if any(re.search(rf"\b{name}\b", inline.code) for name in names)] or there
    if not named:
        return ""
    which = f"inline code `{named[0].code}`" if len(named) == 1 else f"inline code from here to line {named[-1].line}"
    return f"{file}:{named[0].line}: {which} fails: {error}"


def quarto_version() -> str | None:
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
