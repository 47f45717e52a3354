r"""The files that `resources:` names, by the rules of Quarto, which sees the same list and must publish the same files.

/data/*.csv      begins at the book's root
data/*.csv       in a folder called data anywhere in the book, hidden ones among them: Quarto puts **/ before it
data  or  data/  a folder: all that is in it
!data/old.csv    takes out again what others bring; \!a is a file whose name begins with !
* ? [a-z] {a,b}  as in a shell, also for names that begin with a dot; ** between slashes is any number of folders
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from press.errors import SourceError
from press.read.settings import FILE
from press.read.yaml_lines import Lines

_ASIDE = (".press", ".quarto")  # what renderers keep in the book


def check_patterns(root: Path, patterns: Sequence[str], output_dir: Path, lines: Lines) -> None:
    """Refuse, with its line, a pattern that leads out of the book, that nobody can follow, or that brings nothing."""
    for index, pattern in enumerate(patterns):
        line = lines.get(("project", "resources", index)) or lines.get(("project", "resources"), 1)
        bare = pattern.removeprefix("!").removeprefix("\\")
        if not bare.strip():
            raise SourceError(FILE, line, "an empty pattern under resources", "name files or a folder, or delete it")
        if ".." in bare.split("/"):
            hint = "copy what it names into the book; a site is made of the book's own files"
            raise SourceError(FILE, line, f"a pattern that leads out of the book: {pattern}", hint)
        if re.search(r"[?*+@!]\(", bare):
            raise SourceError(FILE, line, f"press cannot follow {pattern}", "it knows * ? [a-z] {a,b} and **")
        if pattern.startswith("!"):
            continue
        found = matching(root, [pattern], output_dir)
        if not found:
            hint = "correct it (it begins at the root with /), or delete it"
            raise SourceError(FILE, line, f"nothing matches {pattern}", hint)
        if odd := next((name for name in map(os.fspath, found) if re.search("[\ud800-\udfff]", name)), None):
            raise SourceError(FILE, line, f"a file's name is not UTF-8: {odd!a}", "rename the file")


def matching(root: Path, patterns: Sequence[str], output_dir: Path) -> list[Path]:
    """Return the files that the patterns name, relative to the root, in order; none that a renderer made."""
    named = [pattern.removeprefix("\\") for pattern in patterns if not pattern.startswith("!")]
    taken_out = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    brought, gone = ({path for pattern in some for path in _found(root, pattern)} for some in (named, taken_out))
    made = (*_ASIDE, *(output_dir.with_name(f"{output_dir.name}{end}").as_posix() for end in ("", ".new", ".old")))
    return sorted(path for path in brought - gone if not any(path.is_relative_to(folder) for folder in made))


def _found(root: Path, pattern: str) -> Iterator[Path]:
    pattern = re.sub(r"^\./+", "/", pattern)
    bare = pattern.strip("/")
    if pattern.endswith("/") or (root / bare).is_dir():
        bare = f"{bare}/**/*".lstrip("/")
    parts = [part if part == "**" else re.sub(r"\*{2,}", "*", part) for part in bare.split("/") if part]
    parts = [*([] if pattern.startswith("/") else ["**"]), *parts, *(["*"] if parts[-1] == "**" else [])]
    for alternative in _alternatives("/".join(parts)):
        yield from (path.relative_to(root) for path in root.glob(alternative) if path.is_file())


def _alternatives(pattern: str) -> Iterator[str]:
    """Yield a pattern once for each choice in its braces."""
    braces = re.search(r"\{([^{}]*)\}", pattern)
    if braces is None:
        yield pattern
        return
    for choice in braces[1].split(","):
        yield from _alternatives(pattern[: braces.start()] + choice + pattern[braces.end() :])
