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
from itertools import product
from pathlib import Path

from press.read.settings import Settings


def check_patterns(root: Path, patterns: Sequence[str], output_dir: Path, settings: Settings) -> None:
    """Refuse, with its line, a pattern that leads out of the book, that nobody can follow, or that brings nothing."""
    for index, pattern in enumerate(patterns):
        bare = pattern.removeprefix("!").removeprefix("\\")
        what, hint = "", ""
        if not bare.strip():
            what, hint = "an empty pattern under resources", "name files or a folder, or delete it"
        elif ".." in bare.split("/"):
            what = f"a pattern that leads out of the book: {pattern}"
            hint = "copy what it names into the book; a site is made of the book's own files"
        elif re.search(r"[?*+@!]\(", bare):
            what, hint = f"press cannot follow {pattern}", "it knows * ? [a-z] {a,b} and **"
        elif not pattern.startswith("!"):
            found = matching(root, [pattern], output_dir)
            odd = next((name for name in map(os.fspath, found) if re.search("[\ud800-\udfff]", name)), "")
            if not found:
                what, hint = f"nothing matches {pattern}", "correct it (it begins at the root with /), or delete it"
            elif odd:
                what, hint = f"a file's name is not UTF-8: {odd!a}", "rename the file"
        if what:
            raise settings.error(f"project.resources.{index}", what, hint)


def matching(root: Path, patterns: Sequence[str], output_dir: Path) -> list[Path]:
    """Return the files that the patterns name, relative to the root, in order; none that a renderer made."""
    named = {path for pattern in patterns if pattern[0] != "!" for path in _found(root, pattern.removeprefix("\\"))}
    taken_out = {path for pattern in patterns if pattern[0] == "!" for path in _found(root, pattern[1:])}
    made = [".press", ".quarto", *(f"{output_dir}{end}" for end in ("", ".new", ".old"))]
    return sorted(path for path in named - taken_out if not any(path.is_relative_to(folder) for folder in made))


def _found(root: Path, pattern: str) -> Iterator[Path]:
    pattern = re.sub(r"^\./+", "/", pattern)
    bare = pattern.strip("/")
    if pattern.endswith("/") or (root / bare).is_dir():
        bare = f"{bare}/**/*"
    parts = [part if part == "**" else re.sub(r"\*{2,}", "*", part) for part in bare.split("/") if part]
    parts = [*([] if pattern.startswith("/") else ["**"]), *parts, *(["*"] if parts[-1] == "**" else [])]
    choices = [piece.split(",") for piece in re.split(r"[{}]", "/".join(parts))]  # each second one stands in braces
    choices[::2] = [[",".join(piece)] for piece in choices[::2]]
    for choice in product(*choices):
        yield from (path.relative_to(root) for path in root.glob("".join(choice)) if path.is_file())
