"""What a cell shows is what nbclient, which Quarto runs cells with, makes of the same messages; what no page can show is refused."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient

from press import SourceError
from press.execute.messages import CellFailed, Displays, Output, Shown
from tests.fuzzing import fuzz
from tests.press.conftest import MakeBook, found, pages_of

Message = tuple[str, dict[str, Any]]


def stream(text: str, name: str = "stdout") -> Message:
    return "stream", {"name": name, "text": text}


def display(text: str, ident: str | None = None, kind: str = "display_data") -> Message:
    content: dict[str, Any] = {"data": {"text/plain": text}, "metadata": {}, "transient": {}}
    if ident:
        content["transient"] = {"display_id": ident}
    return kind, content | ({"execution_count": 1} if kind == "execute_result" else {})


def update(text: str, ident: str) -> Message:
    return display(text, ident, "update_display_data")


CLEAR: Message = ("clear_output", {"wait": False})
CLEAR_NEXT: Message = ("clear_output", {"wait": True})
BUSY: Message = ("status", {"execution_state": "busy"})
# The situations that nbclient's own tests put it in, each a list of cells.
CASES = {
    "cleared at once": [[stream("old"), CLEAR]],
    "cleared at once, then more": [[stream("old"), CLEAR, stream("new")]],
    "cleared by the next output": [[stream("old"), CLEAR_NEXT, stream("new")]],
    "kept if nothing follows": [[stream("old"), CLEAR_NEXT]],
    "kept if only a status follows": [[stream("old"), CLEAR_NEXT, BUSY]],
    "an update is no next output": [[display("old", "a"), stream("x"), CLEAR_NEXT, update("new", "a")]],
    "a display is a next output": [[stream("old"), CLEAR_NEXT, display("new")]],
    "cleared once": [[stream("old"), CLEAR_NEXT, stream("new"), display("more")]],
    "updated": [[display("old", "a"), stream("between"), update("new", "a")]],
    "updated by a later cell": [[display("old", "a")], [stream("x"), update("new", "a")]],
    "updated wherever it is shown": [[display("1", "a"), display("2", "a")], [display("3", "a")]],
    "updated after it was cleared": [[display("old", "a"), CLEAR, stream("x"), update("new", "a")]],
    "updated though nobody has shown it": [[stream("x"), update("new", "a")]],
    "a result has an identity too": [[display("old", "a", "execute_result"), update("new", "a")]],
    "two streams": [[stream("a"), stream("b", "stderr"), stream("c"), stream("d")]],
}
MESSAGES = st.one_of(
    st.sampled_from([CLEAR, CLEAR_NEXT, BUSY, stream("out"), stream("err", "stderr"), display("plain")]),
    st.builds(
        display, st.sampled_from("xyz"), st.sampled_from("ab"), st.sampled_from(["display_data", "execute_result"])
    ),
    st.builds(update, st.sampled_from("uvw"), st.sampled_from("ab")),
)


def ours(cells: list[list[Message]]) -> list[list[Output]]:
    displays: Displays = {}
    shown = []
    for messages in deepcopy(cells):
        shown.append(Shown(displays))
        for kind, content in messages:
            shown[-1].take(kind, content)
    return [plain(cell.outputs) for cell in shown]


def nbclients(cells: list[list[Message]]) -> list[list[Output]]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell() for _ in cells])
    client = NotebookClient(notebook, record_timing=False)
    client.reset_execution_trackers()
    for index, messages in enumerate(deepcopy(cells)):
        client.clear_before_next_output = False  # as it begins each cell
        for kind, content in messages:
            message = {
                "msg_type": kind,
                "header": {"msg_type": kind},
                "parent_header": {"msg_id": ""},
                "content": content,
            }
            client.process_message(message, notebook.cells[index], index)
    return [plain(cell.outputs) for cell in notebook.cells]


def plain(outputs: list[Any]) -> list[Output]:
    """Return what is seen of outputs, with what a stream says in one piece."""
    seen: list[Output] = []
    for output in outputs:
        if output["output_type"] != "stream":
            seen.append({"kind": output["output_type"], "data": dict(output["data"])})
        elif seen and seen[-1]["kind"] == output["name"]:
            seen[-1]["text"] += output["text"]
        else:
            seen.append({"kind": output["name"], "text": output["text"]})
    return seen


@pytest.mark.parametrize("case", CASES)
def test_a_cell_shows_what_nbclient_makes_of_its_messages(case: str) -> None:
    assert ours(CASES[case]) == nbclients(CASES[case])


@fuzz(300)
@given(st.lists(st.lists(MESSAGES, max_size=8), min_size=1, max_size=3))
def test_so_it_does_whatever_the_messages(cells: list[list[Message]]) -> None:
    assert ours(cells) == nbclients(cells)


@pytest.mark.parametrize(("kind", "words"), [("comm_open", "a widget"), ("debug_event", "sends debug_event")])
def test_a_message_that_no_page_can_show_is_refused(kind: str, words: str) -> None:
    with pytest.raises(CellFailed, match=words):
        Shown({}).take(kind, {"comm_id": "1", "data": {}})


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


LATE = """\
# One

```{python}
kernel = get_ipython().kernel
first = kernel.get_parent("shell")
print("at once", flush=True)
```

```{python}
kernel.session.send(kernel.iopub_socket, "stream", {"name": "stdout", "text": "said late"}, parent=first)
print("later")
```
"""


def test_what_is_said_for_a_cell_that_has_ended_stands_with_that_cell(make_book: MakeBook) -> None:
    """A thread or a child that it left running may still speak."""
    page = pages_of(make_book({"one.qmd": LATE}))["one.qmd"]
    assert [node["c"][1].splitlines() for node in found(page, "CodeBlock")] == [["at once", "said late"], ["later"]]


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
