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
from typing import Annotated

import typer

import press
from lab.book.chapter_keys import Chapters
from lab.book.markdown_tables import as_text
from lab.book.notebooks import write_notebooks
from lab.book.prerender import LIBRARIES
from lab.cli.commands import CORES, LEFT_OUT, Changes, Jobs, Port, Renderer, Smoke
from lab.cli.run import bring_up_to_date, compute_setting, finish
from lab.cli.runs import OWN
from lab.errors import LabError, unknown
from lab.keys import key
from lab.keys.canonical_json import digest, dumps
from lab.keys.experiments import find_root
from lab.keys.key import Key
from lab.results import store
from lab.results.reading import SETTING

FORMATS = {"html": "html", "pdf": "typst"}  # ours, and what Quarto calls them
QUARTO = (1, 9)  # the first version that makes books with Typst

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = r"\w+(?:Error|Exception|Interrupt|Exit)\b.*"
LONGEST = 80  # characters of a folder's name


def render(
    chapters: Annotated[list[str], typer.Argument(metavar="CHAPTER", help="all if none is named", **LEFT_OUT)],
    changes: Changes,
    to: Annotated[str, typer.Option(metavar="FORMATS", help="html, pdf, or both")] = "html,pdf",
    renderer: Renderer = None,
    smoke: Smoke = False,
    jobs: Jobs = CORES,
) -> None:
    """The book as a site and a PDF, in _book/, with what is stale brought up to date first.

    One chapter is made alone: pages of others that have never been rendered say so.

    With --set, the chapter is made from a setting of your own, which is computed first: a page in _own/ with the book's values beside
    yours, verdicts and figures of your setting.  The book stays as it is.  What can be set is listed by: lab params NAME

    \b
    Examples:  lab render
               lab render tanh_gain --to html
               lab render tanh_gain --set depth=200
               lab render --with press
    """
    formats = [word.strip() for word in to.split(",")]
    if not set(formats) <= set(FORMATS):
        raise typer.BadParameter(f"{to!r} is not html, pdf or html,pdf", param_hint="'--to'")
    begun, root, own = time.monotonic(), find_root(), bool(changes or smoke)
    if own and len(chapters) != 1:
        raise typer.BadParameter("name the one chapter that is to be made with it", param_hint="'--set'")
    if own and renderer == "quarto":
        raise typer.BadParameter("a page with a setting of its own is made with press", param_hint="'--with'")
    quarto = None if own else quarto_version(renderer, "lab render")
    only = [_chapter(name, root) for name in chapters]
    setting = compute_setting(chapters, changes, root, jobs, smoke=smoke) if own else None
    keys = _bring_up_to_date(root, only, jobs).key
    try:
        if setting:
            made = press_variant(*setting, root, formats, keys)
        elif quarto:
            made = _with_quarto(root, formats, only)
        else:
            with _telling() as tell:
                made = press.render(root, formats, only or None, keys, tell, libraries=LIBRARIES)
    except KeyboardInterrupt:
        print("stopped; the book is as it was\nthe same command goes on from here", file=sys.stderr)
        raise typer.Exit(130) from None
    for name, path in made.items():
        print(f"{name:4}  {path}")
    stays = "; the book stays as it is" if own else ""
    print(f"rendered with {f'quarto {quarto}' if quarto else 'press'} in {time.monotonic() - begun:.1f} s{stays}")


def serve(port: Port = 8000) -> None:
    """The rendered site on localhost, until ctrl-C.

    Example:  lab serve --port 8080
    """
    from lab.book.serve import server

    root = find_root()
    with server(root / press.read_project(root).output_dir, port) as running:
        print(f"the book is at http://127.0.0.1:{running.server_address[1]}/ (ctrl-C ends this)", flush=True)
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print(file=sys.stderr)
            raise typer.Exit(0) from None


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
    chapter, variables = _chapter(name, root), {SETTING: dumps({name: changes})}
    own_key, out = f"{wanted.key} {stored.checksum}", OWN / name / _folder(changes)
    with _telling() as tell:
        return press.render_variant(root, chapter, variables, own_key, out, note, formats, keys, tell)


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


def quarto_version(renderer: str | None, command: str) -> str | None:
    """Return the version of the quarto on PATH if that is to render the book; None if press is."""
    if renderer == "press":
        return None
    if shutil.which("quarto"):
        said = subprocess.run(["quarto", "--version"], capture_output=True, text=True).stdout.strip()
        found = re.match(r"(\d+)\.(\d+)", said)
        if found and tuple(map(int, found.groups())) >= QUARTO:
            return said
    if renderer == "quarto":
        raise LabError(f"there is no quarto 1.9 or newer on PATH\ntype: make quarto, or {command} --with press")
    return None


def _chapter(name: str, root: Path) -> Path:
    """Return the chapter that a path or a stem names, relative to the root."""
    known = {path.relative_to(root).as_posix() for path in [root / "index.qmd", *root.glob("book/*.qmd")]}
    for candidate in (name, f"{name}.qmd", f"book/{name}.qmd", f"book/{name}"):
        if candidate in known:
            return Path(candidate)
    raise unknown("chapter", name, [Path(path).stem for path in known])
