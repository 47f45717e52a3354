"""Style sheets of the book: what is broken in one is found here, since a browser would only skip it."""

from __future__ import annotations

import re
from pathlib import Path

from press.addresses import elsewhere
from press.errors import SourceError
from press.read.qmd import read_text

_TOKEN = re.compile(r"""(?s)/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*["\n]?|'(?:\\.|[^'\\\n])*['\n]?|url\([^)"']*\)|[{}]""")
_TARGET = re.compile(r"""(?:url\(|@import\s)\s*["']?([^"')\s]+)""")


def check_css(root: Path, file: str) -> None:
    """Raise SourceError for a comment, a text or a brace without its end, and for what is not in the book."""
    text = read_text(root, file)
    open_braces: list[int] = []  # lines
    for token in _TOKEN.finditer(text):
        line, found = text.count("\n", 0, token.start()) + 1, token[0]
        if found.startswith("/*") and not (found.endswith("*/") and len(found) > 3):
            raise SourceError(file, line, "this comment is not closed", "end it with */")
        if found[0] in "\"'" and (len(found) == 1 or found[-1] != found[0]):
            raise SourceError(file, line, f"this text is not closed: {found.strip()[:40]}", "end it with a quote")
        if found == "{":
            open_braces.append(line)
        elif found == "}":
            if not open_braces:
                raise SourceError(file, line, "a } without its {", "remove it, or open the rule")
            open_braces.pop()
    if open_braces:
        raise SourceError(file, open_braces[-1], "this rule is not closed", "end it with }")
    for target in _TARGET.finditer(re.sub(r"(?s)/\*.*?\*/", lambda comment: "\n" * comment[0].count("\n"), text)):
        _check_target(root, file, target.string.count("\n", 0, target.start()) + 1, target[1])


def _check_target(root: Path, file: str, line: int, target: str) -> None:
    if target.startswith(("data:", "#")):
        return
    if elsewhere(target):
        raise SourceError(file, line, f"{target} is elsewhere", "put the file into the book; nothing is fetched")
    if not ((root / file).parent / re.sub(r"[?#].*", "", target)).is_file():
        raise SourceError(file, line, f"there is no file {target}", "correct the path; it begins at the style sheet")
