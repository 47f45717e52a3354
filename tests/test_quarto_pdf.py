"""The rules for the PDF that Quarto makes: book/theme/quarto.typ, after a template like Quarto's, and book/theme/quarto.lua."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pypdfium2
import pytest
import typst
import yaml

from press.pandoc import program

ROOT = Path(__file__).resolve().parents[1]
THEME = ROOT / "book/theme"
# What orange-book, the template, does to headings and heads of pages, and Quarto's definitions to terms.
TEMPLATE = """\
#show terms.item: it => block(breakable: false)[
  #text(weight: "bold")[#it.term]
  #block(inset: (left: 1.5em, top: -0.4em))[#it.description]
]
#set par(spacing: 0.5em)
#set page(width: 300pt, height: 300pt, margin: 50pt, header: context [Template #counter(heading).get().first()])
#set text(size: 10pt)
#set heading(numbering: (..nums) => if nums.pos().len() == 1 { numbering("1.", ..nums) } else { numbering("1.1", ..nums) })
#show heading.where(level: 1): set heading(supplement: [Chapter])
#show heading: it => {
  if it.level == 1 { pagebreak(weak: true) }
  block(it.body)
  v(1em, weak: true)
}
#show figure.where(kind: "quarto-float-tbl"): set block(breakable: true) // or one longer than a page runs off its end
"""
LINES = "#block(height: {}pt, fill: luma(90%))[filler]\n"
ROWS = ", ".join(f"[row {index}]" for index in range(1, 5))
FLOAT = '#figure([#table(columns: 1, {})], caption: figure.caption(position: top, [A caption.]), kind: "quarto-float-tbl", supplement: "Table")\n'


def pages(folder: Path, body: str, rules: bool = True) -> list[str]:
    """Set a document with the rules; return the words of its pages."""
    text = TEMPLATE + (THEME / "quarto.typ").read_text(encoding="utf-8") * rules + body
    (folder / "a.typ").write_text(text, encoding="utf-8")
    typst.compile(folder / "a.typ", output=folder / "a.pdf")
    sheets = pypdfium2.PdfDocument(folder / "a.pdf")
    return [" ".join(sheet.get_textpage().get_text_range().split()) for sheet in sheets]


@pytest.mark.parametrize(
    ("body", "together"),
    [
        (LINES.format(150) + FLOAT.format(ROWS), "A caption. row 1 row 2 row 3 row 4"),
        (LINES.format(150) + f"#table(columns: 1, {ROWS})\n", "row 1 row 2 row 3 row 4"),
        (
            "#table(columns: 1, block(height: 150pt)[filler], ["
            + "".join(f"{n}, #linebreak() " for n in range(8))
            + "])\n",
            "0, 1, 2, 3, 4, 5, 6, 7,",
        ),
        (
            LINES.format(150) + "```python\nimport one\n\n\nimport two\nimport three\n```\n",
            "one import two import three",
        ),
    ],
    ids=["a short table with its caption", "a table without one", "a row", "a short listing"],
)
def test_what_belongs_together_stands_on_one_page(body: str, together: str, tmp_path: Path) -> None:
    assert not any(together in page for page in pages(tmp_path, body, rules=False))
    assert any(together in page for page in pages(tmp_path, body))


def test_a_long_table_begins_with_more_than_a_row(tmp_path: Path) -> None:
    rows = ", ".join(f"[row {index}.]" for index in range(1, 30))
    body = LINES.format(125) + FLOAT.format(f"table.header[Head], {rows}")
    torn, kept = pages(tmp_path, body, rules=False), pages(tmp_path, body)
    assert "row 1." in torn[0] and "row 3." not in torn[0]
    assert "row 1." not in kept[0] and "Head row 1. row 2. row 3." in kept[1] and "row 29." in kept[-1]


def test_an_unnumbered_chapter_has_no_number_in_the_heads_of_its_pages(tmp_path: Path) -> None:
    body = "= First\n== Found\nText.\n#pagebreak()\nMore.\n#pagebreak()\nStill.\n"
    body += "#heading(level: 1, numbering: none)[References]\n#pagebreak()\nMore.\n"
    found = [page.partition(" More")[0].partition(" Still")[0] for page in pages(tmp_path, body)]
    assert found[1:3] == ["2 Chapter 1. First", "1.1 Found 3"]
    assert "Template" not in " ".join(found) and re.fullmatch(r"References \d|\d References", found[-1])


def test_a_page_left_empty_before_a_chapter_has_no_head(tmp_path: Path) -> None:
    body = '= First\nText.\n#pagebreak()\nMore.\n#metadata(none) <chapter-end>\n#pagebreak(to: "odd")\n= Next\nText.\n'
    body = body.replace("More.", "More.\n#pagebreak()\nLast.")
    found = pages(tmp_path, body)
    assert [found[1], found[2], found[3]] == ["2 Chapter 1. First More.", "Chapter 1. First 3 Last.", ""]


def tops(folder: Path, body: str, words: list[str], rules: bool = True) -> list[tuple[float, float]]:
    """Return how high on the first page each of the words begins and ends, in points from its foot."""
    pages(folder, body, rules)
    text = pypdfium2.PdfDocument(folder / "a.pdf")[0].get_textpage()
    whole = text.get_text_range()
    boxes = [[text.get_charbox(whole.index(word) + at) for at in range(len(word))] for word in words]
    return [(max(box[3] for box in each), min(box[1] for box in each)) for each in boxes]


def test_a_term_does_not_touch_its_definition(tmp_path: Path) -> None:
    for rules, apart in ((False, False), (True, True)):
        (_, foot), (head, _) = tops(tmp_path, "/ gyp: Hat.\n", ["gyp", "Hat"], rules)
        assert (foot > head + 1) is apart


def test_a_listing_stands_apart_from_the_text(tmp_path: Path) -> None:
    for rules in (False, True):
        body = "Gyp.\n\n```python\nHat\n```\n\nLid."
        (_, foot), (head, end), (after, _) = tops(tmp_path, body, ["Gyp", "Hat", "Lid"], rules)
        assert (foot - head > 6 and end - after > 6) is rules


def test_a_long_line_of_code_goes_on_further_in_than_it_began(tmp_path: Path) -> None:
    line = "    wide = " + " + ".join(f"n{number}" for number in range(20))
    pages(tmp_path, f"```python\n{line}\n```\n")
    text = pypdfium2.PdfDocument(tmp_path / "a.pdf")[0].get_textpage()
    whole = text.get_text_range()
    first, second = (text.get_charbox(whole.index(word)) for word in ("wide", whole.splitlines()[1].split()[0]))
    assert second[1] < first[1] and second[0] > first[0]


def filtered(markdown: str, to: str, *before: Path) -> str:
    filters = [part for file in (*before, THEME / "quarto.lua") for part in ("-L", str(file))]
    command = [program(), "-f", "markdown", "-t", to, *filters]
    return subprocess.run(command, input=markdown, capture_output=True, text=True, check=True).stdout


def test_a_sentence_that_leads_to_a_table_stays_with_it() -> None:
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n"
    for after in (table, f"::: {{.cell}}\n::: {{.cell-output}}\n{table}\n:::\n:::\n"):
        assert "#block(sticky: true)[\nThese are they." in filtered(f"These are they.\n\n{after}", "typst")
    assert "sticky" not in filtered(f"These are they.\n\nAnd more.\n\n{'Long. ' * 60}\n\n{table}", "typst")
    assert "sticky" not in filtered(f"These are they.\n\n{table}", "html")


def test_an_unnumbered_chapter_is_listed_under_no_part() -> None:
    text = filtered("# One\n\n# References {.unnumbered}\n", "typst")
    assert re.search(
        r'= One\n(<one>\n)?#metadata\(none\) <chapter-end>\n#state\("part-state", none\).update\(none\)\n#heading\(level: 1, numbering: none\)',
        text,
    )


def test_each_chapter_says_where_the_one_before_ends_and_so_does_a_part() -> None:
    mark = "#metadata(none) <chapter-end>"
    text = filtered(
        "# One\n\nText.\n\n```{=typst}\n#part[Second]\n```\n\n<!-- two.qmd -->\n\n# Two\n\n## Within\n", "typst"
    )
    assert text.count(mark) == 2 and re.search(rf"Text\.\s+{re.escape(mark)}\s+#part\[Second\]\s+= Two", text)


def test_a_listing_is_one_of_typsts_and_keeps_every_sign() -> None:
    code = 'def f() -> int:\n    """Return `1`, and ``` too."""\n\n\n    return 1'
    text = filtered(f"````python\n{code}\n````\n\n    plain\n", "typst")
    assert f"````python\n{code}\n````" in text and "```\nplain\n```" in text and "Skylighting" not in text
    settings = filtered("```{.quarto-title-block template=a}\n---\nengine: b\n---\n```\n", "typst")
    assert settings.startswith("```quarto-title-block\n")  # left to Quarto, which takes them out


def test_a_box_stands_apart_from_the_text(tmp_path: Path) -> None:
    marked = tmp_path / "marked.lua"  # as Quarto has marked boxes before it runs a book's own filters
    marked.write_text(
        'function Div(div) if div.classes[1] == "callout-tip" then div.classes = {} '
        'div.attributes.__quarto_custom_type = "Callout" return div end end'
    )
    markdown = "Text.\n\n::: {.callout-tip}\nHat.\n:::\n\n::: {.other}\nMore.\n:::\n"
    for text in (filtered(markdown, "typst"), filtered(markdown, "typst", marked)):
        assert re.search(r"Text\.\s+#v\(1em, weak: true\)\s+#block\[\s+Hat\.\s+\]\s+#v\(1em, weak: true\)", text)
        assert text.count("weak") == 2


def test_the_ways_into_the_book_stand_apart_and_so_do_its_chapters() -> None:
    text = filtered("[Start](a.qmd){.button} [See](b.qmd){.button}\n\n::: {.chapter}\nOne.\n\nTwo.\n:::\n", "typst")
    assert len(re.findall(r"#box\([^)]*\)[^\[]*\[#link", text)) == 2
    assert re.search(
        r"#v\(1em, weak: true\)\s+#block\[\s+#set par[^\n]*\s+One\.\s+Two\.\s+\]\s+#v\(1em, weak: true\)", text
    )


def test_quarto_is_told_of_both() -> None:
    settings = yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))
    assert settings["format"]["typst"]["include-before-body"] == "book/theme/quarto.typ"
    assert "book/theme/quarto.lua" in settings["filters"]
