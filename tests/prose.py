"""Prints the sentences of a page that are too long or hold too many numbers.

    python -m tests.prose NAME...       tanh_gain, index, making; without a name every page

A sentence has at most 35 words and two numbers, as a reader sees it: inline values are in place.

Looked at: paragraphs, list items, captions, headings, callouts, exercises and their solutions.
Not looked at: code, tables and whatever else a cell shows, alt texts, front matter, comments, quotations set as blocks.
A sentence ends at a full stop, a question mark or an exclamation mark before a capital, at a displayed formula, and where a
paragraph or a list item ends.  A semicolon or a colon ends none.

A word is what stands between two spaces and has a letter or a digit; a formula or a piece of code in a sentence is one word.
A number is written in digits.  One with its interval is one (2.10 ± 0.04; 2.1, from 2.0 to 2.2, are three), so is a power
(10⁻⁵, 3 × 10⁸), a product of sizes (32 × 32), a range with a dash (3–5) and one with its unit (3 %).
No numbers are: those in words, in code and in formulas, in references to figures, chapters and the like, in citations, years
(2017), names with a letter in them (float32, N3, 2/n), fractions of whole numbers (5/3, 1/100), and the 95 % of an interval.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from press.read.qmd import parse, read_text
from tests.chapter_code import filled

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests/prose.toml"
WORDS, NUMBERS = 35, 2  # at most, in a sentence

_MATHS, _CODE, _REFERENCE = "𝑥", "𝑐", "𝑟"  # what stands in the text for each; none is a letter that prose has
_HIDDEN, _BREAK = "\x00", "\x01"  # a line break of the source that ends nothing; the end of a sentence

_NOT_PROSE = [  # taken out in this order, and what stands instead
    (re.compile(r"^(`{3,}|~{3,}).*?^\1[`~]*[ \t]*$", re.S | re.M), _BREAK),  # listings
    (re.compile(r"<!--.*?-->", re.S), ""),
    (re.compile(r"(?<!\\)\$\$.*?\$\$(?:[ \t]*\{#[^}]*\})?", re.S), _BREAK),
    (re.compile(r"(`+)[^`].*?\1(?:\{[^}]*\})?", re.S), _CODE),
    (re.compile(r"(?<![\\$])\$(?=\S)[^$]*?(?<=\S)\$(?!\d)"), _MATHS),
    (re.compile(r"^[ \t]*:{3,}.*$", re.M), _BREAK),
    (re.compile(r"^[ \t]*[|>].*$", re.M), _BREAK),  # tables and quotations
    (re.compile(r"!\[[^\]]*\]\([^)]*\)(?:\{[^}]*\})?"), ""),
    (re.compile(r"\[[^\[\]]*@\w[^\[\]]*\]"), ""),  # citations in brackets
    (re.compile(r"-?@[A-Za-z][\w-]*(?:\s\[[^\]]*\])?"), _REFERENCE),
    (re.compile(r"(?<=\])\([^)\s]*\)"), ""),  # targets of links
    (re.compile(r"\{[#.][^}]*\}"), ""),
    (re.compile(r"^[ \t]*(?:[-*+]|\d+\.|\[\^[\w-]+\]:|#{1,6})[ \t]", re.M), _BREAK),  # items, footnotes, headings
    (re.compile(r"[*_\[\]]|\\(?=\W)"), ""),
]
_SUPERSCRIPTS = "⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_END = re.compile(r"(?<=[.!?…])[\"”’)*]*[\s\x00]+(?=[\"“‘(]*[A-Z0-9𝑥𝑐𝑟])|\n[ \t\x00]*\n|\x01")
_ABBREVIATED = re.compile(r"\b(?:e\.g|i\.e|cf|vs|al|No|approx)\.$")
_ONE = r"[-−+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+−]?\d+)?"
_NUMBER = re.compile(
    rf"(?<![\w/.^])({_ONE})"
    rf"(?:\^[-−+\d.]+\^|[{_SUPERSCRIPTS}]+)?"
    rf"(?:\s*(?:±|×|·|–|to within)\s*{_ONE}(?:\^[-−+\d.]+\^|[{_SUPERSCRIPTS}]+)?)*"
    r"(?![\w/^])"
)
_NO_NUMBER = [
    re.compile(r"\b\d+/\d+\b"),
    re.compile(r"(?<![\d,.])(?:19|20)\d\d(?!\d|[.,]\d|\s*%)"),
    re.compile(r"95\s*%(?=\s+(?:confidence|interval))"),
]


@dataclass(frozen=True)
class Sentence:
    """One sentence of a page, as read."""

    file: str
    line: int
    text: str

    @property
    def words(self) -> int:
        """How many words it has."""
        return sum(any(sign.isalnum() for sign in word) for word in _NUMBER.sub("0", self.text).split())

    @property
    def numbers(self) -> list[str]:
        """The numbers in it."""
        text = self.text
        for pattern in _NO_NUMBER:
            text = pattern.sub("", text)
        return [match.group().strip(" ,.") for match in _NUMBER.finditer(text)]

    @property
    def faults(self) -> list[str]:
        """What is too much of it."""
        found = [f"{self.words} words"] if self.words > WORDS else []
        return found + ([f"{len(self.numbers)} numbers"] if len(self.numbers) > NUMBERS else [])

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {' and '.join(self.faults) or 'good'}: {self.text}"


def sentences(text: str, file: str = "", first: int = 1) -> Iterator[Sentence]:
    """Yield the sentences of some Markdown that begins on line `first`."""
    for pattern, instead in _NOT_PROSE:
        text = pattern.sub(lambda match, put=instead: put + _HIDDEN * match.group().count("\n"), text)
    start = 0
    for end in [*(match for match in _END.finditer(text) if not _ABBREVIATED.search(text[: match.start()])), None]:
        piece = text[start : end.start() if end else None]
        blank = len(piece) - len(piece.lstrip(" \t\n" + _HIDDEN))
        before = text[: start + blank]
        if words := " ".join(piece.replace(_HIDDEN, " ").split()):
            yield Sentence(file, first + before.count("\n") + before.count(_HIDDEN), words)
        start = end.end() if end else 0


def page(name: str) -> Path:
    """Return the file of a page by its name."""
    file = Path(name).stem
    return Path("index.qmd") if file == "index" else Path(f"book/{file}.qmd")


def of_page(name: str) -> tuple[list[Sentence], list[str]]:
    """Return the sentences of a page, and the errors of its inline code."""
    file = page(name).as_posix()
    texts, errors = filled(parse(read_text(ROOT, file), file, {}), ROOT)
    return [sentence for line, text in texts for sentence in sentences(text, file, line)], errors


@dataclass(frozen=True)
class Exceptions:
    """What tests/prose.toml lists."""

    not_yet: list[str]  # pages that are not written anew
    sentences: list[dict[str, str]]  # page, sentence (how it begins), reason

    @classmethod
    def read(cls) -> Exceptions:
        """Read the list."""
        found = tomllib.loads(LIST.read_text(encoding="utf-8"))
        return cls(found["not_yet_written_anew"], found.get("exception", []))

    def of(self, sentence: Sentence) -> dict[str, str] | None:
        """Return the exception that is made for a sentence."""
        here = (e for e in self.sentences if page(e["page"]).as_posix() == sentence.file)
        return next((e for e in here if sentence.text.startswith(e["sentence"])), None)


def pages() -> list[str]:
    """Return the names of all pages."""
    return ["index", *sorted(file.stem for file in (ROOT / "book").glob("*.qmd"))]


def main(names: list[str]) -> int:
    """Print the offenders of some pages."""
    total, exceptions = 0, Exceptions.read()
    for name in names or pages():
        found, errors = of_page(name)
        offenders = [sentence for sentence in found if sentence.faults and not exceptions.of(sentence)]
        print(*errors, *offenders, sep="\n", end="\n" if errors or offenders else "")
        print(f"{page(name)}: {len(offenders)} of {len(found)} sentences have too many words or numbers\n")
        total += len(offenders)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
