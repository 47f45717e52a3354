"""What pandoc drops from formulas without a word: refused, or written so that it is kept."""

from __future__ import annotations

import re

from press.read.qmd import Source

_ARRAY = re.compile(r"\\begin\{array\}\s*\{([^}]*)\}")
_ALIGNED = re.compile(r"(\\begin\{(?:aligned|align\*?|split)\})(.*?)(\\end\{(?:aligned|align\*?|split)\})", re.DOTALL)


def check(formula: str, source: Source) -> None:
    """Refuse lines in an array, and colours."""
    lines = _ARRAY.search(formula)
    if "\\hline" in formula or (lines and "|" in lines[1]):
        hint = "write a table, or do without the lines"
        raise source.error(formula.strip().split("\n")[0], "lines in an array, which pandoc drops", hint)
    if re.search(r"\\color\b", formula):
        hint = "say it in words, or by an \\underbrace"
        raise source.error("\\color", "a colour in a formula, which pandoc drops", hint)


def with_gaps(formula: str) -> str:
    """Put TeX's space between the pairs of columns of `aligned`, which pandoc leaves out."""
    return _ALIGNED.sub(lambda match: match[1] + _rows(match[2]) + match[3], formula)


def _rows(body: str) -> str:
    if "\\begin" in body:  # its & are another's
        return body
    rows = []
    for row in body.split("\\\\"):
        first, *rest = re.split(r"(?<!\\)&", row)
        rows.append(first + "".join(("&\\quad " if number % 2 else "&") + part for number, part in enumerate(rest)))
    return "\\\\".join(rows)
