"""The book's prose: no number is typed in it, and no sentence is too long to be read once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.prose import Exceptions, of_page, page, pages, sentences

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


# Sentences


@pytest.mark.parametrize("name", pages())
def test_no_sentence_of_a_page_has_more_than_35_words_or_two_numbers(name: str) -> None:
    exceptions = Exceptions.read()
    found, errors = of_page(name)
    offenders = [sentence for sentence in found if sentence.faults and not exceptions.of(sentence)]
    assert found and not errors, errors
    if name in exceptions.not_yet:
        assert offenders, f"every sentence of {name} is short enough: take it off the list in tests/prose.toml"
    else:
        assert not offenders, "\n".join(map(str, offenders))


def test_every_exception_is_needed_and_has_a_reason() -> None:
    exceptions = Exceptions.read()
    assert set(exceptions.not_yet) <= set(pages())
    for exception in exceptions.sentences:
        file = page(exception["page"]).as_posix()
        found = [s for s in of_page(exception["page"])[0] if s.file == file and exceptions.of(s) == exception]
        assert [s for s in found if s.faults] and exception["reason"], exception


@pytest.mark.parametrize(
    ("source", "numbers"),
    [
        ("At [1.592]{.given} and 2.10 ± 0.04 of 32,469 names.", 3),
        ("It grows by 10^7.2^, 3 × 10⁸ or 1e-5, and by 3 % for 32 × 32 and 3–5.", 6),
        ("Of $x = 3$, `4`, 5/3, 2/n, N3, float32, 2017, @fig-5, [@karpathy2022, p. 7] and [8](9.qmd).", 1),
        ("A 95 % interval, but 95 % of the runs; minus −2 and 50,000.", 3),
        ("At gain 1, in 2017.5 and 2,017 steps.", 3),
    ],
)
def test_numbers_of_a_sentence_are_counted_as_a_reader_does(source: str, numbers: int) -> None:
    (found,) = sentences(source)
    assert len(found.numbers) == numbers, found.numbers


def test_sentences_end_where_a_reader_pauses_and_know_their_line() -> None:
    source = """# A heading, {#sec-x}

One two, e.g. `a. B` three.
Four? "Five" six
goes on in $x. Y$ this line.

- an item
- another
  of two lines

| a table | 1 |

::: {#fig-x fig-alt="One. Two."}
A caption [in it](a.qmd#b).
:::

Before the formula
$$ x
= 3 $$ {#eq-x}
and after it.

```python
code = 1. 
```
[^1]: A note."""
    found = [(sentence.line, sentence.words) for sentence in sentences(source, "", 10)]
    assert found == [
        (10, 2), (12, 5), (13, 1), (13, 8), (16, 2), (17, 4), (23, 4), (26, 3), (29, 3), (34, 2),
    ]  # fmt: skip


def test_the_36th_word_and_the_third_number_are_too_much() -> None:
    (good,), (long,) = sentences(" ".join(["word"] * 34) + " – 1 ± 2."), sentences(" ".join(["word"] * 36))
    (many,) = sentences("1 and 2, then 3.")
    assert (good.faults, long.faults, many.faults) == ([], ["36 words"], ["3 numbers"])
