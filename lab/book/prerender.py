"""Runs before Quarto renders: brings experiments up to date, and drops frozen outputs of chapters that would print old numbers.

Quarto's freeze looks at the text of a chapter alone.  What each chapter's key and text were when its frozen outputs were last
looked at is kept in .lab/frozen.json.  What its cells read is written down by its kernel as they read it, line by line: Quarto says
in the environment which document it executes, and lab.chapter begins such a record there.  Where the key is another now, or is not
known, or the record does not hold, the frozen outputs go and Quarto executes again.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":  # run as a script, Python would look for modules in lab/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from lab.errors import LabError
from lab.keys.canonical_json import digest, dumps, loads
from lab.keys.experiments import find_root, names
from press import forget, reads, recorder, wake_kernels, write_whole

if TYPE_CHECKING:
    from lab.book.chapter_keys import Chapters
    from lab.keys.call_graph import Reach

RECORD = ".lab/frozen.json"
CLEANUP = "kernel_deps"  # what Quarto keeps in the cell that it runs last: when each module was saved
# What nearly every chapter's kernel imports, and PyTorch, which takes longer than all else and which some need.
LIBRARIES = (
    "ipykernel.kernelapp",
    "IPython.display",
    "matplotlib_inline.backend_inline",
    "pandas",
    "scipy.special",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_svg",
    "torch",
)
FEW = 2  # chapters: they do without PyTorch, unless they need it


def main() -> int:
    """Prepare the chapters that Quarto is about to render; return the exit code."""
    from lab.book.chapter_keys import Chapters
    from lab.book.notebooks import write_notebooks
    from press import SourceError

    gc.disable()  # it looks for what can be thrown away, and this ends before that matters
    try:
        root = find_root()
        forget(root)  # Quarto's kernels import as Python does
        try:
            book = Chapters(root)
        except SourceError:  # Quarto understands more than press does: what cannot be told apart is all made again
            shutil.rmtree(root / "_freeze", ignore_errors=True)
            return compute_stale(stale(names(root), root), root)
        chosen = inputs(book.paths, root)
        old = stale(sorted({name for path in chosen for name in book.experiments(path)}), root, book.results)
        code = compute_stale(old, root)
        if code == 0:
            write_notebooks(root, sorted({name for path in chosen for name in book.experiments(path)}))
            again = drop_stale(Chapters(root) if old else book, chosen, root)  # another look where results are new
            if count := len(again if chosen == book.paths else chosen):  # a chapter rendered alone is run in any case
                wake_kernels(LIBRARIES if count > FEW else LIBRARIES[:-1])
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return code


def inputs(chapters: list[Path], root: Path) -> list[Path]:
    """Return the chapters that are rendered: all, or those that Quarto names, one a line."""
    named = os.environ.get("QUARTO_PROJECT_INPUT_FILES", "").splitlines()
    if os.environ.get("QUARTO_PROJECT_RENDER_ALL") == "1" or not named:
        return chapters
    there = {Path(os.path.relpath(root / name, root)) for name in named if name}
    return [path for path in chapters if path in there]


def stale(experiments: list[str], root: Path, look: Reach | None = None) -> list[str]:
    """Return those of the experiments whose results are not fresh, by a look at the project's code if there was one."""
    if not experiments:
        return []
    from lab.run import status

    return [there.experiment for there in status.every_status(root, experiments, look) if not there.is_fresh]


def compute_stale(experiments: list[str], root: Path) -> int:
    """Compute experiments, with progress on stderr; return the exit code."""
    if not experiments:
        return 0
    running = subprocess.Popen([sys.executable, "-m", "lab", "run", *experiments], cwd=root, stdout=sys.stderr)
    while True:
        with suppress(KeyboardInterrupt):  # it hears ctrl-C too, says what was kept, and ends
            return running.wait()


def drop_stale(book: Chapters, chosen: list[Path], root: Path) -> list[Path]:
    """Delete frozen outputs that cannot be trusted, and put on record what is known; return the chapters that run again."""
    try:
        known = dict(loads((root / RECORD).read_bytes()))
    except (OSError, ValueError, TypeError):
        known = {}
    before, again = dict(known), []
    for path in chosen:
        frozen, text = root / "_freeze" / path.with_suffix(""), (root / path).read_text(encoding="utf-8")
        known[path.as_posix()] = digest([book.key(path), text])
        # A chapter that does not import lab.chapter keeps no record of what it reads: no frozen output of its can be trusted.
        trusted = "{python}" not in text or (frozen.is_dir() and holds(path, root))
        if not trusted or known[path.as_posix()] != before.get(path.as_posix()):
            shutil.rmtree(frozen, ignore_errors=True)
            again += [path] if "{python}" in text else []
    if known != before:
        write_whole(root / RECORD, dumps(known, indent=1))
    return again


def begin() -> None:
    """Record from now on, if this is a kernel of Quarto's."""
    folder, file = os.environ.get("QUARTO_DOCUMENT_PATH"), os.environ.get("QUARTO_DOCUMENT_FILE")
    root = os.environ.get("QUARTO_PROJECT_ROOT")
    if not (folder and file and root) or recorder.active():
        return
    place = record_of(Path(os.path.relpath(Path(folder, file), root)), Path(root))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("", encoding="utf-8")  # one for each format: the last one counts, and they read the same

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


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ModuleNotFoundError as error:  # before `make book` there is no .venv, and Quarto takes another Python
        if (error.name or "").partition(".")[0] in ("lab", "press", "experiments", "figures", "nets"):
            raise
        print(f"error: {sys.executable} has no {error.name}, which this book needs", file=sys.stderr)
        # Quarto looks for what _environment names in the folder where it was started.
        if Path(".venv/bin/python").exists():
            print(f"run quarto where the book's own Python is found: cd {Path.cwd()}", file=sys.stderr)
        else:
            print("set the book's own Python up with: make .venv/ready", file=sys.stderr)
        sys.exit(1)
