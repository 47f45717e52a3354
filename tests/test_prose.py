"""No number is typed: every decimal in the book's prose is computed, marked as given, or part of a formula."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted([ROOT / "index.qmd", *(ROOT / "book").glob("*.qmd")])

# What is not prose, blanked out in this order; newlines stay, so that line numbers do too.
NOT_PROSE = (
    re.compile(r"\A---\n.*?\n---\n", re.S),  # front matter
    re.compile(r"^(`{3,}|~{3,}).*?^\1[`~]*[ \t]*$", re.S | re.M),  # cells and listings, but not a cell's alt text
    re.compile(r"<!--.*?-->", re.S),
    re.compile(r"(?<!\\)\$\$.*?\$\$", re.S),  # displayed formulas
    re.compile(r"(`+)[^`].*?\1", re.S),  # inline code, computed or not
    re.compile(r"(?<![\\$])\$(?=\S)[^$]*?(?<=\S)\$(?!\d)"),  # formulas in the text
    re.compile(r"\[[^\[\]]*\]\{[^}]*\.given[^}]*\}"),  # numbers that were given to us
    re.compile(r"(?<=\])\([^)\s]*\)"),  # targets of links
)
BLANKED = re.compile(r"^(?!#\| fig-alt:).+", re.M)
DECIMAL = re.compile(r"(?<![\w.])\d+[.,]\d+(?:[eE][+-]?\d+)?(?![\w])|\b\d+[eE][+-]?\d+\b")


def typed_decimals(text: str) -> list[tuple[int, str]]:
    """Return line and text of every decimal that stands in the prose of a chapter's source, alt texts included."""
    for pattern in NOT_PROSE:
        text = pattern.sub(lambda match: BLANKED.sub(" ", match.group()), text)
    return [
        (number, match.group())
        for number, line in enumerate(text.split("\n"), start=1)
        for match in DECIMAL.finditer(line)
    ]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.name)
def test_no_decimal_is_typed_in_prose(chapter: Path) -> None:
    found = typed_decimals(chapter.read_text(encoding="utf-8"))
    assert not found, "\n".join(
        f"{chapter.relative_to(ROOT)}:{line}: {number} is typed; compute it with `{{python}} ...`, or mark a given "
        f"number as [{number}]{{.given}}"
        for line, number in found
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("A loss of 2.07 at the end.", [(1, "2.07")]),
        ("One.\n\nIt falls by 1,5 %.", [(3, "1,5")]),
        ("About 1e-3 of it.", [(1, "1e-3")]),
        ('```{python}\n#| fig-alt: "The curve ends at 2.4."\nx = 0.25\n```', [(2, "2.4")]),
        ("A rate of [0.05]{.given}, and $x = 0.5$, and `{python} f'{0.1}'`.", []),
        ("$$\nx = 0.25\n$$\nthen 0.26", [(4, "0.26")]),
        ("```{python}\nx = 0.25\n```\n", []),
        ("See [the data](../results/x/v1.25.csv) of 2017, Python 3.11, 29,910 names.", [(1, "3.11"), (1, "29,910")]),
    ],
)
def test_decimals_are_found_in_prose_and_nowhere_else(source: str, expected: list[tuple[int, str]]) -> None:
    assert typed_decimals(source) == expected
