"""A render that is killed or stopped, wherever it is, leaves the old site as it was, and the next one goes on."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import press
from press.files import swap
from tests.press.conftest import MakeBook

CELL = "```{python}\nimport os\nopen('kernel', 'w').write(str(os.getpid()))\nprint('one')\n```\n"
SLOW = CELL.replace("print('one')", "import time\ntime.sleep(600)")
PARENT = CELL.replace("kernel'", "parent'").replace("pid()", "ppid()")
RENDER = """\
import press, sys
def tell(*event):  # in one piece: the formats are written side by side
    sys.stdout.write(" ".join(event) + "\\n")
    sys.stdout.flush()
press.render(sys.argv[1], keys=lambda path: "key", progress=tell)
"""


@contextmanager
def running(program: str, root: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program with a book's root in a process of its own, which is gone afterwards, whatever happened."""
    command, here = [sys.executable, "-c", program, str(root)], Path(press.__file__).parents[1]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=here) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    """Read what a render tells until it tells this, and return that line."""
    assert process.stdout is not None
    told = []
    for line in process.stdout:
        if words in line:
            return line
        told.append(line)
    raise AssertionError(f"it never told {words!r}:\n{''.join(told)}{process.communicate()[1]}")


def site(root: Path) -> dict[str, bytes]:
    out = root / "_book"
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def gone(process: int) -> bool:
    """Say whether a process ends within some seconds."""
    for _ in range(1000):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        stat = Path(f"/proc/{process}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_a_render_killed_anywhere_leaves_the_old_site_or_the_new_one(make_book: MakeBook) -> None:
    root = make_book({"one.qmd": f"# One {{#sec-one}}\n\n{CELL}\nThe old text.\n"})
    press.render(root, keys=lambda path: "key")
    chance = random.Random(2)
    moments = ["read one.qmd", "write html one.qmd", "write html search", "write pdf typesetting", "done"]
    for number, moment in enumerate(moments):
        old = site(root)
        make_book({"one.qmd": f"# One {{#sec-one}}\n\n{CELL}\nThe new text {number}.\n"})
        with running(RENDER, root) as process:
            wait_for(process, moment)
            time.sleep(chance.uniform(0, 0.2) if moment != "done" else 0)
        assert site(root) == old or f"The new text {number}.".encode() in site(root)["one.html"], moment
    press.render(root, keys=lambda path: "key")
    new = site(root)
    assert set(new) >= {"index.html", "one.html", "a-book.pdf"} and b"The new text 4." in new["one.html"]
    assert [path.name for path in root.iterdir() if path.name.startswith("_book")] == ["_book"]


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_render_stopped_in_a_cell_takes_its_kernel_with_it(
    make_book: MakeBook, how: signal.Signals, copied: bool
) -> None:
    root = make_book({})
    press.render(root, ("html",), keys=lambda path: "key")
    old = site(root)
    others = ("two.qmd", "extra.qmd") if copied else ()  # with others, kernels are copies of one process
    make_book({"one.qmd": f"# One\n\n{SLOW}"} | dict.fromkeys(others, f"# Other\n\n{PARENT}"))
    with running(RENDER, root) as process:
        files = [root / "kernel", *([root / "parent"] if copied else [])]
        while not all(file.exists() and file.read_text() for file in files):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(how)
        began = time.monotonic()
        process.communicate()
    assert time.monotonic() - began < 300 and process.returncode != 0
    assert gone(int((root / "kernel").read_text()))
    assert not copied or gone(int((root / "parent").read_text()))
    assert site(root) == old
    assert not [path for path in (root / ".press/cells/one").rglob("*") if path.is_file()]


def test_a_swap_killed_between_its_two_moves_is_put_right_by_the_next_render(
    make_book: MakeBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_book({})
    press.render(root, ("html",), keys=lambda path: "key")
    old = site(root)
    new = root / "_book.new"
    shutil.copytree(root / "_book", new)
    rename = Path.rename

    def killed(self: Path, target: Path) -> Path:
        if self == new:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        swap(new, root / "_book", root / "_book.old")
    monkeypatch.undo()
    assert not (root / "_book").exists()
    make_book({"one.qmd": "# One\n\nSee @sec-nowhere.\n"})
    with pytest.raises(press.SourceError):
        press.render(root, ("html",), keys=lambda path: "key")
    assert site(root) == old
