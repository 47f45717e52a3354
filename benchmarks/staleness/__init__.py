"""Who shows a result that is not true, and who computes again for nothing: forty-nine changes, acted out on each system.

Every system gets the same small project in a temporary folder, declared as its documentation says and as a user first does: the script, its
data, its parameters.  Whether the true code ran is counted by a library outside the project; what is true is computed
afresh each time.  joblib, pytask, Snakemake, DVC, jupyter-cache, StepUp and marimo are tried where they are installed: the extra `staleness`.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.staleness.others import installed
from benchmarks.staleness.ours import OurBook, Ours
from benchmarks.staleness.rows import ROWS
from benchmarks.staleness.trial import NONE, REFUSED, STALE, WASTED, Trial, try_out

STYLES = {STALE: "bold red", WASTED: "yellow", REFUSED: "cyan"}
LEGEND = (
    "hit: kept, and true.  run: computed again, and true.  STALE: what it showed is not true.  wasted: computed again for "
    "nothing, or twice.  refused: an error instead of a value.  –: there is no such thing."
)


def main() -> None:
    """Act all rows out and print the table; `--markdown FILE` after `python -m benchmarks.staleness` writes it as well."""
    trials = measured()
    console = Console(width=max(160, Console().width))
    table = Table("change", "right", *(trial.system.name for trial in trials), title="Staleness, measured")
    for row in ROWS:
        words = [trial.words[row.what] for trial in trials]
        table.add_row(
            row.what, row.right, *(f"[{STYLES[word]}]{word}[/]" if word in STYLES else word for word in words)
        )
    table.add_section()
    for what, counts in _totals(trials).items():
        table.add_row(what, "", *counts)
    console.print(table)
    console.print(LEGEND)
    if len(trials) == 1:
        console.print("the others are not installed: pip install 'notes-measured[staleness]'")
    if "--markdown" in sys.argv:
        Path(sys.argv[sys.argv.index("--markdown") + 1]).write_text(markdown(trials), encoding="utf-8")


def measured() -> list[Trial]:
    """Try out this system and the others that are installed, two at a time."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        theirs = [pool.submit(try_out, kind(Path(folder) / kind.__name__)) for kind in installed()]
        ours = try_out_ours(Path(folder))
        return [ours, *(trial.result() for trial in theirs)]


def try_out_ours(folder: Path) -> Trial:
    """Try out this system: chapters in a small book, all else in an experiment."""
    plain = tuple(row for row in ROWS if row.also != "chapter")
    trial = try_out(Ours(folder / "ours"), plain)
    book = try_out(OurBook(folder / "book"), tuple(row for row in ROWS if row not in plain))
    trial.words |= book.words
    trial.errors |= book.errors
    return trial


def markdown(trials: list[Trial]) -> str:
    """Return the table as Markdown."""
    lines = ["| change | right | " + " | ".join(trial.system.name for trial in trials) + " |"]
    lines.append("|---" * (len(trials) + 2) + "|")
    shown = {STALE: "**STALE**", WASTED: "*wasted*"}
    for row in ROWS:
        words = [trial.words[row.what] for trial in trials]
        lines.append(f"| {row.what} | {row.right} | " + " | ".join(shown.get(word, word) for word in words) + " |")
    lines += [f"| {what} | | " + " | ".join(counts) + " |" for what, counts in _totals(trials).items()]
    return "\n".join([*lines, "", LEGEND, ""])


def _totals(trials: list[Trial]) -> dict[str, list[str]]:
    return {
        "stale, of those that could be": ["{} of {}".format(*trial.stale) for trial in trials],
        "wasted, of those that could be": ["{} of {}".format(*trial.wasted) for trial in trials],
    }


__all__ = ["NONE", "main", "markdown", "measured", "try_out_ours"]
