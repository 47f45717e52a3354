"""Cells run in real kernels, show what Quarto shows, and fail with their own line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from press import SourceError, pandoc_ast
from press.book import Page
from press.build import read_pages, read_sources
from press.read.project import read_project
from tests.press.conftest import MakeBook, found, pages_of

Pages = dict[str, Page]
CIRCLES = "chapters/circles.qmd"


def shown(page: Page) -> str:
    """Return all the words and code of a page."""
    code = [node["c"][1] for node in found(page, "CodeBlock")]
    return " ".join([pandoc_ast.words(page.blocks), *code])


def test_inline_values_print_as_quarto_prints_them(fixture_pages: Pages) -> None:
    words = pandoc_ast.words(fixture_pages[CIRCLES].blocks)
    assert "A circle of radius 2.0 has area 12.57, says bold" in words  # a number's repr, a text without quotes
    assert "as it is: a *name* with <marks> & $signs; an integer too: 1000000; and a list: [1, ‘two’]." in words
    assert any(
        pandoc_ast.words(node) == "bold" for node in found(fixture_pages[CIRCLES], "Strong")
    )  # IPython's Markdown


def test_inline_code_alone_needs_no_cell(fixture_pages: Pages) -> None:
    assert "and 2 chapters" in pandoc_ast.words(fixture_pages["index.qmd"].blocks)


def test_a_data_frame_becomes_a_table(fixture_pages: Pages) -> None:
    div = found(fixture_pages[CIRCLES], "Div", "tbl-areas")[0]
    [table] = [node for node in pandoc_ast.every(div) if node["t"] == "Table"]
    assert "12.566371" in str(table) and "dataframe" in pandoc_ast.triple(table)[1]


def test_a_figure_is_an_svg_file_shown_once(fixture_pages: Pages, fixture_book: Path) -> None:
    images = [node["c"][2][0] for node in found(fixture_pages["chapters/counting.qmd"], "Image")]
    assert len(images) == 1 and images[0].endswith(".svg")
    assert "<svg" in (fixture_book / images[0]).read_text(encoding="utf-8")


def test_outputs_are_divs_by_stream_and_code_is_shown_where_asked(fixture_pages: Pages) -> None:
    page = fixture_pages[CIRCLES]
    fold = next(cell for cell in found(page, "Div", "cell") if pandoc_ast.get(cell, "fold"))
    assert (pandoc_ast.get(fold, "fold"), pandoc_ast.get(fold, "summary")) == ("true", "Show the sum")
    assert [pandoc_ast.triple(part)[1] for part in fold["c"][1]] == [
        ["python", "cell-code"],
        ["output", "output-stdout"],
    ]
    text = shown(page)
    assert "the sum is 45" in text and "np.float64(15.707963267948966)" in text
    assert "import math" not in text  # include: false
    assert 'areas.to_csv("never.csv")' in text  # eval: false, echo: true


def test_text_printed_as_is_is_markdown(fixture_pages: Pages) -> None:
    page = fixture_pages[CIRCLES]
    assert any(pandoc_ast.words(node) == "Markdown" for node in found(page, "Emph"))
    assert any(pandoc_ast.words(node["c"][1][-1]) == "An inner callout." for node in found(page, "Div", "callout-tip"))


def test_warnings_are_shown_unless_turned_off_and_without_the_kernels_number(fixture_pages: Pages) -> None:
    text = shown(fixture_pages[CIRCLES])
    assert "UserWarning: mind the gap" in text and "ipykernel" not in text
    assert "this one is hidden" not in text


def test_code_runs_at_the_root_of_the_project(make_book: MakeBook) -> None:
    page = pages_of(
        make_book(
            {
                "parts/one.qmd": "# One\n\n```{python}\nimport os, helper\nprint(os.getcwd(), helper.WORD)\n```\n",
                "_quarto.yml": Path(make_book({}) / "_quarto.yml").read_text().replace("one.qmd", "parts/one.qmd"),
                "helper.py": 'WORD = "found"\n',
                "_environment": "# a note\nPRESS_TEST_WORD=there\n",
                "two.qmd": "# Two\n\n```{python}\nimport os\nprint(os.environ['PRESS_TEST_WORD'])\n```\n",
            }
        )
    )
    assert shown(page["parts/one.qmd"]).endswith(" found")
    assert shown(page["two.qmd"]).endswith("there")


FAILING = "# One\n\nText.\n\n```{python}\n#| label: a\nx = 1\n\ndef f():\n    return x / 0\n\nf()\n```\n"


def test_a_failing_cell_is_named_with_file_and_line(make_book: MakeBook) -> None:
    with pytest.raises(SourceError) as caught:
        pages_of(make_book({"one.qmd": FAILING}))
    assert str(caught.value).startswith("one.qmd:10: this cell fails: ZeroDivisionError: division by zero\n")
    assert "return x / 0" in str(caught.value) and "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("Is `{python} 1` and\n`{python} 1 / 0`.", 10, "inline code `1 / 0` fails: ZeroDivisionError"),
        ("Is `{python} ''`.", 9, "gives an empty text"),
        ("Is `{python} IPython.display.HTML('<b>x</b>')`.", 9, "show it with a cell"),
        ("```{python}\nIPython.display.HTML('<b>x</b>')\n```", 9, "this cell shows HTML"),
        ("```{python}\nx = = 1\n```", 10, "SyntaxError"),
        ("```{python}\nimport os\nos._exit(3)\n```", 9, "the kernel died"),
    ],
)
def test_what_cannot_be_shown_is_named_with_its_line(make_book: MakeBook, text: str, line: int, words: str) -> None:
    start = "# One\n\n```{python}\nimport IPython.display\n```\n\nText.\n\n"
    with pytest.raises(SourceError) as caught:
        pages_of(make_book({"one.qmd": start + text + "\n"}))
    assert str(caught.value).startswith(f"one.qmd:{line}: ")
    assert words in str(caught.value)


def test_a_failing_chapter_stops_the_others_and_keeps_nothing(make_book: MakeBook) -> None:
    root = make_book({"one.qmd": FAILING, "two.qmd": "# Two\n\n```{python}\nimport time; time.sleep(600)\n```\n"})
    start = time.monotonic()
    with pytest.raises(SourceError, match="division by zero"):
        pages_of(root)
    assert time.monotonic() - start < 300
    assert not [path for path in (root / ".press/cells").rglob("*") if path.is_file()]


def test_the_same_key_is_never_run_twice_and_the_same_figure_is_the_same_file(make_book: MakeBook) -> None:
    cell = (
        "```{python}\nfrom matplotlib.figure import Figure\nopen('runs', 'a').write('x')\nfigure = Figure()\n"
        "figure.subplots().plot([1, 2], label='a')\nfigure\n```\n"
    )
    root = make_book({"one.qmd": f"# One\n\n{cell}"})
    book = read_project(root)
    sources = read_sources(book)
    images = []
    for key in ("first", "first", "second"):
        pages = read_pages(book, sources, dict.fromkeys(sources, key), lambda *_: None)
        [image] = found(next(page for page in pages if page.chapter.source == "one.qmd"), "Image")
        images.append((root / image["c"][2][0]).read_bytes())
    assert (root / "runs").read_text() == "xx"
    assert images[0] == images[1] == images[2]


def test_text_beside_a_figure_that_only_names_it_is_left_out(make_book: MakeBook) -> None:
    cell = (
        "```{python}\nfrom matplotlib.figure import Figure\nfrom IPython.display import display\nfigure = Figure()\n"
        "axes = figure.subplots()\ndisplay(figure)\naxes.plot([1, 2])\n```\n"
    )
    page = pages_of(make_book({"one.qmd": f"# One\n\n{cell}"}))["one.qmd"]
    assert len(found(page, "Image")) == 1 and not found(page, "CodeBlock")


OPTIONS = """\
# One

```{python}
#| label: set-up
#| echo: true
#| output: false
import sys
import tempfile
from IPython.display import Markdown, display
print("without its output")
```

```{python}
#| include: false
print("left out")
```

```{python}
#| echo: true
#| code-fold: show
#| code-summary: 'The "whole" sum'
print("to stdout")
print("to stderr", file=sys.stderr)
```

```{python}
#| warning: false
print("silenced", file=sys.stderr)
6 * 7
```

```{python}
#| eval: false
print("never run")
```

```{python}
display(Markdown("*shown* first"))
Markdown("1. a list")
```

```{python}
#| output: asis
print("- as it is")
print("- by hand", file=sys.stderr)
Markdown("**strong**")
```
"""


def test_each_option_of_a_cell_shows_what_it_says(make_book: MakeBook) -> None:
    page = pages_of(make_book({"one.qmd": OPTIONS}))["one.qmd"]
    text = shown(page)
    assert "without its output" in text and text.count("without its output") == 1  # the code alone
    assert all(words not in text for words in ("left out", "silenced", "never run"))
    cells = found(page, "Div", "cell")
    assert pandoc_ast.triple(cells[0])[0] == "set-up"
    folded = cells[1]
    assert (pandoc_ast.get(folded, "fold"), pandoc_ast.get(folded, "summary")) == ("show", 'The "whole" sum')
    streams = [(pandoc_ast.triple(part)[1][-1], part["c"][1][0]["c"][1]) for part in folded["c"][1][1:]]
    assert streams == [("output-stdout", "to stdout"), ("output-stderr", "to stderr")]
    [display] = [part for part in cells[2]["c"][1] if "output-display" in pandoc_ast.triple(part)[1]]
    assert display["c"][1] == [{"t": "CodeBlock", "c": [["", [], []], "42"]}]
    assert [pandoc_ast.words(node) for node in found(page, "Emph")] == ["shown"]
    assert len(found(page, "OrderedList")) == 1 and pandoc_ast.words(found(page, "BulletList")) == "as it is"
    assert [pandoc_ast.words(node) for node in found(page, "Strong")] == ["strong"]


def test_damaged_outputs_are_run_again(make_book: MakeBook) -> None:
    cell = "# One\n\n```{python}\nopen('runs', 'a').write('x')\nprint('here')\n```\n"
    root = make_book({"one.qmd": cell})
    damages = [
        "{",
        '{"cells": [], "inlines": []}',
        "[]",
        "null",
        "[" * 9999,
        "here -> hear",
        '"cells": -> "sells":',
        None,
    ]
    for damage in damages:
        assert "here" in shown(pages_of(root)["one.qmd"])
        [file] = (root / ".press/cells/one").iterdir()
        if damage:
            old, arrow, new = damage.partition(" -> ")
            assert old in file.read_text() or not arrow
            file.write_text(file.read_text().replace(old, new) if arrow else damage)
    assert (root / "runs").read_text() == "x" * len(damages)


def test_a_damaged_figure_is_drawn_again(make_book: MakeBook) -> None:
    cell = "# One\n\n```{python}\nfrom IPython.display import SVG\nSVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')\n```\n"
    root = make_book({"one.qmd": cell})
    pages_of(root)
    [figure] = (root / ".press/figures/one").glob("*.svg")
    whole = figure.read_bytes()
    figure.write_bytes(whole.replace(b"2000", b"2001"))
    pages_of(root)
    assert figure.read_bytes() == whole


def test_a_module_edited_within_its_second_is_read_again(make_book: MakeBook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same size, same time: the bytecode that Python keeps looks current, and is not."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    cell = "# One\n\n```{python}\nimport beside.numbers\nprint('it is', beside.numbers.ONE)\n```\n"
    root = make_book({"one.qmd": cell, "beside/__init__.py": "", "beside/numbers.py": "ONE = 1\n"})
    subprocess.run([sys.executable, "-c", "import beside.numbers"], cwd=root, check=True)
    file = root / "beside/numbers.py"
    assert [*root.glob("beside/__pycache__/numbers.*.pyc")]
    before = file.stat()
    file.write_text("ONE = 2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "it is 2" in shown(pages_of(root)["one.qmd"])


@pytest.mark.parametrize(("folder", "transport"), [("short", "ipc"), ("long" * 30, "tcp")])
def test_kernels_talk_through_files_where_a_path_fits(
    folder: str, transport: str, make_book: MakeBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port that was free a moment ago may be taken; a render failed of it once in some thousands."""
    temporary = tmp_path / folder if transport == "tcp" else Path(tempfile.mkdtemp(dir="/tmp"))
    temporary.mkdir(exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    cell = "from ipykernel.connect import get_connection_info as info\nprint(info(unpack=True)['transport'])"
    root = make_book({"one.qmd": f"# One\n\n```{{python}}\n{cell}\n```\n"})
    assert found(pages_of(root)["one.qmd"], "CodeBlock")[0]["c"][1].strip() == transport
    assert not list(temporary.glob("*/*"))
    shutil.rmtree(temporary)
