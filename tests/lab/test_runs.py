"""Settings of one's own: listed, shown, compared and removed; their figures beside them; read in Python."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import Project

FIGURES = """\
from matplotlib.figure import Figure

from experiments.quick import Result


def walks(result: Result) -> Figure:
    figure = Figure()
    figure.subplots().plot(result.walks)
    return figure


def scaled(result: Result, by: float) -> Figure:
    return walks(result)


def broken(result: Result) -> Figure:
    raise KeyError(50)
"""


@pytest.fixture
def done(tmp_path: Path, computed: Callable[[Path], Project]) -> Project:
    return computed(tmp_path)


def idents(said: str) -> dict[str, str]:
    """Return the runs that were listed, by their settings."""
    return {match[2]: match[1] for match in re.finditer(r"^quick +([0-9a-f]{8})  ([^ ,]+(?:, [^ ,]+)*) ", said, re.M)}


def test_runs_are_listed_shown_beside_the_book_compared_and_removed(done: Project) -> None:
    assert "no other setting has been computed here" in done.shell("show")
    done.shell("run", "quick", "--set", "steps=7", "--seeds", "3")
    done.shell("run", "quick", "--smoke")
    listed = idents(done.shell("show"))
    assert set(listed) == {"steps=7, seeds=3", "--smoke"}
    assert re.search(r"quick +\w{8} +--smoke +\d{4}-\d\d-\d\d .* as now", done.shell("show", "quick"))
    one, other = listed.values()
    shown = done.shell("show", one)
    assert re.search(r"number +book +here\ndistance +\d+\.\d+ +\d+\.\d+", shown)
    assert re.search(r"claim +book +here +number, book +number, here +same\?\nfar +holds +\w+", shown)
    assert re.search(rf"claim +{one} +{other}", done.shell("show", one, other))
    done.edit("experiments/quick.py", "SCALE = 1.0", "SCALE = 2.0")
    assert len(re.findall("another$", done.shell("show"), re.M)) == 2
    page = done.root / "_own/quick/steps=7/page.html"
    page.parent.mkdir(parents=True)
    page.write_text("a page")
    assert "say what is to be removed: --runs" in done.lab("clean", code=2)
    assert done.shell("clean", "--runs", "quick").startswith("removed 2 runs")
    assert "no other setting" in done.shell("show") and not page.exists() and done.result().is_dir()


def test_a_run_that_is_not_there_is_refused_with_those_that_are(done: Project) -> None:
    done.shell("run", "quick", "--set", "steps=7")
    (there,) = idents(done.shell("show")).values()
    assert f"no run or experiment is called 'nothing'; the runs are: {there}" in done.lab("show", "nothing", code=1)
    assert "two runs can be compared" in done.lab("show", there, there, there, code=1)


def test_figures_are_drawn_beside_a_run_and_one_that_cannot_be_is_named(done: Project) -> None:
    done.write("figures/__init__.py", "")
    done.write("figures/quick.py", FIGURES)
    said = done.shell("run", "quick", "--set", "steps=7")
    (figure,) = re.findall(r"^figure +(\S+)$", said, re.M)
    assert figure.startswith(".lab/cache/quick/") and figure.endswith("/walks.svg")
    assert "<svg" in (done.root / figure).read_text()
    assert "type: lab render quick --set steps=7\n" in said
    assert "figures.broken cannot be drawn at this setting: KeyError: 50" in done.shell(
        "run", "quick", "--set", "steps=7"
    )


def test_another_setting_is_read_in_python_by_what_differs(done: Project) -> None:
    done.shell("run", "quick", "--set", "steps=7")
    asked = (
        "from experiments import quick; from lab.read import read\n"
        "own, given = read(quick, steps=7), read(quick, quick.Params(steps=7))\n"
        "assert own == given != read(quick)\n"
        "for changes in ({'step': 7}, {'steps': 8}):\n"
        "    try: read(quick, **changes)\n"
        "    except Exception as error: print(error)\n"
    )
    done.write("asked.py", asked)
    said, _ = done.start(module="asked").communicate(timeout=60)
    assert "no parameter is called 'step'; did you mean steps?" in said and "wanted the result of quick" in said
