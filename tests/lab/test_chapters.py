"""A chapter is executed again exactly when its cells, the code they reach or the results they read change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from lab.book import prerender
from lab.book.chapter_keys import Chapters
from lab.keys import key
from lab.keys.canonical_json import loads
from lab.results import store

EXPERIMENT = '''
"""Is it {name}?"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lab.claims import Claim, Judged, Verdict
from nets.shared import scaled

HIGHEST = 3.0


@dataclass(frozen=True)
class Params:
    size: int = 4  # numbers


SMOKE = Params(size=2)


@dataclass(frozen=True)
class Result:
    total: float


def limit() -> float:
    return 100.0  # far away


CLAIMS = (
    Claim(
        "low", "It is low.", "N0",
        Judged(lambda r: Verdict.HOLDS if r.total < limit() else Verdict.FAILS, "a test"),
        lambda r: f"{{r.total:.1f}}", "Below 100.",
    ),
)


def run(params: Params) -> Result:
    """Add up."""
    # Doubled, so as to be even.
    return Result(float(np.sum(scaled(np.arange(params.size)))))
'''
QUARTO = """
project:
  type: book
  execute-dir: project
  pre-render: lab/book/prerender.py
book:
  title: Two questions
  chapters:
    - index.qmd
    - book/one.qmd
    - book/two.qmd
    - book/plain.qmd
    - book/ledger.qmd
execute:
  echo: false
  freeze: auto
format:
  html:
    fig-format: svg
    toc: true
"""
CHAPTER = """# Is it {name}? {{#sec-{name}}}

```{{python}}
#| include: false
from experiments import {name}
from figures import {name} as figures
from lab.chapter import code, read, table, verdicts
result = read({name})
```

The total is `{{python}} f"{{result.total:.0f}}"`, at most `{{python}} {name}.HIGHEST`.

::: {{#fig-{name}}}

```{{python}}
#| fig-alt: A bar.
figures.bar(result)
```

A bar.
:::

```{{python}}
code({name}.run)
```

VERDICTS
"""
FILES = {
    "_quarto.yml": QUARTO,
    "index.qmd": "# Preface {.unnumbered}\n\nNothing runs here.\n",
    "book/one.qmd": CHAPTER.format(name="one").replace("VERDICTS", "```{python}\nverdicts(one)\n```"),
    "book/two.qmd": CHAPTER.format(name="two").replace("VERDICTS", "No verdicts."),
    "book/plain.qmd": "# Words {#sec-plain}\n\n```{python}\n1 + 1\n```\n",
    "book/ledger.qmd": "# Ledger {#sec-ledger}\n\n```{python}\nfrom lab.chapter import all_entries, ledger\nledger(all_entries())\n```\n",
    "experiments/__init__.py": "",
    "experiments/one.py": EXPERIMENT.format(name="one"),
    "experiments/two.py": EXPERIMENT.format(name="two"),
    "figures/__init__.py": "",
    "figures/style.py": "WIDTH = 6.4\nUNUSED = 1\n",
    "figures/one.py": "from matplotlib.figure import Figure\nfrom figures.style import WIDTH\n\n\ndef bar(result):\n    return Figure((WIDTH, 3))\n",
    "figures/two.py": "from matplotlib.figure import Figure\n\n\ndef bar(result):\n    return Figure((5, 3))\n\n\ndef other():\n    pass\n",
    "nets/__init__.py": "",
    "nets/shared.py": "def scaled(values):\n    return 2 * values\n\n\ndef unused(values):\n    return values\n",
}
ONE, TWO, LEDGER = "book/one.qmd", "book/two.qmd", "book/ledger.qmd"
ALL = {"index.qmd", ONE, TWO, "book/plain.qmd", LEDGER}
# What is edited, and which chapters must be executed again for it.
EDITS = [
    ("prose", ONE, "The total is", "Altogether it is", set()),
    ("a caption", ONE, "A bar.\n:::", "A single bar.\n:::", set()),
    ("a cell", TWO, "figures.bar(result)", "figures.bar(result) or 1", {TWO}),
    ("inline code", TWO, "result.total:.0f", "result.total:.1f", {TWO}),
    ("a figure", "figures/two.py", "(5, 3)", "(5, 4)", {TWO}),
    ("an unused figure", "figures/two.py", "def other():\n    pass", "def other():\n    return 1", set()),
    ("the style of figures", "figures/style.py", "6.4", "6.5", {ONE}),
    ("an unused colour", "figures/style.py", "UNUSED = 1", "UNUSED = 2", set()),
    ("an experiment's code", "experiments/two.py", "np.sum(", "np.max(", {TWO, LEDGER}),
    ("a comment in a printed function", "experiments/two.py", "# Doubled,", "# Twice,", {TWO}),
    ("a comment elsewhere in the experiment", "experiments/two.py", "# far away", "# near", set()),
    ("a constant that a chapter prints", "experiments/two.py", "HIGHEST = 3.0", "HIGHEST = 4.0", {TWO}),
    ("a claim in a chapter with verdicts", "experiments/one.py", "It is low.", "It is small.", {ONE, LEDGER}),
    ("a claim in a chapter without", "experiments/two.py", "It is low.", "It is small.", {LEDGER}),
    ("what a verdict uses", "experiments/one.py", "100.0", "200.0", {ONE, LEDGER}),
    ("code that both results rest on", "nets/shared.py", "2 * values", "3 * values", {ONE, TWO, LEDGER}),
    ("unused code beside it", "nets/shared.py", "    return values\n", "    return -values\n", set()),
    ("a setting of execution", "_quarto.yml", "echo: false", "echo: true", ALL),
    ("the book's title", "_quarto.yml", "Two questions", "Two answers", set()),
    ("whether to freeze", "_quarto.yml", "  freeze: auto\n", "", set()),
    ("a chapter's own setting", TWO, "# Is it two", "---\nexecute:\n  warning: false\n---\n\n# Is it two", {TWO}),
    ("the order of chapters", "_quarto.yml", f"    - {ONE}\n    - {TWO}", f"    - {TWO}\n    - {ONE}", {LEDGER}),
    ("a chapter without experiments moved", "_quarto.yml", "    - book/plain.qmd\n    - book/ledger.qmd", "    - book/ledger.qmd\n    - book/plain.qmd", set()),
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name in ("one", "two"):
        put(tmp_path, name, 12.0)
    return tmp_path


def put(root: Path, name: str, total: float) -> None:
    """Store a result as if computed."""
    of = key.compute(name, root)
    made = {"date": "2026-01-01", "seconds": 1.0, "versions": {}}
    store.write_result(
        root / "results" / name, root, store.Stored(name, of.key, of.packed, {"total": total}, {}, of.parts, made)
    )


def keys(root: Path) -> dict[str, str]:
    book = Chapters(root)
    return {path.as_posix(): book.key(path) for path in book.paths}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(("what", "file", "old", "new", "again"), EDITS, ids=[row[0] for row in EDITS])
def test_an_edit_executes_exactly_the_chapters_it_bears_on(
    root: Path, what: str, file: str, old: str, new: str, again: set[str]
) -> None:
    before, text = keys(root), (root / file).read_text(encoding="utf-8")
    assert old in text
    (root / file).write_text(text.replace(old, new), encoding="utf-8")
    assert changed(before, keys(root)) == again
    (root / file).write_text(text, encoding="utf-8")
    assert keys(root) == before, "edit and revert"


def test_a_new_number_executes_the_chapters_that_read_it(root: Path) -> None:
    before = keys(root)
    put(root, "two", 13.0)
    assert changed(before, keys(root)) == {TWO, LEDGER}


def test_a_damaged_result_executes_the_chapters_that_read_it(root: Path) -> None:
    before = keys(root)
    (root / "results/two/result.json").write_text("{}")
    assert changed(before, keys(root)) == {TWO, LEDGER}


def test_a_new_experiment_executes_the_ledger(root: Path) -> None:
    before = keys(root)
    (root / "experiments/three.py").write_text(EXPERIMENT.format(name="three"))
    assert changed(before, keys(root)) == {LEDGER}


def test_a_chapter_whose_code_cannot_be_read_depends_on_everything(root: Path) -> None:
    (root / "book/plain.qmd").write_text("# Words {#sec-plain}\n\n```{python}\n1 +\n```\n")
    before = keys(root)
    (root / "figures/style.py").write_text("WIDTH = 6.4\nUNUSED = 2\n")
    assert changed(before, keys(root)) == {"book/plain.qmd"}


def test_which_experiments_a_chapter_reads_is_known_without_running_it(root: Path) -> None:
    book = Chapters(root)
    read = {path.as_posix(): book.experiments(path) for path in book.paths}
    both = ["one", "two"]
    assert read == {"index.qmd": [], ONE: ["one"], TWO: ["two"], "book/plain.qmd": [], LEDGER: both}


def run(root: Path, *only: str) -> subprocess.CompletedProcess[str]:
    """Run the pre-render script as Quarto does: a file of the project, from its root, inputs in the environment."""
    variables = {"QUARTO_PROJECT_INPUT_FILES": "\n".join(only or sorted(ALL))}
    variables |= {} if only else {"QUARTO_PROJECT_RENDER_ALL": "1"}
    script = Path(prerender.__file__)
    return subprocess.run(
        [sys.executable, script], cwd=root, env=os.environ | variables, capture_output=True, text=True, timeout=120
    )


def freeze(root: Path) -> None:
    for name in ALL:
        (root / "_freeze" / name).with_suffix("").mkdir(parents=True, exist_ok=True)
        record = prerender.record_of(Path(name), root)  # as Quarto's kernels leave it
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text("")


def frozen(root: Path) -> set[str]:
    return {name for name in ALL if (root / "_freeze" / name).with_suffix("").is_dir()}


def test_before_a_render_stale_results_are_computed_and_their_chapters_thawed(root: Path) -> None:
    freeze(root)
    first = run(root)
    assert first.returncode == 0, first.stderr
    assert frozen(root) == set(), "nothing is known of outputs frozen before"
    freeze(root)
    assert run(root).returncode == 0
    assert frozen(root) == ALL
    shared = root / "nets/shared.py"
    shared.write_text(shared.read_text().replace("2 * values", "3 * values"))
    one = run(root, str(root / ONE))  # Quarto may name inputs by their full path
    assert one.returncode == 0, one.stderr
    assert frozen(root) == ALL - {ONE}
    assert loads((root / "results/one/result.json").read_bytes())["numbers"] == {"total": 18.0}
    assert loads((root / "results/two/result.json").read_bytes())["numbers"] == {"total": 12.0}, "not asked for"
    assert "one" in one.stderr and not one.stdout, "progress goes to stderr"
    assert run(root).returncode == 0
    assert frozen(root) == ALL - {ONE, TWO, LEDGER}
    assert loads((root / "results/two/result.json").read_bytes())["numbers"] == {"total": 18.0}


def test_a_chapter_that_keeps_no_record_of_what_it_reads_is_run_again_each_time(root: Path) -> None:
    (root / "book/plain.qmd").write_text("# Words {#sec-plain}\n\n```{python}\nlen(open('notes.txt').read())\n```\n")
    for _before_and_after in range(2):
        freeze(root)
        prerender.record_of(Path("book/plain.qmd"), root).unlink()
        assert run(root).returncode == 0
    assert frozen(root) == ALL - {"book/plain.qmd"}


def test_without_the_books_own_python_the_render_stops_and_says_what_to_type(root: Path) -> None:
    """In a fresh clone there is no .venv yet, and Quarto takes the system's Python, which has no libraries."""
    script = Path(prerender.__file__)
    bare = [sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"]
    done = subprocess.run(bare, cwd=root, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "make .venv/ready" in done.stderr
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/bin/python").touch()  # then Quarto was started in another folder
    done = subprocess.run(bare, cwd=root, capture_output=True, text=True)
    assert f"cd {root.resolve()}" in done.stderr


def test_a_damaged_record_thaws_everything(root: Path) -> None:
    assert run(root, "book/plain.qmd").returncode == 0
    freeze(root)
    (root / prerender.RECORD).write_text("{")
    assert run(root, "book/plain.qmd").returncode == 0
    assert frozen(root) == ALL - {"book/plain.qmd"}


def test_an_experiment_that_fails_stops_the_render_and_says_why(root: Path) -> None:
    shared = root / "nets/shared.py"
    shared.write_text(shared.read_text().replace("2 * values", "values / None"))
    failed = run(root)
    assert failed.returncode == 1
    assert "TypeError" in failed.stderr and "nets/shared.py" in failed.stderr


def test_what_only_quarto_understands_thaws_everything(root: Path) -> None:
    assert run(root).returncode == 0
    (root / "_quarto.yml").write_text(QUARTO.replace("fig-format: svg", "fig-format: svg\n    fig-width: 4"))
    (root / "results/two/result.json").unlink()
    freeze(root)
    ran = run(root)
    assert ran.returncode == 0, ran.stderr
    assert frozen(root) == set()
    assert (root / "results/two/result.json").is_file()


def test_a_chapter_that_reads_a_folder_under_quarto_is_thawed_when_that_changes(root: Path) -> None:
    """The kernel is told as Quarto tells it; its cells are run by hand."""
    (root / "data").mkdir()
    assert run(root).returncode == 0
    freeze(root)
    cells = "import lab.chapter, os; os.listdir('data'); open('figures/style.py').read(); os.environ.get('UNHEARD_OF')"
    told = {
        "QUARTO_PROJECT_ROOT": str(root),
        "QUARTO_DOCUMENT_PATH": str(root / "book"),
        "QUARTO_DOCUMENT_FILE": "one.qmd",
    }
    path = {"PYTHONPATH": os.pathsep.join([str(root), str(Path(prerender.__file__).parents[2])])}
    subprocess.run([sys.executable, "-c", cells], cwd=root, env=os.environ | told | path, check=True)
    assert run(root).returncode == 0
    assert frozen(root) == ALL
    (root / "data/new").write_text("")
    assert run(root).returncode == 0
    assert frozen(root) == ALL - {ONE}


# In Quarto 1.10.18, jupyter/lang/python/cleanup.py: run in each chapter's kernel when its cells are done.
CLEANUP = """
# reset state
%reset -f

import sys
import os
import json

kernel_deps = dict()
for module in list(sys.modules.values()):
  path = getattr(module, "__file__", None)
  if not path or not os.path.exists(path):
    continue
  kernel_deps[path] = os.stat(path).st_mtime
print(json.dumps(kernel_deps))
"""


def test_what_quarto_itself_asks_of_a_kernel_thaws_nothing(root: Path) -> None:
    assert run(root).returncode == 0
    freeze(root)
    cells = [
        nbformat.v4.new_code_cell(code) for code in ("import lab.chapter\nopen('figures/style.py').read()", CLEANUP)
    ]
    client = NotebookClient(nbformat.v4.new_notebook(cells=cells), resources={"metadata": {"path": str(root)}})
    told = {
        "QUARTO_PROJECT_ROOT": str(root),
        "QUARTO_DOCUMENT_PATH": str(root / "book"),
        "QUARTO_DOCUMENT_FILE": "one.qmd",
        "PYTHONPATH": os.pathsep.join([str(root), str(Path(prerender.__file__).parents[2])]),
    }
    client.execute(env=os.environ | told)
    record = prerender.record_of(Path("book/one.qmd"), root).read_text()
    assert "figures/style.py" in record and "st_mtime" not in record
    assert run(root).returncode == 0
    assert frozen(root) == ALL
    (root / "figures/style.py").write_text("# another\n")
    assert run(root).returncode == 0
    assert ONE not in frozen(root)
