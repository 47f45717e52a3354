"""_quarto.yml, read and checked: the book, its chapters in order, and their numbers."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from press.book import Book, Chapter
from press.errors import SourceError
from press.read import globs
from press.read.qmd import heading, read_text
from press.read.settings import FILE, SETTINGS, Settings, read_settings

_VARIABLES = re.compile(r"(?:\s|//.*|/\*(?:[^*]|\*(?!/))*\*/|\$[\w-]+\s*:[^;{}]+;)*")  # SCSS that does nothing else


def read_project(root: Path) -> Book:
    """Return the book whose _quarto.yml is in `root`."""
    root = root.resolve()
    if not (root / FILE).is_file():
        raise SourceError(FILE, 0, f"there is none in {root}", "run from the folder of the book")
    settings = read_settings(read_text(root, FILE), FILE, SETTINGS)
    for name in ("book.title", "book.chapters"):
        if not settings.get(name):
            raise settings.error(name, f"{name} is missing", "add it")
    _check_theme(root, settings)
    favicon = _paths(root, settings, "book.favicon")
    title = str(settings.get("book.title"))
    output_file = str(settings.get("book.output-file", title.replace("/", "-").lstrip(". ") or "book"))
    output_dir = _output_dir(root, settings, output_file)
    resources = settings.texts("project.resources")
    globs.check_patterns(root, resources, output_dir, settings)
    return Book(
        root=root,
        title=title,
        subtitle=str(settings.get("book.subtitle", "")),
        authors=settings.texts("book.author"),
        date=str(settings.get("book.date", "")),
        description=str(settings.get("book.description", "")),
        lang=str(settings.get("lang", "en")),
        chapters=tuple(_chapters(root, settings)),
        output_dir=output_dir,
        output_file=output_file,
        resources=resources,
        bibliography=_paths(root, settings, "bibliography"),
        csl=next(iter(_paths(root, settings, "csl")), None),
        filters=_paths(root, settings, "filters"),
        fonts=_paths(root, settings, "format.typst.font-paths", folders=True),
        css=tuple(file.as_posix() for file in _paths(root, settings, "format.html.css")),
        favicon=favicon[0].as_posix() if favicon else None,
        pre_render=settings.texts("project.pre-render"),
        config=settings.values,
    )


def site_files(book: Book) -> list[Path]:
    """Return the files that are part of the site because _quarto.yml names them, relative to the root."""
    named = [*book.css, *([book.favicon] if book.favicon else [])]
    return sorted({*map(Path, named), *globs.matching(book.root, book.resources, book.output_dir)})


def _output_dir(root: Path, settings: Settings, output_file: str) -> Path:
    """Return the folder that a render replaces as a whole: not one of sources, which it would take with it."""
    setting = "project.output-dir"
    name = str(settings.get(setting, "_book"))
    folder = root / name
    held = set(os.listdir(folder)) if folder.is_dir() else set()
    others = bool(held) and not held & {"index.html", f"{output_file}.pdf"}
    if not _inside(name) or name.startswith(".") or others or folder.is_file():
        hint = "name one inside the book that is new or holds the last render, such as _book"
        raise settings.error(setting, f"{setting} is {name}, which is no folder for a rendered book", hint)
    for part in [folder, *folder.parents][: len(Path(name).parts)]:
        if kind := "a link" if part.is_symlink() else "a mount" if _is_mount(part) else "":
            what = f"{part.relative_to(root)} is {kind}, and a render puts a new folder in its place"
            raise settings.error(setting, what, f"name a plain folder under {setting}, and copy the site from there")
    return Path(name)


def _is_mount(folder: Path) -> bool:
    """Say whether something is mounted here; Python's ismount does not see a folder of the same file system."""
    table = Path("/proc/self/mountinfo")
    mounts = [line.split()[4] for line in table.read_text().splitlines()] if table.is_file() else []
    return folder.is_mount() or str(folder.resolve()) in [place.replace("\\040", " ") for place in mounts]


def _inside(name: str) -> bool:
    """Say whether a path, as it is written, is one inside the book: relative, without detours."""
    return bool(name) and posixpath.normpath(name) == name and not name.startswith(("/", "..")) and "\0" not in name


def _check_theme(root: Path, settings: Settings) -> None:
    """Refuse rules in files of a theme, which only Quarto compiles."""
    setting = "format.html.theme"
    theme = settings.get(setting, [])
    for names in theme.values() if isinstance(theme, dict) else [theme]:
        for name in names if isinstance(names, list) else [names]:
            if not isinstance(name, str) or not (name.isalpha() or name.endswith(".scss")):
                hint = "name a theme of Quarto's, such as cosmo; the book's own rules go into a style sheet under css"
                raise settings.error(setting, f"press has no theme {name!r}", hint)
            for file in _paths(root, settings, setting, [name] if name.endswith(".scss") else []):
                if not _VARIABLES.fullmatch(read_text(root, file)):
                    hint = "it may set Quarto's variables ($name: value;); the book's own rules go into a style sheet under css"
                    raise settings.error(setting, f"press cannot follow {file}", hint)


def _paths(
    root: Path, settings: Settings, setting: str, names: Sequence[str] | None = None, folders: bool = False
) -> tuple[Path, ...]:
    """Return the files, or folders, of the book that a setting names; refuse what is not there."""
    named = tuple(map(Path, settings.texts(setting) if names is None else names))
    for path in named:
        if not (_inside(str(path)) and ((root / path).is_dir() if folders else (root / path).is_file())):
            what = f"{setting}: there is no {'folder' if folders else 'file'} {path}"
            raise settings.error(setting, what, "correct the path; it begins at the book's root")
    return named


def _chapters(root: Path, settings: Settings) -> Iterator[Chapter]:
    """Yield the chapters with their numbers: 1, 2, ... and A, B, ... for those whose heading is not .unnumbered."""
    if next(_entries(settings, "book.chapters"), ("",))[0] != "index.qmd":
        hint = "Quarto wants the home page first and at the root"
        raise settings.error("book.chapters", "the first chapter is not index.qmd", hint)
    seen: dict[str, int] = {}
    for group in ("book.chapters", "book.appendices"):
        count, appendix = 0, group == "book.appendices"
        for name, part, place in _entries(settings, group):
            if name in seen:
                raise settings.error(place, f"{name} is listed twice", f"first on line {seen[name]}")
            seen[name] = settings.lines[place]
            if not _inside(name) or not (root / name).is_file():
                raise settings.error(place, f"there is no chapter {name}", "write it, or correct the path")
            if odd := next((sign for sign in "#?%" if sign in name), None):
                hint = "rename the file: its name is part of addresses, where that sign has a meaning of its own"
                raise settings.error(place, f"a chapter whose name has {odd} in it: {name}", hint)
            title = heading(read_text(root, name), name)
            number = None
            if ".unnumbered" not in title and "{-}" not in title:
                count += 1
                if appendix and count > 26:
                    raise settings.error(place, "a 27th appendix, after Z", "make some of them sections of another")
                number = chr(ord("A") + count - 1) if appendix else str(count)
            yield Chapter(Path(name), part, number, appendix)


def _entries(settings: Settings, place: str) -> Iterator[tuple[str, str | None, str]]:
    """Yield path and part of each chapter in a list of chapters and parts, and its place in the settings."""
    items = settings.get(place, [])
    if not isinstance(items, list):
        raise settings.error(place, f"{place} is not a list", "write one chapter a line, each after a dash")
    for index, item in enumerate(items):
        here = f"{place}.{index}"
        match item:
            case str(name) if name.endswith(".qmd"):
                yield name, None, here
            case {"part": str(part), "chapters": _, **more} if (
                place == "book.chapters" and not more and part[-4:] != ".qmd"
            ):
                for name, _, inner in _entries(settings, f"{here}.chapters"):
                    yield name, part, inner
            case _:
                hint = "a path that ends in .qmd, or part: and chapters:"
                raise settings.error(here, f"not a chapter: {item!r}", hint)
