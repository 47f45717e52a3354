"""Style sheets of the book: what is broken in one is found here, since a browser would only skip it."""

from __future__ import annotations

import re
from pathlib import Path

from press.addresses import elsewhere
from press.errors import SourceError
from press.read.qmd import read_text

# What is whole is passed over; a mark that stands alone is one without its other half.
_WHOLE = r"""/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|url\([^)"']*\)"""
_TOKEN = re.compile(rf"""(?s){_WHOLE}|/\*|["'{{}}]""")
_TARGET = re.compile(r"""(?s)/\*.*?\*/|(?:url\(|@import\s)\s*["']?([^"')\s]+)""")


def check_css(root: Path, file: str) -> None:
    """Raise SourceError for a comment, a text or a brace without its end, and for what is not in the book."""
    text = read_text(root, file)
    open_braces: list[int] = []  # where they are

    def error(place: int, what: str, hint: str) -> SourceError:
        return SourceError(file, text.count("\n", 0, place) + 1, what, hint)

    for token in _TOKEN.finditer(text):
        match token[0]:
            case "/*":
                raise error(token.start(), "this comment is not closed", "end it with */")
            case '"' | "'":
                words = text[token.start() :].partition("\n")[0]
                raise error(token.start(), f"this text is not closed: {words[:40]}", "end it with a quote")
            case "{":
                open_braces.append(token.start())
            case "}" if not open_braces:
                raise error(token.start(), "a } without its {", "remove it, or open the rule")
            case "}":
                open_braces.pop()
    if open_braces:
        raise error(open_braces[-1], "this rule is not closed", "end it with }")
    for found in _TARGET.finditer(text):
        target = found[1] or "#"  # a comment
        if not target.startswith(("data:", "#")):
            if elsewhere(target):
                raise error(found.start(), f"{target} is elsewhere", "put the file into the book; nothing is fetched")
            if not ((root / file).parent / re.sub(r"[?#].*", "", target)).is_file():
                raise error(
                    found.start(), f"there is no file {target}", "correct the path; it begins at the style sheet"
                )
