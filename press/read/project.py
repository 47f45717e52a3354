"""_quarto.yml, read and checked: the book, its chapters in order, and their numbers."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from press.book import Book, Chapter
from press.errors import SourceError
from press.read import globs, yaml_lines
from press.read.css import check_css
from press.read.qmd import read_text, title_line
from press.read.settings import FILE, check_settings

_VARIABLES = re.compile(r"(?:\s|//.*|/\*(?:[^*]|\*(?!/))*\*/|\$[\w-]+\s*:[^;{}]+;)*")  # SCSS that does nothing else


def read_project(root: Path) -> Book:
    """Return the book whose _quarto.yml is in `root`."""
    root = root.resolve()
    if not (root / FILE).is_file():
        raise SourceError(FILE, 0, f"there is none in {root}", "run from the folder of the book")
    config, lines = yaml_lines.load_yaml(read_text(root, FILE), FILE)
    if not isinstance(config, dict):
        raise SourceError(FILE, 1, "there are no settings in it", "see the book project's own _quarto.yml")
    check_settings(config, lines)
    book = config.get("book") or {}
    for name in ("title", "chapters"):
        if not book.get(name):
            raise SourceError(FILE, lines.get(("book",), 1), f"book.{name} is missing", "add it")
    project = config.get("project") or {}
    if str(book.get("date", "")).strip() in ("today", "now", "last-modified"):
        hint = "write the day, such as 2026-01-31: the same sources make the same book on any day"
        raise SourceError(FILE, lines[("book", "date")], f"press cannot honour book.date: {book['date']}", hint)
    lang = str(config.get("lang", "en"))
    if not re.fullmatch(r"en(-[A-Z]{2})?", lang):
        hint = "the words that press adds (Figure, Chapter) are English: en, en-GB, en-US ...; for other languages render with Quarto"
        raise SourceError(FILE, lines[("lang",)], f"press cannot honour lang: {lang}", hint)
    formats = config.get("format") or {}
    html, typst = formats.get("html") or {}, formats.get("typst") or {}
    _check_theme(root, html.get("theme"), lines)
    for file in _paths(root, html.get("css"), ("format", "html", "css"), lines):
        check_css(root, file.as_posix())
    favicon = _paths(root, book.get("favicon"), ("book", "favicon"), lines)
    bibliography = _paths(root, config.get("bibliography"), ("bibliography",), lines)
    if len(bibliography) > 1:
        raise SourceError(FILE, lines[("bibliography",)], "press reads one bibliography", "put all entries in one file")
    filters = _paths(root, config.get("filters"), ("filters",), lines)
    for file in filters:
        if file.suffix != ".lua":
            hint = "press runs filters in Lua, which pandoc runs itself"
            raise SourceError(FILE, lines[("filters",)], f"not a filter that press can run: {file}", hint)
    output_file = _output_file(str(book.get("output-file", book["title"])), lines)
    output_dir = _output_dir(root, str(project.get("output-dir", "_book")), output_file, lines)
    resources = _texts(project.get("resources"))
    globs.check_patterns(root, resources, output_dir, lines)
    return Book(
        root=root,
        title=str(book["title"]),
        subtitle=str(book.get("subtitle", "")),
        authors=_texts(book.get("author")),
        date=str(book.get("date", "")),
        description=str(book.get("description", "")),
        lang=lang,
        chapters=tuple(_chapters(root, book, lines)),
        output_dir=output_dir,
        output_file=output_file,
        resources=resources,
        bibliography=next(iter(bibliography), None),
        csl=next(iter(_paths(root, config.get("csl"), ("csl",), lines)), None),
        filters=filters,
        fonts=_paths(root, typst.get("font-paths"), ("format", "typst", "font-paths"), lines, folders=True),
        css=_texts(html.get("css")),
        favicon=favicon[0].as_posix() if favicon else None,
        downloads=_texts(book.get("downloads")),
        pre_render=_texts(project.get("pre-render")),
        config=config,
    )


def site_files(book: Book) -> list[Path]:
    """Return the files that are part of the site because _quarto.yml names them, relative to the root."""
    named = [*book.css, *([book.favicon] if book.favicon else [])]
    return sorted({*map(Path, named), *globs.matching(book.root, book.resources, book.output_dir)})


def _output_dir(root: Path, name: str, output_file: str, lines: yaml_lines.Lines) -> Path:
    """Return the folder that a render replaces as a whole: not one of sources, which it would take with it."""
    good = _inside(name) and not name.startswith(".")
    if good and (root / name).exists():
        held = set(os.listdir(root / name)) if (root / name).is_dir() else {""}
        good = not held or bool(held & {"index.html", f"{output_file}.pdf"})
    line = lines.get(("project", "output-dir"), 1)
    hint = "name a plain folder under project.output-dir, and copy the site from there"
    parts = [root / part for part in [Path(name), *Path(name).parents][:-1]]
    if good and (tied := next((part for part in parts if part.is_symlink() or _is_mount(part)), None)):
        what = f"{tied.relative_to(root)} is {'a link' if tied.is_symlink() else 'a mount'}, and a render puts a new folder in its place"
        raise SourceError(FILE, line, what, hint)
    if not good:
        what = f"project.output-dir is {name}, which is no folder for a rendered book"
        hint = "name one inside the book that is new or holds the last render, such as _book"
        raise SourceError(FILE, line, what, hint)
    return Path(name)


def _is_mount(folder: Path) -> bool:
    """Say whether something is mounted here; Python's ismount does not see a folder of the same file system."""
    table = Path("/proc/self/mountinfo")
    mounts = [line.split()[4] for line in table.read_text().splitlines()] if table.is_file() else []
    return folder.is_mount() or str(folder.resolve()) in [place.replace("\\040", " ") for place in mounts]


def _output_file(name: str, lines: yaml_lines.Lines) -> str:
    if not name.strip() or "/" in name or name.startswith("."):
        line = lines.get(("book", "output-file"), lines[("book", "title")])
        raise SourceError(FILE, line, f"the PDF cannot be called {name!r}", "set book.output-file: a name without /")
    return name


def _inside(name: str) -> bool:
    """Say whether a path, as it is written, is one inside the book: relative, without detours."""
    return bool(name) and posixpath.normpath(name) == name and not name.startswith(("/", "..")) and "\0" not in name


def _check_theme(root: Path, theme: Any, lines: yaml_lines.Lines) -> None:
    """Refuse rules in files of a theme, which only Quarto compiles."""
    for name in theme.values() if isinstance(theme, dict) else [theme]:
        for part in name if isinstance(name, list) else [name]:
            if isinstance(part, str) and part.endswith(".scss"):
                _paths(root, part, ("format", "html", "theme"), lines)
                if not _VARIABLES.fullmatch(read_text(root, part)):
                    hint = "it may set Quarto's variables ($name: value;); the book's own rules go into a style sheet under css"
                    raise SourceError(FILE, lines[("format", "html", "theme")], f"press cannot follow {part}", hint)
            elif part is not None and not (isinstance(part, str) and part.isalpha()):
                hint = "name a theme of Quarto's, such as cosmo; the book's own rules go into a style sheet under css"
                raise SourceError(FILE, lines[("format", "html", "theme")], f"press has no theme {part!r}", hint)


def _texts(value: Any) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(str(item) for item in value)


def _paths(
    root: Path, names: Any, setting: tuple[str, ...], lines: yaml_lines.Lines, folders: bool = False
) -> tuple[Path, ...]:
    """Return the files, or folders, of the book that a setting names; refuse what is not there."""
    for name in _texts(names):
        if not (_inside(name) and ((root / name).is_dir() if folders else (root / name).is_file())):
            what = f"{'.'.join(setting)}: there is no {'folder' if folders else 'file'} {name}"
            raise SourceError(FILE, lines[setting], what, "correct the path; it begins at the book's root")
    return tuple(map(Path, _texts(names)))


def _chapters(root: Path, book: dict[str, Any], lines: yaml_lines.Lines) -> Iterator[Chapter]:
    """Yield the chapters with their numbers: 1, 2, ... and A, B, ... for those whose heading is not .unnumbered."""
    entries = list(_entries(book["chapters"], ("book", "chapters"), lines))
    appendices = list(_entries(book.get("appendices") or [], ("book", "appendices"), lines, nested=False))
    if entries[0][0] != "index.qmd":
        hint = "Quarto wants the home page first and at the root"
        raise SourceError(FILE, lines[("book", "chapters")], "the first chapter is not index.qmd", hint)
    seen: dict[str, int] = {}
    for group, appendix in ((entries, False), (appendices, True)):
        count = 0
        for name, part, line in group:
            if name in seen:
                raise SourceError(FILE, line, f"{name} is listed twice", f"first on line {seen[name]}")
            seen[name] = line
            if not _inside(name) or not (root / name).is_file():
                raise SourceError(FILE, line, f"there is no chapter {name}", "write it, or correct the path")
            if odd := next((sign for sign in "#?%" if sign in name), None):
                hint = "rename the file: its name is part of addresses, where that sign has a meaning of its own"
                raise SourceError(FILE, line, f"a chapter whose name has {odd} in it: {name}", hint)
            _, heading = title_line(read_text(root, name), name)
            number = None
            if ".unnumbered" not in heading and "{-}" not in heading:
                count += 1
                if appendix and count > 26:
                    raise SourceError(FILE, line, "a 27th appendix, after Z", "make some of them sections of another")
                number = chr(ord("A") + count - 1) if appendix else str(count)
            yield Chapter(Path(name), part, number, appendix)


def _entries(
    items: Any, path: tuple[str | int, ...], lines: yaml_lines.Lines, nested: bool = True
) -> Iterator[tuple[str, str | None, int]]:
    """Yield path, part and line of each chapter in a list of chapters and parts."""
    if not isinstance(items, list):
        raise SourceError(FILE, lines[path], f"{path[-1]} is not a list", "write one chapter a line, each after a dash")
    for index, item in enumerate(items):
        line = lines[(*path, index)]
        if isinstance(item, str) and item.endswith(".qmd"):
            yield item, None, line
        elif nested and isinstance(item, dict) and set(item) == {"part", "chapters"} and _is_title(item["part"]):
            for name, _, inner in _entries(item["chapters"], (*path, index, "chapters"), lines, nested=False):
                yield name, item["part"], inner
        else:
            hint = "a path that ends in .qmd, or part: and chapters:"
            raise SourceError(FILE, line, f"not a chapter: {item!r}", hint)


def _is_title(part: Any) -> bool:
    return isinstance(part, str) and not part.endswith(".qmd")
