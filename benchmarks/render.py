"""How long the book takes to render, and how that compares with Quarto's way of doing it.

Quarto executes every chapter once per format, one kernel after the other, and then runs pandoc on each.  Where `quarto` is on
PATH it is timed itself; everywhere, so are those two steps alone ("kernels and pandoc"), done with nbclient and pandoc and
nothing else: less than what Quarto does, and so a ratio that flatters Quarto.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.project import best, fresh_copy, seconds

LAB = [sys.executable, "-m", "lab"]
RENDER = [*LAB, "render", "--with", "press"]
SENTENCE = "\nOne sentence more than before.\n"


def main() -> None:
    """Measure and print."""
    with fresh_copy() as book:
        cold = seconds(RENDER, book)
        unchanged = best(RENDER, book)
        _change(book)
        sentence = seconds(RENDER, book)
        _change(book)
        html = seconds([*RENDER, "--to", "html"], book)
        status = best([*LAB, "status"], book, 5)
        by_hand = kernels_and_pandoc(book)
    measured = [
        ("everything, fresh clone, HTML and PDF", cold, by_hand),
        ("nothing changed, HTML and PDF", unchanged, by_hand),
        ("one sentence changed, HTML and PDF", sentence, by_hand),
        ("one sentence changed, HTML", html, by_hand / 2),
    ]
    table = Table("what", "press, s", "kernels and pandoc, s", "ratio", title="Rendering the book")
    for what, ours, theirs in measured:
        table.add_row(what, f"{ours:.2f}", f"{theirs:.2f}", f"{theirs / ours:.1f}")
    console = Console()
    console.print(table)
    console.print(f"lab status: {status:.2f} s")
    if shutil.which("quarto"):
        console.print(_quarto(cold, unchanged, sentence))
    else:
        console.print("quarto is not on PATH, so it was not timed")


def kernels_and_pandoc(book: Path) -> float:
    """Return the seconds to execute every chapter in a kernel of its own and convert it, one by one, for two formats."""
    import nbformat
    import pypandoc
    from nbclient import NotebookClient

    from press.build import read_sources
    from press.read.project import read_project
    from press.read.qmd import Cell

    sources = read_sources(read_project(book))
    begin = time.perf_counter()
    for format_ in ("html", "typst"):
        for source in sources.values():
            cells = [nbformat.v4.new_code_cell(chunk.code) for chunk in source.chunks if isinstance(chunk, Cell)]
            if cells:
                notebook = nbformat.v4.new_notebook(cells=cells)
                NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(book)}}).execute()
            pypandoc.convert_text("\n".join(source.lines), format_, format="markdown")
    return time.perf_counter() - begin


def _change(book: Path) -> None:
    with (book / "book/tanh_gain.qmd").open("a", encoding="utf-8") as chapter:
        chapter.write(SENTENCE)


def _quarto(cold: float, unchanged: float, sentence: float) -> Table:
    table = Table("what", "press, s", "quarto, s", "ratio", title="Against the real Quarto")
    with fresh_copy() as book:
        command = ["quarto", "render"]
        theirs = [seconds(command, book), seconds(command, book)]
        _change(book)
        theirs.append(seconds(command, book))
    whats = ("everything", "nothing changed", "one sentence changed")
    for what, ours, other in zip(whats, (cold, unchanged, sentence), theirs, strict=True):
        table.add_row(what, f"{ours:.2f}", f"{other:.2f}", f"{other / ours:.1f}")
    return table


if __name__ == "__main__":
    main()
