"""This system: an experiment of the lab, and a small book that reads it."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from queue import Queue

from benchmarks.staleness.system import IMPORTS, READ, NotActed, Refused, System, framed

BOOK = "project:\n  type: book\nbook:\n  title: A small book\n  output-file: small\n  chapters:\n    - index.qmd\n    - book/one.qmd\n"
EXPERIMENT = f'''\
"""How much is it?"""

from __future__ import annotations

from dataclasses import dataclass
{IMPORTS.rstrip()}


@dataclass(frozen=True)
class Params:
    data: Path = Path("data/numbers.txt")
    many: Path = Path("data/many")
    steps: int = 2
    seed: int = 0
    device: str = 'cpu'


SMOKE = Params()


@dataclass(frozen=True)
class Result:
    value: float


CLAIMS = ()


{READ}

def run(params: Params) -> Result:
    numbers, many = read(params.data, params.many)
    steps, seed, device = params.steps, params.seed, params.device
{framed("    ")}    return Result(value)
'''
CHAPTER = """\
# How much is it? {#sec-%s}

This much.

```{python}
#| fig-alt: A drawing.
from experiments import walk
from lab.read import read

print(f"value {read(walk).value:.6f}")
```
"""
TICK = "import abacus\n\nabacus.tick()\n"


class Ours(System):
    """`lab run`."""

    name, entry, declares = "this system", "experiments/walk.py", "experiments/walk.py"

    def layout(self) -> dict[str, str]:
        return {
            self.entry: EXPERIMENT, "experiments/__init__.py": "", "_quarto.yml": BOOK,
            "index.qmd": "# Preface {.unnumbered}\n\nHello.\n", "book/one.qmd": CHAPTER % "one",
        }  # fmt: skip

    def command(self) -> list[str]:
        return [sys.executable, "-m", "lab", "run", "walk"]

    def stated(self, name: str, value: object) -> str:
        return f"{name}: {type(value).__name__} = {value!r}"

    def change_fields(self) -> None:
        self.edit("entry", "    value: float\n", "    value: float\n    steps: int\n")
        self.edit("entry", "Result(value)", "Result(value, steps)")

    def source(self) -> str:
        return super().source().replace("Result(value, steps)", "{steps}")

    def value(self, said: str) -> str:
        from lab.results import store

        value, *others = store.read_result(self.root / "results/walk", self.root).numbers.values()
        return " ".join([f"{value:.6f}", *map(str, others)])

    def kept(self) -> list[Path]:
        return [self.root / "results/walk/result.json"]

    @contextmanager
    def here(self) -> Iterator[None]:
        """Let this process see the project and the library as one started in it does."""
        from lab.keys import sources, versions

        before, path, folder = dict(os.environ), list(sys.path), os.getcwd()
        os.environ.update(self.environment())
        sys.path[:0] = [str(self.installed), str(self.home / "src")]
        versions._version.cache_clear()
        sources._editable.cache_clear()
        if self.within:
            os.chdir(self.root)
        try:
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                yield
        finally:
            os.environ.clear()
            os.environ.update(before)
            sys.path[:] = path
            os.chdir(folder)

    within = False  # compute in this process too, from modules imported anew: quicker, for the tests

    def run(self, dies: bool = False) -> str:
        """Do what `lab run walk` does, in this process; the experiment runs in one of its own."""
        from lab.cli.run import bring_up_to_date
        from lab.errors import LabError
        from lab.run import status
        from lab.workers import worker
        from lab.workers.messages import Job
        from press import recorder

        with self.here():
            if self.within and not dies:
                try:
                    with _imported_anew():
                        recorder.start(self.root)
                        worker.publish(Job("walk"), self.root, lambda message: None, Queue())
                except LabError as error:
                    raise Refused(str(error)) from None
                finally:
                    recorder.stop()
            else:
                bring_up_to_date(["walk"], self.root, 1)
            there = status.status_of("walk", self.root)
        if not there.is_fresh and not dies:
            raise Refused("; ".join(there.why))
        return "" if dies else self.value("")

    def on_other_pythons(self) -> str:
        code = "import json, sys; from pathlib import Path; from lab.keys import key; root = Path(sys.argv[1])\n"
        code += "there = json.loads((root / 'results/walk/result.json').read_bytes())['key']\n"
        code += "sys.exit(key.compute('walk', root).key != there)"
        found = other_pythons()
        for python in found:
            shutil.rmtree(self.root / ".lab/analysis")
            done = subprocess.run(
                [python, "-c", code, self.root], env=self.environment(), capture_output=True, text=True
            )
            if done.returncode:
                raise Refused(f"{python} gives another key {done.stderr}")
        if not found:
            raise NotActed("there is no other Python on this machine")
        return self.value("")


class OurBook(Ours):
    """`lab render`, with press: a chapter that reads the experiment."""

    chapters = True

    def layout(self) -> dict[str, str]:
        chapter = (CHAPTER % "one").replace("from lab.read import read\n", f"from lab.read import read\n{TICK}")
        return super().layout() | {"book/one.qmd": chapter, "_inc.qmd": "inside + 1\n"}

    def place(self, file: str) -> Path:
        chapters = sorted((self.root / "book").glob("*.qmd"))
        return chapters[0] if file == "chapter" else super().place(file)

    def run(self, dies: bool = False) -> str:
        import press
        from lab.book.chapter_keys import Chapters

        super().run()
        with self.here():
            try:
                press.render(self.root, self.formats, keys=Chapters(self.root).key)
            except press.SourceError as error:
                raise Refused(str(error)) from None
        texts = [path.read_text(encoding="utf-8") for path in sorted((self.root / "_book/book").glob("*.html"))]
        shown = {found for text in texts for found in re.findall(r"value (\d+\.\d+)", text)}
        return " ".join(sorted(shown))

    def second_format(self) -> None:
        self.formats.append("pdf")

    def include(self) -> None:
        self.edit("chapter", "This much.", "{{< include _inc.qmd >}}")

    def figure_width(self) -> None:
        self.edit("_quarto.yml", "book:", "format:\n  html:\n    fig-width: 5\nbook:")

    def rename_chapter(self) -> None:
        (self.root / "book/one.qmd").rename(self.root / "book/renamed.qmd")
        self.edit("_quarto.yml", "book/one.qmd", "book/renamed.qmd")

    def second_chapter(self) -> None:
        (self.root / "book/two.qmd").write_text(CHAPTER % "two")
        self.edit("_quarto.yml", "book/one.qmd", "book/one.qmd\n    - book/two.qmd")


@contextmanager
def _imported_anew() -> Iterator[None]:
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in _OURS}
    for name in kept:
        del sys.modules[name]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
            del sys.modules[name]
        sys.modules.update(kept)


_OURS = ("experiments", "parts", "abacus", "mine")


def other_pythons() -> list[str]:
    """Return interpreters of other minor versions that the lab supports: on PATH, and where pyenv keeps them."""
    found = {}
    for minor in range(11, 20):
        names = [shutil.which(f"python3.{minor}"), *sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))]
        for name in filter(None, names):
            starts = subprocess.run(
                [name, "-c", f"import sys; sys.exit(sys.version_info[1] != {minor})"], capture_output=True
            )
            if minor != sys.version_info.minor and not starts.returncode:
                found[minor] = str(name)
    return list(found.values())
