"""What a chapter's cells read counts, though nothing in the chapter changed: files, folders, variables."""

from __future__ import annotations

from pathlib import Path

import pytest

import press

BOOK = "project:\n  type: book\nbook:\n  title: T\n  chapters:\n    - index.qmd\n"
CHAPTER = "# One {.unnumbered}\n\n```{python}\nimport os\nprint('found', COUNT)\n```\n"
CELLS = {
    "a folder": ("len(os.listdir('data'))", lambda root: (root / "data/b").write_text("")),
    "a file": ("len(open('data/a').read())", lambda root: (root / "data/a").write_text("longer")),
    "whether it is there": ("int(os.path.exists('data/b'))", lambda root: (root / "data/b").write_text("")),
}


@pytest.mark.parametrize(("cell", "act"), CELLS.values(), ids=CELLS)
def test_a_cell_runs_again_when_what_it_reads_is_another(tmp_path: Path, cell: str, act) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a").write_text("a")
    (tmp_path / "_quarto.yml").write_text(BOOK)
    (tmp_path / "index.qmd").write_text(CHAPTER.replace("COUNT", cell))
    events: list[str] = []

    def render() -> str:
        events.clear()
        press.render(
            tmp_path, ["html"], keys=lambda path: "same", progress=lambda event, what, detail: events.append(event)
        )
        return (tmp_path / "_book/index.html").read_text()

    first = render()
    assert "found" in first and "execute" in events
    assert render() == first and events == ["fresh"]
    act(tmp_path)
    assert render() != first and "execute" in events
    render()
    assert events == ["fresh"]
