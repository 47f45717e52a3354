"""Every question's deciding numbers are recomputed by code that imports nothing of the project."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from lab.keys.experiments import names
from tests.independent.__main__ import HOME, main, questions

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {"numpy", "scipy", "torch", *sys.stdlib_module_names} - {"importlib", "runpy", "imp", "pkgutil"}
EVASIONS = {"__import__", "exec", "eval", "compile", "import_module", "run_path", "run_module"}

# Questions with a result and nothing independent yet.  Take yours off when it has.
NOT_YET: set[str] = set()


def foreign(source: str) -> list[str]:
    """Return what in a module's source reaches, or may reach, code of the project."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.partition(".")[0] not in ALLOWED]
        elif isinstance(node, ast.ImportFrom):
            if node.level or (node.module or "").partition(".")[0] not in ALLOWED:
                found.append("." * node.level + (node.module or ""))
        elif isinstance(node, ast.Name) and node.id in EVASIONS:
            found.append(node.id)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.path", "sys.modules"):
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("question", questions(HOME))
def test_what_recomputes_a_question_imports_nothing_of_the_project_and_reads_its_result_as_data(question: str) -> None:
    source = (HOME / f"{question}.py").read_text(encoding="utf-8")
    assert not foreign(source)
    assert "results" in source and ast.get_docstring(ast.parse(source))


def test_every_question_with_a_result_is_recomputed_or_listed_as_not_yet() -> None:
    there = {name for name in names(ROOT) if (ROOT / "results" / name / "result.json").is_file()}
    assert set(questions(HOME)) <= set(names(ROOT))
    assert not NOT_YET & set(questions(HOME)), "take it off the list"
    assert not there - NOT_YET - set(questions(HOME)), "write tests/independent/<question>.py"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import math, numpy as np\nfrom torch.nn import functional\nimport scipy.stats", []),
        ("import nets", ["nets"]),
        ("def f():\n    from experiments.tanh_gain import run", ["experiments.tanh_gain"]),
        ("from . import tanh_gain\nimport pandas", [".", "pandas"]),
        ("import importlib\nx = __import__('lab')", ["importlib", "__import__"]),
        ("import sys\nsys.path.append('experiments')", ["sys.path"]),
    ],
)
def test_code_of_the_project_is_found_however_it_is_reached(source: str, expected: list[str]) -> None:
    assert sorted(foreign(source)) == sorted(expected)


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("print('x: 1 ± 0, the book 1: agrees')", 0, "1 numbers"),
        ("print('x: 1, the book 2: DISAGREES')\nprint('y: agrees')\nraise SystemExit(1)", 1, "1 DISAGREE"),
        ("print('x: 1, the book 2: DISAGREES')", 1, "1 DISAGREE"),
        ("print('y: agrees')\nraise SystemExit(1)", 1, "failed, exit code 1"),
        ("print('nothing')", 1, "failed, exit code 0"),
    ],
)
def test_a_number_that_disagrees_and_a_script_that_says_nothing_fail(
    script: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "some_question.py").write_text(script, encoding="utf-8")
    assert main([], tmp_path) == code
    assert said in capsys.readouterr().out.splitlines()[-1]
    assert main(["other"], tmp_path) == 2
