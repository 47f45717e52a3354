"""What the cells of a chapter read under Quarto, written down by its kernel as they read it, line by line.

Quarto says in the environment which document it executes.  A chapter that imports `lab.chapter` begins such a record; the pre-render
script keeps frozen outputs only where the record holds (lab.book.prerender).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from lab.keys.canonical_json import dumps, loads
from press import reads, recorder

CLEANUP = "kernel_deps"  # what Quarto keeps in the cell that it runs last: when each module was saved


def begin() -> None:
    """Record from now on, if this is a kernel of Quarto's."""
    folder, file = os.environ.get("QUARTO_DOCUMENT_PATH"), os.environ.get("QUARTO_DOCUMENT_FILE")
    root = os.environ.get("QUARTO_PROJECT_ROOT")
    if not (folder and file and root) or recorder.active():
        return
    place = record_of(Path(os.path.relpath(Path(folder, file), root)), Path(root))
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w", encoding="utf-8") as lines:  # one for each format: the last one counts, and they read the same
        lines.write("")

    def write(kind: str, name: str, state: str | None) -> None:
        with place.open("a", encoding="utf-8") as lines:
            lines.write(dumps([kind, name, state]) + "\n")

    recorder.start(root, sink=write).lenient = True
    if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()):
        shell.events.register("pre_run_cell", _end)


def _end(cell: Any) -> None:
    """Record no more when the chapter's own cells are done: what Quarto asks for then is not the chapter's."""
    if CLEANUP in cell.raw_cell:
        recorder.stop()


def holds(path: Path, root: Path) -> bool:
    """Say whether everything that a chapter's cells have read is as it was; not where nothing is on record."""
    record = reads.empty()
    try:
        for line in record_of(path, root).read_text(encoding="utf-8").splitlines():
            kind, name, state = loads(line)
            record[kind][name] = state
    except (OSError, ValueError, KeyError):
        return False
    return reads.Present(root).holds(record)


def record_of(path: Path, root: Path) -> Path:
    """Return where a chapter's record lies."""
    return root / ".lab" / "reads" / f"{path.as_posix().replace('/', '+')}.jsonl"
