"""The whole way from _quarto.yml to the finished site and PDF, doing only what has to be done again.

    render(root)                            both formats, every chapter executed, as `quarto render`
    render(root, keys=key)                  the same, but chapters whose key is known keep their outputs
    render_variant(root, chapter, ...)      one chapter with other variables, into a folder of its own

The project's own script runs first, then every other room in turn; the two formats are written side by side.  Nothing in the
output folder changes until all is ready.  Nothing here looks into a chapter: that is for the rooms before this one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from press.book import Book, Keys, Node, Page, Progress
from press.errors import SourceError
from press.files import code_hash, digest, renewed, restore, write_whole
from press.read.project import read_project, site_files
from press.read.qmd import Source, parse, read_text
from press.read.settings import FILE

if TYPE_CHECKING:
    from press.execute.chapters import Outputs

FORMATS = ("html", "pdf")
MADE = ".press/made.json"  # of the last render: a hash of all it was made from, files linked to, and hashes of what it made


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
    unknown = set(formats) - set(FORMATS)
    if unknown or not formats:
        raise ValueError(f"formats are {' and '.join(FORMATS)}, not {', '.join(sorted(unknown)) or 'none'}")
    with _alone(root) as book:
        from press.execute.chapters import are_kept

        book, out = replace(book, libraries=tuple(libraries)), book.root / book.output_dir
        restore(out, out.with_name(f"{out.name}.old"))
        if keys is None:
            _run_scripts(book, only)
        sources = read_sources(book)
        chosen = _chosen(book, only)
        wanted = chapter_keys({file: sources[file] for file in chosen}, keys)
        known = {**wanted, **_latest(book, sources, chosen)}
        made = _last_made(book)
        fresh = keys is not None and made["inputs"] == _inputs(book, sources, known, made["files"])
        kept: dict[str, dict[str, str]] = {}  # of each format that need not be made: its files and their hashes
        if fresh and are_kept(book, sources, wanted):
            kept = {name: files for name, files in made["outputs"].items() if _is_whole(out, files)}
        if set(formats) <= set(kept):
            progress("fresh", "", "")
        else:
            build = [name for name in formats if name not in kept]
            _make(book, sources, known, build, kept, progress)
    page = next(chapter for chapter in book.chapters if len(chosen) != 1 or chapter.source in chosen)
    return {name: out / (page.html if name == "html" else f"{book.output_file}.pdf") for name in formats}


def render_variant(
    root: Path | str,
    chapter: Path,
    variables: Mapping[str, str],
    key: str,
    out: Path,
    note: str = "",
    formats: Collection[str] = FORMATS,
    keys: Callable[[Path], str] | None = None,
    progress: Progress = lambda event, what, detail: None,
) -> dict[str, Path]:
    """Make the page of a chapter with other `variables` in the folder `out`, and return the file to open for each format.

    Its outputs depend, besides the chapter's own key, on `key`: what the variables lead to.  Where an inline value is another than
    in the book, both are printed; what cannot be computed leaves a gap.  The book's site and all that is kept for it stay as they
    are.  `note` is Markdown that stands below the heading.  Paths are relative to the root; `keys` and `progress` as in `render`.
    """
    file = chapter.as_posix()
    with _alone(root) as book:
        from press.execute import chapters

        sources = read_sources(book)
        known = chapter_keys({file: sources[file]}, keys)
        usual: dict[str, Outputs] = {}
        chapters.run(book, {file: sources[file]}, known, progress, usual.__setitem__)
        sources[file].note = note
        own = replace(
            book,
            output_dir=out,
            output_file=chapter.stem,
            variables=tuple(variables.items()),
            outputs=Path(".press/variants"),
            lenient=True,
        )
        wanted: dict[str, str | None] = {file: sha256(f"{known[file]}\0{key}".encode()).hexdigest()[:24]}
        wanted |= {name: None for name, source in sources.items() if source.line_of("#refs") and not source.runs}

        def edit(name: str, outputs: Outputs) -> Outputs:
            return beside(sources[name], outputs, usual[name]) if name == file else outputs

        pages = read_pages(own, sources, wanted, progress, edit)
        with renewed(book.root / out) as aside:
            _write(own, pages, formats, aside, progress)
    page = chapter.with_suffix(".html")
    return {name: book.root / out / (page if name == "html" else f"{own.output_file}.pdf") for name in formats}


@contextmanager
def _alone(root: Path | str) -> Iterator[Book]:
    """Give the book in `root`, while no other render of it runs."""
    from filelock import FileLock

    book = read_project(Path(root))
    (book.root / ".press").mkdir(exist_ok=True)
    with FileLock(book.root / ".press/lock"):
        yield book


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
    state = sha256(code_hash().encode())
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


def _last_made(book: Book) -> dict[str, Any]:
    """Return what is on record of the last render; nothing where the record is missing or damaged."""
    made: dict[str, Any] = {"inputs": "", "files": [], "outputs": {}}
    with suppress(OSError, ValueError, TypeError):
        made |= json.loads((book.root / MADE).read_text(encoding="utf-8"))
    return made


def _is_whole(folder: Path, files: Mapping[str, str]) -> bool:
    return all(digest(folder / file) == known for file, known in files.items())


def _make(
    book: Book,
    sources: Mapping[str, Source],
    keys: Keys,
    build: Collection[str],
    kept: Mapping[str, Mapping[str, str]],
    tell: Progress,
) -> None:
    """Make the formats `build`, beside the files of those that are kept, and put on record what was made."""
    from press.resolve import references

    pages = read_pages(book, sources, keys, tell)
    out, pdf = book.root / book.output_dir, f"{book.output_file}.pdf"
    with renewed(out) as aside:
        _write(book, pages, build, aside, tell)
        for file in [file for files in kept.values() for file in files]:
            (aside / file).parent.mkdir(parents=True, exist_ok=True)
            os.link(out / file, aside / file)
        made = {file.relative_to(aside).as_posix(): digest(file) for file in aside.rglob("*") if file.is_file()}
    outputs: dict[str, dict[str, str]] = {name: {} for name in [*build, *kept]}
    for file, content in sorted(made.items()):
        outputs["pdf" if file == pdf else "html"][file] = content
    files = sorted(references.images(pages) | references.linked(pages))
    record = {"inputs": _inputs(book, sources, keys, files), "files": files, "outputs": outputs}
    write_whole(book.root / MADE, json.dumps(record, indent=1))
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


def _write(book: Book, pages: tuple[Page, ...], formats: Collection[str], out: Path, tell: Progress) -> None:
    """Write the formats into a folder, side by side."""
    from press import html, pdf

    writers = {"html": html.write_site, "pdf": pdf.write_pdf}
    with ThreadPoolExecutor(len(formats)) as pool:
        for future in [pool.submit(writers[name], book, pages, out, tell) for name in formats]:
            future.result()


def beside(source: Source, own: Outputs, usual: Outputs) -> Outputs:
    """Return outputs in which each inline value that is another than usual has the usual one beside it.

    Not inside formulas and blocks of code, where Markdown is not read.
    """
    values = []
    for inline, value, other in zip(source.inlines, own["inlines"], usual["inlines"], strict=True):
        paragraph = inline.before.rpartition("\n\n")[2]
        unread = paragraph.count("$") % 2 or inline.before.count("\n```") % 2
        values.append(value if value == other or unread else f"[{value}]{{.moved}}[\\ (book:\\ {other})]{{.usual}}")
    return own | {"inlines": values}
