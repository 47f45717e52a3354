"""The whole way from _quarto.yml to the finished site and PDF, doing only what has to be done again.

    render(root)                            both formats, every chapter executed, as `quarto render`
    render(root, keys=key)                  the same, but chapters whose key is known keep their outputs

Nothing in the output folder changes until all is ready.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from press.book import Book, Keys, Node, Page, Progress
from press.errors import SourceError
from press.files import code_hash, digest, renewed, restore, write_whole
from press.read.project import read_project, site_files
from press.read.qmd import Source, parse, read_text
from press.read.settings import FILE

if TYPE_CHECKING:
    from press.execute.chapters import Outputs

FORMATS = ("html", "pdf")
MADE = ".press/made.json"  # what was made from what, relative to the root


@dataclass
class Record:
    """What the last render was made from, and what it made."""

    inputs: str = ""  # hash of all sources, settings, keys and files
    files: list[str] = field(default_factory=list)  # images and files that chapters link to
    stamps: dict[str, str] = field(default_factory=dict)  # of each format: the hash of its pages
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)  # of each format: its files and their hashes

    @classmethod
    def load(cls, root: Path) -> Record:
        """Return what is on record; nothing if the record is missing or damaged."""
        try:
            return cls(**json.loads((root / MADE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls()

    def save(self, root: Path) -> None:
        """Put it on record."""
        write_whole(root / MADE, json.dumps(asdict(self), indent=1))


def render(
    root: Path | str,
    formats: Collection[str] = FORMATS,
    only: Collection[Path | str] | None = None,
    keys: Callable[[Path], str] | None = None,
    progress: Progress = lambda event, what, detail: None,
    libraries: Collection[str] = (),
) -> dict[str, Path]:
    """Render the book in `root` and return the file to open for each format; raise SourceError and change nothing.

    `keys` gives the key of a chapter's path: what its cells depend on. A chapter is executed when its key or its code is
    new; without `keys` every chapter is, after the project's pre-render script. With `only`, chapters other than those
    named keep the outputs they have, however old; those that have none are left out, and their pages say so.  `libraries` are
    what most chapters import: installed modules, imported once for all kernels.
    """
    from filelock import FileLock

    unknown = set(formats) - set(FORMATS)
    if unknown or not formats:
        raise ValueError(f"formats are {' and '.join(FORMATS)}, not {', '.join(sorted(unknown)) or 'none'}")
    book = replace(read_project(Path(root)), libraries=tuple(libraries))
    out = book.root / book.output_dir
    (book.root / ".press").mkdir(exist_ok=True)
    with FileLock(book.root / ".press/lock"):
        restore(out, out.with_name(f"{out.name}.old"))
        if keys is None:
            _run_scripts(book, only)
        from press.execute.chapters import are_kept

        sources = read_sources(book)
        chosen = _chosen(book, only)
        known = {**chapter_keys({file: sources[file] for file in chosen}, keys), **_latest(book, sources, chosen)}
        record = Record.load(book.root)
        inputs = _inputs(book, sources, known, record.files)
        fresh = keys is not None and are_kept(book, {file: sources[file] for file in chosen}, known)
        if fresh and inputs == record.inputs and not _stale(book, record, formats, record.stamps):
            progress("fresh", "", "")
        else:
            _make(book, sources, known, formats, record, progress)
    page = next(chapter for chapter in book.chapters if len(chosen) != 1 or chapter.source in chosen)
    return {name: out / (page.html if name == "html" else f"{book.output_file}.pdf") for name in formats}


def _run_scripts(book: Book, only: Collection[Path | str] | None) -> None:
    """Run the project's own scripts, those in Python with this one, told what is rendered in the variables Quarto sets."""
    names = [str(name) for name in only] if only is not None else [chapter.source for chapter in book.chapters]
    variables = {"QUARTO_PROJECT_INPUT_FILES": "\n".join(names)}
    variables |= {} if only is not None else {"QUARTO_PROJECT_RENDER_ALL": "1"}
    for script in book.pre_render:
        command = [sys.executable, script] if script.endswith(".py") else script.split()
        try:
            failed = subprocess.run(command, cwd=book.root, env=os.environ | variables).returncode
        except OSError as error:
            raise SourceError(FILE, 0, f"the pre-render script {script} cannot be run", str(error)) from None
        if failed:
            raise SourceError(FILE, 0, f"the pre-render script {script} failed", "its own words are above")


def read_sources(book: Book) -> dict[str, Source]:
    """Return the chapters as written, by their path."""
    files = [chapter.source for chapter in book.chapters]
    return {file: parse(read_text(book.root, file), file, book.config.get("execute")) for file in files}


def _chosen(book: Book, only: Collection[Path | str] | None) -> set[str]:
    everything = {chapter.source for chapter in book.chapters}
    names = everything if only is None else {os.path.relpath(book.root / name, book.root) for name in only}
    for name in sorted(names - everything):
        raise SourceError(name, 0, "not a chapter of the book", f"the chapters are: {', '.join(sorted(everything))}")
    return names


def _latest(book: Book, sources: Mapping[str, Source], chosen: Collection[str]) -> Keys:
    """Return the keys of the outputs that the chapters not chosen have; those that have none are left out."""
    from press.execute.chapters import latest

    others = {file: source for file, source in sources.items() if file not in chosen}
    found = {file: latest(book, source) for file, source in others.items()}
    return {file: key for file, key in found.items() if key or not sources[file].runs}


def chapter_keys(sources: Mapping[str, Source], keys: Callable[[Path], str] | None) -> Keys:
    """Return what identifies each chapter's outputs: the caller's key and the chapter's own code; None without `keys`."""
    if keys is None:
        return dict.fromkeys(sources)
    own = code_hash("execute", "read/qmd.py")
    made_of = {file: [keys(Path(file)), own, *text.code_run()] for file, text in sources.items()}
    return {file: sha256("\0".join(parts).encode()).hexdigest()[:24] for file, parts in made_of.items()}


def _inputs(book: Book, sources: Mapping[str, Source], keys: Keys, files: Collection[str]) -> str:
    """Return the hash of everything a render depends on; `files` are those the chapters linked to last time."""
    state = sha256(code_hash(".").encode())
    for file, text in sources.items():
        state.update(
            f"{file}\0{keys.get(file, 'left out')}\0{len(text.lines)}\0".encode() + "\n".join(text.lines).encode()
        )
    state.update(_digests(book, {FILE, *files}))
    return state.hexdigest()


def _digests(book: Book, files: Collection[str]) -> bytes:
    """Return the hashes of these files and of those besides chapters that _quarto.yml names."""
    named = {path.as_posix() for path in (*site_files(book), *book.references_made_of, *book.fonts)}
    return "".join(f"{name}\0{digest(book.root / name)}\0" for name in sorted(named | set(files))).encode()


def _stale(book: Book, record: Record, formats: Collection[str], stamps: Mapping[str, str]) -> list[str]:
    """Return the formats whose files are not there, or not as `stamps` would have them."""
    out = book.root / book.output_dir

    def is_made(name: str) -> bool:
        files = record.outputs.get(name, {})
        return bool(files) and all(digest(out / file) == known for file, known in files.items())

    return [
        name for name in formats if name not in stamps or record.stamps.get(name) != stamps[name] or not is_made(name)
    ]


def _make(
    book: Book, sources: Mapping[str, Source], keys: Keys, formats: Collection[str], record: Record, tell: Progress
) -> None:
    from press.resolve import references

    pages = read_pages(book, sources, keys, tell)
    files = references.images(pages) | references.linked(pages)
    stamps = {name: _stamp(book, pages, files, name) for name in FORMATS}
    build = _stale(book, record, formats, stamps)
    keep = [name for name in FORMATS if name not in build and not _stale(book, record, [name], stamps)]
    if build:
        out = book.root / book.output_dir
        with renewed(out) as aside:
            written = write(book, pages, build, aside, tell)
            for name in keep:
                for file in record.outputs[name]:
                    (aside / file).parent.mkdir(parents=True, exist_ok=True)
                    os.link(out / file, aside / file)
        record.outputs = {name: record.outputs[name] for name in keep} | written
    record.stamps = {name: stamps[name] for name in [*build, *keep]}
    record.files, record.inputs = sorted(files), _inputs(book, sources, keys, files)
    record.save(book.root)
    tell("done", "", ", ".join(build))


def read_pages(
    book: Book,
    sources: Mapping[str, Source],
    keys: Keys,
    tell: Progress,
    edit: Callable[[str, Outputs], Outputs] = lambda file, outputs: outputs,
) -> tuple[Page, ...]:
    """Return the book's pages, ready for the writers: executed, read, cited, numbered and resolved.

    Chapters that `keys` does not name are left out.  `edit` may change what a chapter's cells have shown.
    """
    from press.execute import chapters
    from press.resolve import document, numbers

    reading: dict[str, Future[list[Node]]] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # pandoc reads the first chapters while the last are executed

        def read(file: str, outputs: Outputs) -> None:
            tell("read", file, "")
            reading[file] = pool.submit(document.read_blocks, book, sources[file], edit(file, outputs))

        left_out = [file for file in sources if file not in keys]
        for file in left_out:
            read(file, chapters.stand_in(sources[file]))
        chapters.run(book, {file: sources[file] for file in sources if file in keys}, keys, tell, read)
        documents = {file: reading[file].result() for file in sources}
    document.put_references(documents, book)
    return numbers.pages(book, documents, sources, left_out)


def write(
    book: Book, pages: tuple[Page, ...], formats: Collection[str], out: Path, tell: Progress
) -> dict[str, dict[str, str]]:
    """Write the formats into an empty folder, side by side; return their files with their hashes."""
    from press import html, pdf

    writers = {"html": html.write_site, "pdf": pdf.write_pdf}
    with ThreadPoolExecutor(len(formats)) as pool:
        futures = [pool.submit(writers[name], book, pages, out / f".{name}", tell) for name in formats]
        for future in futures:
            future.result()
    written: dict[str, dict[str, str]] = {}
    for name in formats:
        part = out / f".{name}"
        files = sorted(path.relative_to(part) for path in part.rglob("*") if path.is_file())
        written[name] = {file.as_posix(): digest(part / file) for file in files}
        for file in files:
            (out / file).parent.mkdir(parents=True, exist_ok=True)
            (part / file).rename(out / file)
        shutil.rmtree(part)
    return written


def _stamp(book: Book, pages: tuple[Page, ...], files: Collection[str], name: str) -> str:
    """Return the hash of all that one format is made from."""
    state = sha256((code_hash() + code_hash(name) + json.dumps(book.config)).encode())
    for page in pages:
        state.update(f"{page.chapter.source}\0{page.chapter.number}\0{page.text}\0".encode())
    state.update(_digests(book, files))
    return state.hexdigest()
