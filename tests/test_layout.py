"""The rules of the tree: one question, one stem everywhere; imports run one way; nothing is read that a key cannot see."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from lab.claims import Claim
from lab.keys.experiments import load, names
from press.read.project import read_project

ROOT = Path(__file__).resolve().parents[1]
STEMS = names(ROOT)
# What each layer may import: book -> figures -> experiments -> nets; press stands alone.
MAY_IMPORT = {
    "nets": {"nets", "lab"},
    "experiments": {"experiments", "nets", "lab"},
    "figures": {"figures", "experiments"},
    "press": {"press"},
    "lab": {"lab", "press"},
}
# experiments and nets need from lab only what states claims and estimates, and what says how they run, which is no part of a key.
FROM_LAB = {
    "lab.claims",
    "lab.estimate",
    "lab.progress",
    "lab.tasks",
    "lab.compiled",
    "lab.device",
    "lab.stopwatch",
    "lab.lazy_torch",
}
# Pickles travel between live processes of one run, over their own pipes; the one module that makes them opens no file.
WIRE = ROOT / "lab/pickling.py"


def _modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("place", ["figures/{}.py", "book/{}.qmd", "tests/test_{}.py", "results/{}/result.json"])
def test_every_question_has_the_same_stem_everywhere(stem: str, place: str) -> None:
    assert (ROOT / place.format(stem)).is_file()


def test_nothing_but_questions_lies_in_experiments() -> None:
    found = {path.relative_to(ROOT / "experiments").parts[0].removesuffix(".py") for path in _modules("experiments")}
    assert found - {"__init__"} == set(STEMS)
    assert {path.name for path in (ROOT / "results").iterdir() if not path.name.startswith(".")} == set(STEMS)


@pytest.mark.parametrize("stem", STEMS)
def test_an_experiment_has_five_names_and_asks_a_question(stem: str) -> None:
    module = load(stem)
    first, *rest = (module.__doc__ or "").splitlines()
    assert first.endswith("?"), f"experiments/{stem}.py: the first line of the docstring is the question"
    assert all(any(line.startswith(word) for line in rest) for word in ("Method", "Cost", "Notes"))
    assert module.Params.__dataclass_params__.frozen and module.Result.__dataclass_params__.frozen
    assert isinstance(module.SMOKE, module.Params) and module.Params() != module.SMOKE
    assert module.CLAIMS and all(isinstance(claim, Claim) for claim in module.CLAIMS)
    assert len({claim.name for claim in module.CLAIMS}) == len(module.CLAIMS)
    assert list(inspect.signature(module.run).parameters) == ["params"]


@pytest.mark.parametrize("stem", STEMS)
def test_every_parameter_says_its_unit_or_symbol(stem: str) -> None:
    module = load(stem)
    source = inspect.getsource(module.Params)
    for field in dataclasses.fields(module.Params):
        assert re.search(rf"^\s+{field.name}: .*#", source, re.M), f"experiments/{stem}.py: {field.name} has no comment"


@pytest.mark.parametrize(
    "path", [p for folder in MAY_IMPORT for p in _modules(folder)], ids=lambda p: str(p.relative_to(ROOT))
)
def test_imports_run_one_way(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    own = {name for name in _imports(path) if name.split(".")[0] in {*MAY_IMPORT, "book", "tests", "benchmarks"}}
    drawing = {"lab"} if path == ROOT / "figures/__main__.py" else set()  # the README's figure: reads as a chapter does
    assert {name.split(".")[0] for name in own} <= MAY_IMPORT[folder] | drawing
    if folder in ("experiments", "nets"):
        assert {name for name in own if name.startswith("lab")} <= FROM_LAB
    if folder == "experiments":
        mine = f"experiments.{path.relative_to(ROOT).parts[1].removesuffix('.py')}"
        others = {name for name in own if name.startswith("experiments") and not f"{name}.".startswith(f"{mine}.")}
        assert not others, f"what two experiments share lives in nets, not in {others}"


@pytest.mark.parametrize("path", [p for f in MAY_IMPORT for p in _modules(f)], ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_pickles_and_no_pyplot(path: Path) -> None:
    pickling = {"pickle"} if path == WIRE else set()
    assert _imports(path) & {"pickle", "cloudpickle", "dill", "shelve", "joblib", "matplotlib.pyplot"} == pickling
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not {ast.unparse(call) for call in calls} & {"torch.load", "np.load", "numpy.load", "pd.read_pickle"}


def test_what_is_pickled_never_meets_a_file() -> None:
    assert _imports(WIRE) == {"__future__", "base64", "pickle", "typing"}
    called = {ast.unparse(node.func) for node in ast.walk(ast.parse(WIRE.read_text())) if isinstance(node, ast.Call)}
    assert called == {"b64encode(pickle.dumps(value, protocol=5)).decode", "b64encode", "pickle.dumps"} | {
        "pickle.loads",
        "b64decode",
    }


def test_chapters_in_the_book_are_the_files_in_the_folder() -> None:
    in_order = {chapter.path.as_posix() for chapter in read_project(ROOT).chapters}
    assert in_order == {"index.qmd", *(f"book/{path.name}" for path in (ROOT / "book").glob("*.qmd"))}


def test_the_configuration_says_what_quarto_needs() -> None:
    config = yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))
    assert config["project"]["pre-render"] == "lab/book/prerender.py" and (ROOT / "lab/book/prerender.py").is_file()
    assert config["project"]["execute-dir"] == "project" and config["execute"]["freeze"] == "auto"
    assert (ROOT / "_environment").read_text(encoding="utf-8") == "QUARTO_PYTHON=.venv/bin/python\n"


def test_no_registry_is_named() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    registries = re.compile("|".join(["py" + "pi.org", "python" + "hosted", "npm" + "js", "deb." + "debian"]))
    for name in tracked:
        if (ROOT / name).suffix in {".py", ".toml", ".txt", ".md", ".yml", ".qmd", ".sh", ".json", ""} and (
            ROOT / name
        ).is_file():
            found = registries.search((ROOT / name).read_text(encoding="utf-8", errors="ignore"))
            assert not found, f"{name} names {found.group()}"
