"""The filters that Quarto and press both run, on the document that Quarto 1.10.18 makes of a book's chapters."""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
import yaml

from press.pandoc import HOME, program

ROOT = Path(__file__).resolve().parents[3]
CHAPTERS = {
    "index.qmd": "# Preface\n\n[The *ledger*](book/ledger.qmd), [names.txt](data/names.txt), [it](book/one.qmd#tbl-a).\n",
    "book/one.qmd": "# One {#sec-one}\n\n[back](../index.qmd) [own](one.qmd) [x.csv (2 rows)](../results/a%20b/x.csv)\n"
    "[far](https://e.org/x.qmd) [mail](mailto:a@e.org) [here](#sec-one) [lost](none.qmd)\n",
    "book/ledger.qmd": "# Ledger {#sec-ledger}\n\n[test](../tests/t.py#L3)\n",
}
SHOWN = {
    "index.qmd": "[The *ledger*](#sec-ledger), `data/names.txt`, [it](#tbl-a).",
    "book/one.qmd": "[back](#preface) [own](#sec-one) `results/a b/x.csv` (2 rows) [far](https://e.org/x.qmd) "
    "[mail](mailto:a@e.org) [here](#sec-one) [lost](none.qmd)",
    "book/ledger.qmd": "test (`tests/t.py`)",
}


def joined(chapters: dict[str, str]) -> str:
    """Return chapters in one document, as bookItemMetadata in Quarto's book-render.ts marks them."""

    def mark(**known: str) -> str:
        return f"<!-- quarto-file-metadata: {b64encode(json.dumps(known).encode()).decode()} -->"

    text = ""
    for name, chapter in chapters.items():
        folder = Path(name).parent.as_posix()
        inline, block = mark(resourceDir=folder), mark(resourceDir=folder, bookItemFile=name, bookItemType="chapter")
        text += f"\n\n`{inline}`{{=html}}\n\n```{{=html}}\n{block}\n```\n\n{chapter}"
    return text


def filtered(text: str, name: str, to: str, folder: Path) -> str:
    command = [program(), "-f", "markdown", "-t", to, "--standalone", "--wrap=none", "-L", str(HOME / f"{name}.lua")]
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8", cwd=folder, check=True)
    return done.stdout


def paragraphs(folder: Path) -> dict[str, str]:
    """Return what the links of each chapter become where there is one file."""
    text = filtered(joined(CHAPTERS), "links", "markdown", folder)
    lines = [line for line in text.splitlines() if "](" in line or line.startswith("test")]
    return dict(zip(CHAPTERS, lines, strict=True))


def test_links_in_one_file_lead_to_its_chapters_and_say_the_paths_of_files(tmp_path: Path) -> None:
    assert paragraphs(tmp_path) == SHOWN


def test_links_to_files_lead_to_the_site_once_it_has_an_address(tmp_path: Path) -> None:
    (tmp_path / "_quarto.yml").write_text("book:\n  title: A\n  site-url: https://e.org/b/\n", encoding="utf-8")
    shown = paragraphs(tmp_path)
    assert shown["book/ledger.qmd"] == "[test](https://e.org/b/tests/t.py#L3)"
    assert "[x.csv (2 rows)](https://e.org/b/results/a%20b/x.csv)" in shown["book/one.qmd"]
    assert "[The *ledger*](#sec-ledger)" in shown["index.qmd"]


NARROW = "| a |\n|---|\n| [test](../tests/t.py)[: [code](c.py)]{.to-files} and [it](two.qmd#sec-two) |\n"


def test_in_a_table_of_one_file_paths_stand_alone_or_not_at_all(tmp_path: Path) -> None:
    chapters = {"book/one.qmd": f"# One\n\n{NARROW}", "book/two.qmd": "# Two {#sec-two}\n"}
    assert "`tests/t.py` and [it](#sec-two)" in filtered(joined(chapters), "links", "markdown", tmp_path)
    (tmp_path / "_quarto.yml").write_text("book:\n  title: A\n  site-url: https://e.org\n", encoding="utf-8")
    text = filtered(joined(chapters), "links", "markdown", tmp_path)
    assert "[test](https://e.org/tests/t.py)" in text and "[code](https://e.org/book/c.py)" in text


@pytest.mark.parametrize("to", ["html", "json"])
def test_links_of_the_site_stay_as_they_are(to: str, tmp_path: Path) -> None:
    assert filtered(CHAPTERS["book/one.qmd"], "links", to, tmp_path).count("../results/a%20b/x.csv") == 1


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (r"About $\ln 27 =$ 3.296 nats, the *cost* of `x_1`.", "About ln 27 = 3.296 nats, the cost of x_1."),
        (r"Is $\sqrt{n}$ or $\frac{a}{b}$ or $x_i^2 \le 10^{-3}$?", "Is √n or a/b or xi² ≤ 10⁻³?"),
        ('They "hold"^[A note.] [@euclid]. "So."', "They “hold”. “So.”"),
        (
            "In @sec-one, see @fig-a.\nAs [@eq-b] says.\nIt *holds for 1.5 %.* @euclid says so. Then it ends.",
            "It holds for 1.5 %. Then it ends.",
        ),
        ("By *@euclid alone.*", "Another."),
        ("A & B < C", "A &amp; B &lt; C"),
        ("Long. " * 60, "Long. " * 32 + "Long."),
        ("word " * 60, ("word " * 39) + "word …"),
    ],
)
def test_a_page_is_described_by_its_first_paragraph_in_plain_text(written: str, said: str, tmp_path: Path) -> None:
    text = f"# Title\n\n::: {{.cell}}\nAn output.\n:::\n\n{written}\n\nAnother.\n"
    [found] = re.findall(
        r'<meta name="description" content="(.*?)" />', filtered(text, "description", "html", tmp_path)
    )
    assert found == said
    assert len(found) < 210


def test_a_page_without_a_paragraph_is_described_by_its_heading(tmp_path: Path) -> None:
    text = filtered("# References {.unnumbered}\n\n::: {#refs}\n:::\n", "description", "html", tmp_path)
    assert '<meta name="description" content="References" />' in text
    text = filtered("---\ntitle: References\n---\n\n::: {#refs}\n:::\n", "description", "html", tmp_path)
    assert '<meta name="description" content="References" />' in text


UNDER_QUARTO = """quarto = {doc = {input_file = "/b/book/one.qmd"}, project = {directory = "/b"}}
return dofile("%s")"""


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("is np.float64(0.5).", r"np.float64(...) in “It is np.float64(0.5).”"),
        ("is [np.int8(1), 2].", "np.int8(...)"),
        ("is np.True_.", "np.True_"),
        ("is np.str_('a b').", "np.str_(...)"),
        ("is *np.uint8(1)*.", "np.uint8(...)"),
        ("costs np.sqrt(2), np.log10(2) or `np.float64(2)`.\n\n::: {.cell}\nnp.float64(2)\n:::\n", ""),
    ],
)
def test_under_quarto_a_value_that_numpy_prints_with_its_type_is_refused(
    printed: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "under_quarto.lua").write_text(UNDER_QUARTO % (HOME / "numpy.lua"), encoding="utf-8")
    command = [program(), "-f", "markdown", "-t", "html", "-L", str(tmp_path / "under_quarto.lua")]
    done = subprocess.run(command, input=f"It {printed}", capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == bool(said), done.stderr
    assert not said or f"ERROR: book/one.qmd: inline code prints {said}" in done.stderr


def test_the_book_has_quarto_run_what_press_runs() -> None:
    filters = yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))["filters"]
    assert {"press/links.lua", "press/description.lua", "press/numpy.lua"} <= set(filters)


def test_signs_stay_with_their_numbers() -> None:
    text = "1.5 % of 2 ± 0.1, 3 × 10 and *4 %* x 5 ± **6** %z. Not 100% or a×b or x y.\n\n| a |\n|---|\n| 1 ± 2 and 3 % |\n"
    command = [program(), "-f", "markdown", "-t", "html", "--wrap=none", "-L", str(ROOT / "book/theme/together.lua")]
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8", check=True)
    shown = done.stdout.replace("\u00a0", "~")
    assert (
        "<p>1.5~% of 2~±~0.1, 3~×~10 and <em>4~%</em> x 5~±~<strong>6</strong>~%z. Not 100% or a×b or x y.</p>" in shown
    )
    assert "<td>1~±~2 and 3~%</td>" in shown


def _reading_time(text: str) -> list[str]:
    command = [
        program(),
        "-f",
        "markdown",
        "-t",
        "plain",
        "--wrap=none",
        "-L",
        str(ROOT / "book/theme/reading_time.lua"),
    ]
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8", check=True)
    return re.findall(r"time (.*) read", done.stdout.replace("\u00a0", " "))


def test_reading_time_counts_the_words_of_a_chapter_without_code_and_solutions() -> None:
    chapter = "# One\n\n::: {.strip}\ntime []{.reading-time}\n:::\n\n" + "word " * 660 + "\n\n"
    aside = "```\n" + "code " * 5000 + "\n```\n\n::: {#sol-one}\n" + "solution " * 5000 + "\n:::\n\n"
    assert _reading_time(chapter) == ["3 minutes to"]
    assert _reading_time(chapter + aside) == ["3 minutes to"]
    assert _reading_time(chapter + "\n::: {.hidden}\n" + "other " * 400 + "\n:::\n") == ["3 minutes to"]
    assert _reading_time("# One\n\n::: {.strip}\ntime []{.reading-time}\n:::\n") == ["1 minute to"]
    assert _reading_time(chapter.replace("# One", "# " + "title " * 400)) == ["3 minutes to"]


def test_reading_time_is_of_each_chapter_where_all_are_one_document() -> None:
    chapters = "".join(
        f"# Chapter\n\n::: {{.strip}}\ntime []{{.reading-time}}\n:::\n\n## Section\n\n{'word ' * many}\n\n"
        for many in (200, 1100, 440)
    )
    assert _reading_time(chapters) == ["1 minute to", "5 minutes to", "2 minutes to"]
