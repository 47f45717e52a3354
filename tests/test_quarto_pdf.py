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
# What orange-book, the template, does to headings and heads of pages.
TEMPLATE = """\
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
    ],
    ids=["a short table with its caption", "a table without one", "a row"],
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


def filtered(markdown: str, to: str) -> str:
    command = [program(), "-f", "markdown", "-t", to, "-L", str(THEME / "quarto.lua")]
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
        r'= One\n(<one>\n)?#state\("part-state", none\).update\(none\)\n#heading\(level: 1, numbering: none\)', text
    )


def test_quarto_is_told_of_both() -> None:
    settings = yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))
    assert settings["format"]["typst"]["include-before-body"] == "book/theme/quarto.typ"
    assert "book/theme/quarto.lua" in settings["filters"]
