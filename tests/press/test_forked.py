"""A forked kernel is as one started alone: in what it shows, in what it finds, and in how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

import press
from press.execute import forked_kernels
from tests.press.conftest import MakeBook
from tests.press.test_interrupted import gone, running, wait_for

pytestmark = pytest.mark.skipif(not forked_kernels.AVAILABLE, reason="kernels are forked on Linux only")

CELL = """\
# {title} {{#sec-{title}}}

```{{python}}
import json, os, random, sys
early = sorted({{"colorsys", "helper", "beside"}} & set(sys.modules))
import colorsys, helper, beside
import numpy as np
with open("who-{title}", "w") as file:
    drawn = [random.random(), np.random.random()]
    json.dump({{"pid": os.getpid(), "parent": os.getppid(), "early": early, "drawn": drawn}}, file)
sys.stdout.flush()
os.system("echo from a child")
print(os.getcwd() == os.path.dirname(helper.__file__), os.environ["WORD"], helper.WORD, __name__, sys.path[0] != "")
```

```{{python}}
from matplotlib.figure import Figure
figure = Figure()
figure.subplots().plot([1, 2], label="a")
figure
```
"""
NAMES = ("one", "two", "extra")


@pytest.fixture
def book(make_book: MakeBook, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a book of three chapters, for a machine with one core, with a library and a module of its own."""
    libraries = tmp_path_factory.mktemp("libraries")
    (libraries / "beside.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(libraries), str(Path(press.__file__).parents[1])]))
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    chapters = {f"{name}.qmd": CELL.format(title=name) for name in NAMES}
    root = make_book({**chapters, "_environment": "WORD=given\n", "helper.py": 'WORD = "own"\n'})
    (root / "libraries").symlink_to(libraries)
    return root


def render(root: Path) -> dict[str, dict[str, object]]:
    """Render, and return what each chapter's kernel wrote about itself."""
    press.render(root, ("html",), keys=lambda path: "key")
    return {name: json.loads((root / f"who-{name}").read_text()) for name in NAMES}


def outputs(root: Path) -> dict[str, bytes]:
    return {path.parts[-3] + path.name: path.read_bytes() for path in (root / ".press/cells").glob("*/*/*")}


def test_a_forked_kernel_shows_what_one_started_alone_shows(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = render(book)
    forks = [name for name in NAMES if kernels[name]["parent"] != os.getpid()]
    assert len(forks) == 2  # the first is started alone, and shows what to import
    assert [kernels[name]["early"] for name in forks] == [["beside", "colorsys"]] * 2  # and nothing of the project
    assert kernels[forks[0]]["drawn"] != kernels[forks[1]]["drawn"]
    shown = outputs(book)
    assert any(b"True given own __main__ True" in text for text in shown.values())
    shutil.rmtree(book / ".press/cells")
    monkeypatch.setattr(forked_kernels, "AVAILABLE", False)
    assert {kernel["parent"] for kernel in render(book).values()} == {os.getpid()}
    assert outputs(book) == shown


@pytest.mark.parametrize(
    ("early", "forks"),
    [
        ("pass", True),
        ("print('hello')", False),
        ("import warnings; warnings.warn('old')", False),
        ("from IPython import get_ipython; get_ipython()", False),
        ("import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()", False),
        ("import sys; sys.path.insert(0, '.'); import helper", False),
        ("__file__ = 'elsewhere'", False),
        ("1 / 0", False),
        ("import os; os._exit(1)", False),
    ],
)
def test_nothing_is_forked_where_an_early_import_would_not_be_the_same(early: str, forks: bool, book: Path) -> None:
    library = book / "libraries/beside.py"
    library.write_text(early + "\n")

    async def ready() -> bool:
        nursery = forked_kernels.Nursery(book, os.environ)
        nursery.imports({"beside": str(library.resolve())})
        try:
            return await nursery.ready()
        finally:
            nursery.close()

    assert asyncio.run(ready()) == forks


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_render_stopped_in_a_forked_kernel_takes_it_along(book: Path, how: signal.Signals) -> None:
    for name in NAMES:
        text = (book / f"{name}.qmd").read_text()
        (book / f"{name}.qmd").write_text(
            text + "\n```{python}\nif os.getppid() != RENDER: __import__('time').sleep(600)\n```\n"
        )
    program = """
import os, pathlib, press, sys
os.cpu_count = lambda: 1
root = pathlib.Path(sys.argv[1])
for file in root.glob("*.qmd"):
    file.write_text(file.read_text().replace("RENDER", str(os.getpid())))
press.render(root, ("html",), keys=lambda path: "key", progress=lambda *event: print(*event, flush=True))
"""
    with running(program, book) as process:
        wait_for(process, "executed")
        forked_ = wait_for(process, "cell 3 of 3").split()[1]
        kernel = json.loads((book / f"who-{forked_.removesuffix('.qmd')}").read_text())
        assert kernel["parent"] != process.pid
        process.send_signal(how)
        process.communicate(timeout=120)
    assert gone(kernel["pid"]) and gone(kernel["parent"])
