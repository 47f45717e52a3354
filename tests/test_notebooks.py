"""Each question's notebook is the one that its sources make now, and runs from its first cell to its last."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from lab.book.colophon import colophon
from lab.book.notebooks import colab, notebook, write_notebooks
from lab.keys.experiments import load, names
from press import SourceError, read_project

ROOT = Path(__file__).resolve().parents[1]
QUARTO = "project:\n  type: book\nbook:\n  title: A book\n  author: Nobody\n  chapters: [index.qmd]\n"
QUICKEST = "initial_loss"  # whose whole setting takes a few seconds


def stored(question: str) -> Any:
    return nbformat.read(ROOT / f"notebooks/{question}.ipynb", as_version=4)


def executed(made: Any) -> dict[str, Any]:
    """Run a notebook where it lies, and return its cells by id."""
    folder = {"metadata": {"path": str(ROOT / "notebooks")}}
    NotebookClient(made, timeout=600, kernel_name="python3", resources=folder).execute()
    return {cell["id"]: cell for cell in made.cells}


def shown(cell: Any, kind: str) -> str:
    return "".join("".join(output.data[kind]) for output in cell.outputs if kind in output.get("data", {}))


@pytest.mark.parametrize("question", names(ROOT))
def test_a_notebook_is_what_its_experiment_and_figures_make_now(question: str) -> None:
    path = ROOT / f"notebooks/{question}.ipynb"
    made = notebook(question, ROOT, read_project(ROOT))
    assert path.read_text(encoding="utf-8") == made, f"lab render {question} writes it again"
    nbformat.validate(nbformat.reads(made, as_version=4))


def test_a_notebook_is_written_again_when_what_it_is_made_of_is_another_or_it_is(tmp_path: Path) -> None:
    for file in (f"experiments/{QUICKEST}.py", f"figures/{QUICKEST}.py"):
        (tmp_path / file).parent.mkdir()
        shutil.copy(ROOT / file, tmp_path / file)
    (tmp_path / "index.qmd").write_text("# Preface\n")
    (tmp_path / "_quarto.yml").write_text(QUARTO)
    made = tmp_path / f"notebooks/{QUICKEST}.ipynb"

    def write() -> str:
        return made.read_text() if write_notebooks(tmp_path, [QUICKEST]) else "as it was"

    first = write()
    assert first == notebook(QUICKEST, tmp_path, read_project(tmp_path)) and write() == "as it was"
    made.write_text("by hand")
    assert write() == first
    figures, experiment = tmp_path / f"figures/{QUICKEST}.py", tmp_path / f"experiments/{QUICKEST}.py"
    figures.write_text(figures.read_text() + "\n\ndef another(result: object) -> Figure:\n    ...\n")
    assert "figures.another(result)" in write()
    experiment.write_text(experiment.read_text().replace('"""', '"""Why? ', 1))
    assert "# Why? " in write()


@pytest.mark.parametrize("question", names(ROOT))
def test_a_notebook_runs_draws_its_figures_and_judges_its_claims(question: str) -> None:
    module, made = load(question, ROOT), stored(question)
    (settings,) = (cell for cell in made.cells if cell.metadata.get("tags") == ["parameters"])
    settings.source += f"\nsettings = dict({', '.join(f'{name}={value!r}' for name, value in small(module).items())})"
    cells = executed(made)
    figures = [cell for ident, cell in cells.items() if ident.startswith("figure-")]
    assert figures and all(shown(cell, "image/png") for cell in figures)
    verdicts = shown(cells["claims"], "text/markdown")
    assert verdicts.count("\n|") >= len(module.CLAIMS)
    assert "here" in verdicts and "in the book" in verdicts


def small(module: Any) -> dict[str, Any]:
    """Return SMOKE as code may say it."""
    return {
        name: _Code(f"Path({str(value)!r})") if isinstance(value, Path) else value
        for name, value in vars(module.SMOKE).items()
    }


class _Code(str):
    def __repr__(self) -> str:
        return str(self)


@pytest.mark.skipif(QUICKEST not in names(ROOT), reason="the question has left the book")
def test_a_notebook_runs_at_the_setting_it_comes_with() -> None:
    cells = executed(stored(QUICKEST))
    claims = load(QUICKEST, ROOT).CLAIMS
    verdicts = shown(cells["claims"], "text/markdown")
    assert all(f"**{verdict}**" in verdicts or verdict not in verdicts for verdict in ("holds", "fails"))
    assert verdicts.count("**") >= 2 * len(claims)


@pytest.mark.parametrize("question", names(ROOT))
def test_the_setting_of_a_notebook_is_one_of_its_experiment(question: str) -> None:
    module = load(question, ROOT)
    (cell,) = (cell for cell in stored(question).cells if cell["id"] == "settings")
    variables: dict[str, Any] = {}
    exec(cell.source, variables)
    assert module.Params(**variables["settings"]) == getattr(module, "MINUTE", module.Params())


def test_colab_is_offered_once_the_book_says_where_its_repository_is() -> None:
    from dataclasses import replace

    book = read_project(ROOT)
    assert colab("a", replace(book, config={"book": {}})) == ""
    public = replace(book, config={"book": {"repo-url": "https://github.com/some/book.git"}})
    assert colab("a", public) == "https://colab.research.google.com/github/some/book/blob/main/notebooks/a.ipynb"


def test_a_notebook_far_from_the_project_says_what_it_needs(tmp_path: Path) -> None:
    from nbclient.exceptions import CellExecutionError

    made = nbformat.reads(notebook(names(ROOT)[0], ROOT, read_project(ROOT)), as_version=4)
    made.cells = [cell for cell in made.cells if cell["id"] in ("settings", "set-up")]
    folder = {"metadata": {"path": str(tmp_path)}}
    with pytest.raises(CellExecutionError, match="keep this notebook in the folder of the project, or set REPOSITORY"):
        NotebookClient(made, kernel_name="python3", resources=folder).execute()


def test_a_chapter_ends_as_ever_where_quarto_is_told_what_press_cannot_honour(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> Any:
        raise SourceError("_quarto.yml", 1, "press cannot honour format.typst.keep-typ: True")

    usual = colophon(load(QUICKEST, ROOT)).data
    monkeypatch.setattr("lab.book.colophon.read_project", refuse)
    assert colophon(load(QUICKEST, ROOT)).data == usual
