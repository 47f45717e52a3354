"""Kernels of a render of several chapters begin as copies of one process that has the libraries."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from press.book import Page
from press.build import read_pages, read_sources
from press.read.project import read_project
from tests.press.conftest import MakeBook, found
from tests.press.test_interrupted import gone

CHAPTERS = ("one.qmd", "two.qmd", "extra.qmd")


@pytest.fixture
def said(make_book: MakeBook) -> Callable[..., list[dict[str, object]]]:
    """Run a cell in each of three chapters, and return what each prints as JSON."""

    def run(cell: str, *libraries: str, **files: str) -> list[dict[str, object]]:
        texts = {name: f"# {name}\n\n```{{python}}\n{cell}\n```\n" for name in CHAPTERS}
        book = read_project(make_book(texts | files))
        sources = read_sources(book)
        pages: tuple[Page, ...] = read_pages(
            replace(book, libraries=libraries), sources, dict.fromkeys(sources, "key"), lambda *_: None
        )
        return [json.loads(found(page, "CodeBlock")[0]["c"][1]) for page in pages if page.chapter.source in CHAPTERS]

    return run


FAMILY = """
import json, os, sys
print(json.dumps({"parent": os.getppid(), "has": "sched" in sys.modules, "own": "beside" in sys.modules,
                  "here": os.getcwd(), "figures": os.environ["MPLBACKEND"]}))
"""


def test_kernels_have_the_libraries_and_nothing_of_the_project_and_their_parent_ends_with_the_render(
    said: Callable[..., list[dict[str, object]]], tmp_path: Path
) -> None:
    one, two, three = said(FAMILY, "sched", **{"beside.py": ""})
    assert one == two == three
    assert one["has"] and not one["own"] and one["here"] == str(tmp_path)
    assert one["figures"] == "module://matplotlib_inline.backend_inline"
    assert one["parent"] != os.getpid() and gone(int(str(one["parent"])))


def test_where_the_process_ends_at_once_each_kernel_starts_by_itself(
    said: Callable[..., list[dict[str, object]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed/breaks.py").write_text("import os\nos._exit(1)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "installed"))
    assert [kernel["parent"] for kernel in said(FAMILY, "sched", "breaks")] == [os.getpid()] * 3


def test_a_projects_settings_of_figures_hold_and_are_on_record_though_matplotlib_was_there_before(
    said: Callable[..., list[dict[str, object]]],
) -> None:
    cell = "import json, matplotlib\nprint(json.dumps(matplotlib.rcParams['figure.figsize']))"
    assert said(cell, "matplotlib.figure", matplotlibrc="figure.figsize: 2, 1\n") == [[2.0, 1.0]] * 3
    assert said(cell, "matplotlib.figure", matplotlibrc="figure.figsize: 3, 1\n") == [[3.0, 1.0]] * 3
