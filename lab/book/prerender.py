"""Runs before Quarto renders: brings experiments up to date, and drops frozen outputs of chapters that would print old numbers.

Quarto's freeze looks at the text of a chapter alone.  The key that each chapter had when its frozen outputs were last looked at
is kept in .lab/frozen.json; where the key is another now, or is not known, the frozen outputs go and Quarto executes again.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from hashlib import md5
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # run as a script, Python would look for modules in lab/
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from lab.errors import LabError
from lab.keys.canonical_json import dumps, loads
from lab.keys.experiments import find_root, names
from press import forget, wake_kernels, write_whole

if TYPE_CHECKING:
    from lab.book.chapter_keys import Chapters
    from lab.keys.call_graph import Reach

RECORD = ".lab/frozen.json"
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
        check_kernels()
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
            drop_stale(Chapters(root) if old else book, chosen, root)  # another look where results are new
            if count := sum(runs(path, root) for path in chosen):
                wake_kernels(LIBRARIES if count > FEW else LIBRARIES[:-1])
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return code


def check_kernels() -> None:
    """Raise LabError where Quarto is told to start kernels in a way that the environment does not have."""
    name = os.environ.get("JUPYTER_DEFAULT_PROVISIONER_NAME")
    if name == "press" and not entry_points(group="jupyter_client.kernel_provisioners", name=name):
        raise LabError("the environment was set up before Quarto's kernels were ours\ntype: make .venv/ready")


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


def runs(path: Path, root: Path) -> bool:
    """Say whether Quarto is about to run a chapter's cells: in a whole render not where frozen outputs are of the same text."""
    text = (root / path).read_bytes()
    frozen = list((root / "_freeze" / path.with_suffix("")).glob("execute-results/*.json"))
    if os.environ.get("QUARTO_PROJECT_RENDER_ALL") != "1" or not frozen:
        return b"{python}" in text
    now = md5(text, usedforsecurity=False).hexdigest()
    return any(loads(file.read_bytes())["hash"] != now for file in frozen)


def drop_stale(book: Chapters, chosen: list[Path], root: Path) -> list[Path]:
    """Delete the frozen outputs of chapters whose key is not the one on record, and put the new keys on record."""
    try:
        known = dict(loads((root / RECORD).read_bytes()))
    except (OSError, ValueError, TypeError):
        known = {}
    from lab.book import quarto_reads

    dropped = []
    for path in chosen:
        new = book.key(path)
        # A chapter that does not import lab.chapter keeps no record of what it reads: no frozen output of its can be trusted.
        reads_nothing = b"{python}" not in (root / path).read_bytes()
        if known.get(path.as_posix()) != new or not (reads_nothing or quarto_reads.holds(path, root)):
            shutil.rmtree(root / "_freeze" / path.with_suffix(""), ignore_errors=True)
            known[path.as_posix()] = new
            dropped.append(path)
    if dropped:
        write_whole(root / RECORD, dumps(known, indent=1))
    return dropped


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ModuleNotFoundError as error:  # before `make book` there is no .venv, and Quarto takes another Python
        if (error.name or "").partition(".")[0] in ("lab", "press", "experiments", "figures", "nets"):
            raise
        print(f"error: {sys.executable} has no {error.name}, which this book needs", file=sys.stderr)
        if Path(
            ".venv/bin/python"
        ).exists():  # Quarto was started elsewhere, and looks there for what _environment names
            print(f"run quarto where the book's own Python is found: cd {Path.cwd()}", file=sys.stderr)
        else:
            print("set the book's own Python up with: make .venv/ready", file=sys.stderr)
        sys.exit(1)
