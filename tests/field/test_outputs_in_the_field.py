"""What users of other tools have reported of cells' outputs, tried on press.  README.md has the threads."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import press
from press import fork_server, pandoc_ast
from press.build import read_pages, read_sources
from press.execute.outputs import as_shown, machine_path
from press.read.project import read_project
from tests.press.conftest import MakeBook, found, pages_of


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("step 1/3\rstep 2/3\rdone    \n", "done\n"),
        ("long line\rab\n", "abng line\n"),
        ("50%\r\x1b[K100%\n", "100%\n"),
        ("abc\b\bXY\n", "aXY\n"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("\router 0\n\rinner 1\x1b[A\n\rinner 2\x1b[A\router 1\n", "outer 1\n"),
        ("inner\x1b[2Kx\n", "x\n"),
        ("\x1b[?25l\x1b]8;;http://e.org\x1b\\link\x1b]8;;\x07 \x1b(Bbold\x1b[1;31mred\x1b[0m\n", "link boldred\n"),
        ("bell\x07 nul\x00 del\x7f c1\x85 turned\u202e\tkept\n", "bell nul del c1 turned\tkept\n"),
        ("\x01 word \x01", " word "),
        ("größe 中 🎉\n", "größe 中 🎉\n"),
        ("\x1b]0;never closed", ""),
    ],
)
def test_text_is_what_a_terminal_would_show(written: str, shown: str) -> None:
    assert as_shown(written) == shown


def test_a_progress_bar_and_control_characters_reach_no_page(make_book: MakeBook) -> None:
    bar = "import sys\nfor i in range(4):\n    sys.stdout.write(f'\\rstep {i}/3')\nprint('\\rdone    ')\n"
    odd = "from IPython.display import Markdown\nMarkdown('*set*\\x00\\x1b[1m')"
    page = pages_of(make_book({"one.qmd": f"# One\n\n```{{python}}\n{bar}```\n\n```{{python}}\n{odd}\n```\n"}))[
        "one.qmd"
    ]
    assert [node["c"][1] for node in found(page, "CodeBlock")] == ["done"]
    assert "\x00" not in page.text and "\x1b" not in page.text and "step" not in page.text


def told(root: Path) -> tuple[dict[str, press.Book], list[tuple[str, ...]]]:
    """Read a book up to its pages; return them, and the warnings."""
    book, said = read_project(root), []
    sources = read_sources(book)
    pages = read_pages(book, sources, dict.fromkeys(sources, "key"), lambda *event: said.append(event))
    return {page.chapter.source: page for page in pages}, [event for event in said if event[0] == "warning"]


def test_very_long_output_is_cut_with_a_note_and_a_warning_each_time(make_book: MakeBook) -> None:
    code = "for i in range(400_000):\n    print(i)\nprint('x' * 30_000)"
    root = make_book({"one.qmd": f"# One\n\n```{{python}}\n{code}\n```\n"})
    for _executed_or_kept in range(2):
        pages, warnings = told(root)
        [text] = [node["c"][1] for node in found(pages["one.qmd"], "CodeBlock")]
        assert text.startswith("0\n1\n2\n") and "[... 395002 lines are left out ...]" in text and "399999\nxxx" in text
        assert text.endswith("[... 10000 more ...]") and len(text) < 100_000
        assert [(what, "395002 lines are left out" in why) for _, what, why in warnings] == [("one.qmd:3", True)]


def test_a_table_of_twenty_thousand_rows_is_refused_with_its_line(make_book: MakeBook) -> None:
    code = "from IPython.display import HTML\nHTML('<table>' + '<tr><td>1</td></tr>' * 20_000 + '</table>')"
    with pytest.raises(
        press.SourceError, match=r"one.qmd:3: this cell shows a table of 20000 rows; a page can hold 2000"
    ):
        pages_of(make_book({"one.qmd": f"# One\n\n```{{python}}\n{code}\n```\n"}))


def test_a_path_of_this_machine_in_an_output_is_told_with_its_line(make_book: MakeBook) -> None:
    root = make_book(
        {
            "one.qmd": "# One\n\n```{python}\nimport os\nprint('in', os.getcwd() + '/x.txt:')\n```\n\nIn `{python} os.getcwd()`.\n"
        }
    )
    _, warnings = told(root)
    where = f"the page says where this is on your machine: {root}"
    assert warnings == [("warning", "one.qmd:3", f"{where}/x.txt"), ("warning", "one.qmd:8", where)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("in /home/ann/.cache/x: no", "/home/ann/.cache/x"),
        ("/home/anna", ""),
        ("see https://e.org/home/ann/x", ""),
        ("'/book/a.py'", "/book/a.py"),
        ("(/book)", "/book"),
        ("/bookcase and data/book", ""),
    ],
)
def test_a_path_counts_as_a_whole_or_not_at_all(text: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert machine_path(text, Path("/book")) == found
    monkeypatch.setenv("HOME", "/")
    assert machine_path("a / b and /usr/lib", Path("/book")) == ""


def test_matplotlib_says_nothing_of_a_home_that_cannot_be_written_to(
    make_book: MakeBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/dev/null")
    root = make_book({"one.qmd": "# One\n\n```{python}\nimport matplotlib\nprint(matplotlib.get_cachedir())\n```\n"})
    page = told(root)[0]["one.qmd"]
    assert [node["c"][1] for node in found(page, "CodeBlock")] == [str(root / ".press/matplotlib")]


def test_folders_of_killed_renders_are_swept_and_those_of_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with subprocess.Popen(["sleep", "100"]) as dead, subprocess.Popen(["sleep", "100"]) as alive:
        kept = [fork_server.home() / f"{process}-abc" for process in (os.getpid(), alive.pid)]
        left = fork_server.home() / f"{dead.pid}-abc"
        for folder in (*kept, left):
            folder.mkdir()
            (folder / "kernel.json").touch()
        sockets = [Path(fork_server.address(process.pid)) for process in (dead, alive)]
        for socket in sockets:
            socket.touch()
        dead.kill()
        dead.wait()
        fork_server.sweep()
        assert all((folder / "kernel.json").exists() for folder in kept) and not left.exists()
        assert [socket.exists() for socket in sockets] == [False, True]
        alive.kill()


def test_a_title_in_front_matter_is_the_heading(make_book: MakeBook) -> None:
    text = "---\n# no heading\ntitle: 'The *question*: {#sec-asked}'\nengine: jupyter\n---\n\nIt is `{python} 1 + 1`.\n\n## Part\n"
    text = text.replace(": {#", " {#")
    pages = pages_of(make_book({"one.qmd": text, "two.qmd": "# Two\n\nSee @sec-asked.\n"}))
    assert pages["one.qmd"].title_text == "The question" and pages["one.qmd"].ident == "sec-asked"
    assert "It is 2." in pandoc_ast.words(pages["one.qmd"].blocks)
    assert "See Chapter 1" in pandoc_ast.words(pages["two.qmd"].blocks).replace("\u00a0", " ")


def test_a_caption_among_a_cells_options_makes_a_figure_that_can_be_referred_to(make_book: MakeBook) -> None:
    figure = "#| label: fig-line\n#| fig-cap: A *line*, see @tbl-ones.\n#| fig-alt: A rising line.\n#| echo: true\nimport matplotlib.pyplot as plt\nprint('said')\nplt.plot([1, 2]);"
    table = "# | label: tbl-ones\n# | tbl-cap: Ones.\nfrom IPython.display import Markdown\nMarkdown('| a |\\n|---|\\n| 1 |')"
    text = f"# One\n\nSee @fig-line.\n\n```{{python}}\n{figure}\n```\n\n```{{python}}\n{table}\n```\n"
    page = pages_of(make_book({"one.qmd": text}))["one.qmd"]
    [div] = found(page, "Div", "fig-line")
    [image] = [node for node in pandoc_ast.every(div) if node["t"] == "Image"]
    assert pandoc_ast.get(div, "number") == "1.1" and pandoc_ast.words(image["c"][1]) == "A rising line."
    assert "A line, see Table" in pandoc_ast.words(div) and "said" not in str(div)
    assert "said" in page.text and found(page, "Div", "tbl-ones") and "label" not in str(found(page, "CodeBlock"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("#| fig-cap: Lost", "fig-cap without a label of its kind"),
        ("#| label: tbl-x\n#| fig-cap: Other", "fig-cap without a label of its kind"),
        ("#| label: fig-x\n#| fig-cap: None", "one caption, and 0 outputs"),
    ],
)
def test_a_caption_that_no_output_stands_over_is_refused(make_book: MakeBook, options: str, said: str) -> None:
    with pytest.raises(press.SourceError, match=said):
        pages_of(make_book({"one.qmd": f"# One\n\n```{{python}}\n{options}\nprint(1)\n```\n"}))


def test_a_cell_that_may_fail_shows_its_error_and_the_next_one_runs(make_book: MakeBook) -> None:
    text = "# One\n\n```{python}\n#| error: true\nprint('before')\n1 / 0\n```\n\n```{python}\nprint('after')\n```\n"
    page = pages_of(make_book({"one.qmd": text}))["one.qmd"]
    before, error, after = [node["c"][1] for node in found(page, "CodeBlock")]
    assert (
        (before, after) == ("before", "after")
        and "ZeroDivisionError: division by zero" in error
        and "\x1b" not in error
    )
    assert found(page, "Div", "output-error")


def test_a_figure_that_cannot_be_drawn_fails_with_its_line(make_book: MakeBook) -> None:
    code = "import matplotlib.pyplot as plt\nplt.title(r'$\\frac{$')"
    with pytest.raises(press.SourceError, match=r"one.qmd:3: this cell fails"):
        pages_of(make_book({"one.qmd": f"# One\n\n```{{python}}\n{code}\n```\n".replace("\\\\", "\\")}))


def test_a_cell_that_is_to_be_shown_unrun_is_refused_and_not_garbled(make_book: MakeBook) -> None:
    with pytest.raises(press.SourceError, match=r"one.qmd:3: unknown kind of cell"):
        pages_of(make_book({"one.qmd": "# One\n\n```{{python}}\n1 + 1\n```\n"}))


def test_a_table_too_wide_for_the_page_is_set_in_parts_with_its_first_column(make_book: MakeBook) -> None:
    import pypdfium2

    head = " | ".join(f"column{n:02}" for n in range(30))
    row = " | ".join(f"{n}.123456" for n in range(10, 40))
    code = f"from IPython.display import HTML\nimport pandas as pd\npd.set_option('display.max_columns', None)\npd.DataFrame([[{row.replace(' |', ',')}]], columns={head.split(' | ')!r})"
    root = make_book({"one.qmd": f"# One\n\n```{{python}}\n{code}\n```\n"})
    press.render(root, ("pdf",))
    with pypdfium2.PdfDocument(root / "_book/a-book.pdf") as pdf:
        text = " ".join(page.get_textpage().get_text_range() for page in pdf)
        sizes = {round(page.get_size()[0]) for page in pdf}
    words, lines = text.split(), text.splitlines()
    assert all(f"column{n:02}" in words and f"{n + 10}.123456" in words for n in range(30)) and sizes == {595}
    assert not [line for line in lines if "column00" in line and "column29" in line] and max(map(len, lines)) < 140
