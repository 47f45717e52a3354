"""One chapter with other variables in its kernel's environment: a page of its own, in a folder of its own.

The book's own outputs of the chapter are at hand, kept or made now, and where an inline value is another than there, both are
printed.  What cannot be computed there leaves a gap in the page.  The book's site and all that is kept for it stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from press.book import Book, Keys, Progress
from press.build.render import FORMATS, chapter_keys, read_pages, read_sources, write
from press.files import renewed
from press.read.project import read_project
from press.read.qmd import Source

if TYPE_CHECKING:
    from press.execute.chapters import Outputs


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

    Its outputs depend, besides the chapter's own key, on `key`: what the variables lead to.  `note` is Markdown that stands below
    the heading.  Paths are relative to the root; `keys` and `progress` are as in `render`.
    """
    from filelock import FileLock

    book = read_project(Path(root))
    file = chapter.as_posix()
    (book.root / ".press").mkdir(exist_ok=True)
    with FileLock(book.root / ".press/lock"):
        sources = read_sources(book)
        known = chapter_keys({file: sources[file]}, keys)
        usual = _outputs(book, sources[file], known, progress)
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
            return beside(sources[name], outputs, usual) if name == file else outputs

        pages = read_pages(own, sources, wanted, progress, edit)
        with renewed(book.root / out) as aside:
            write(own, pages, [name for name in FORMATS if name in formats], aside, progress)
    page = chapter.with_suffix(".html")
    return {name: book.root / out / (page if name == "html" else f"{own.output_file}.pdf") for name in formats}


def _outputs(book: Book, source: Source, keys: Keys, tell: Progress) -> Outputs:
    """Return the outputs that the chapter has in the book."""
    from press.execute import chapters

    found: list[Outputs] = []
    chapters.run(book, {source.file: source}, keys, tell, lambda _, outputs: found.append(outputs))
    return found[0]


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
