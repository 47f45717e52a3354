"""What users of other tools have reported of cells' outputs, tried on press.  README.md has the threads."""

from __future__ import annotations

import pytest

from press.execute.terminal import as_shown
from tests.press.conftest import MakeBook, found, pages_of


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("step 1/3\rstep 2/3\rdone    \n", "done\n"),
        ("long line\rab\n", "abng line\n"),
        ("50%\r\x1b[K100%\n", "100%\n"),
        ("abc\b\bX\n", "aXc\n"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("outer 0\n\x1b[Ainner\x1b[2Kx\n", "     x\n"),
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
