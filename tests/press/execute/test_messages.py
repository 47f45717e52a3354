"""What a cell shows is what nbclient, which Quarto runs cells with, makes of its messages; what no page can show is refused."""

from __future__ import annotations

import pytest

from press import SourceError
from tests.press.conftest import MakeBook, found, pages_of

LIVE = """\
# One

```{python}
from IPython.display import clear_output, display
handle = display("not begun", display_id=True)
for step in range(3):
    clear_output(wait=True)
    print("step", step)
```

```{python}
handle = display("old words", display_id=True)
```

```{python}
handle.update("new words")
print("the end")
```
"""


def test_progress_shows_its_last_state_and_a_display_what_a_later_cell_makes_of_it(make_book: MakeBook) -> None:
    page = pages_of(make_book({"one.qmd": LIVE}))["one.qmd"]
    assert [node["c"][1] for node in found(page, "CodeBlock")] == ["step 2", "'new words'", "the end"]


START = "# One\n\n```{python}\nimport numpy as np\nx = np.float64(0.5)\n```\n\nText.\n\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("It is `{python} x`.", 10, r"prints np.float64\(\.\.\."),
        ("Both\nare `{python} [x, 1]`.", 11, r"prints np.float64\(\.\.\."),
        ("It is `{python} x > 0`.", 10, r"prints np.True_\.\.\."),
        ("It is `{python} print('aside')`.", 10, "shows something besides its value\n  aside"),
        ("```{python}\nx?\n```", 10, "asks for page"),
        ("```{python}\nimport comm; comm.create_comm(target_name='jupyter.widget')\n```", 10, "shows a widget"),
        (
            "```{python}\nk = get_ipython().kernel\nk.session.send(k.iopub_socket, 'debug_event', {}, k.get_parent())\n```",
            10,
            "sends debug_event",
        ),
    ],
)
def test_what_a_page_cannot_hold_is_refused_with_its_line(
    make_book: MakeBook, text: str, line: int, words: str
) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        pages_of(make_book({"one.qmd": START + text + "\n"}))
    assert str(caught.value).startswith(f"one.qmd:{line}: ")


@pytest.mark.parametrize(("code", "shown"), [("float(x)", "0.5"), ("f'{x}'", "0.5"), ("'np.sqrt(2)'", "np.sqrt(2)")])
def test_plain_numbers_and_texts_about_numpy_are_printed(make_book: MakeBook, code: str, shown: str) -> None:
    from press.pandoc_ast import words

    page = pages_of(make_book({"one.qmd": f"{START}It is `{{python}} {code}`.\n"}))["one.qmd"]
    assert f"It is {shown}." in words(page.blocks)
