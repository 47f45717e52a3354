"""The code that a chapter shows is the code that ran, and runs as it stands when a reader copies it."""

from __future__ import annotations

import ast
import dis
import types
from pathlib import Path
from typing import Any

import pytest

from lab.keys.experiments import names
from press.read.qmd import Cell, parse

ROOT = Path(__file__).resolve().parents[1]


def listings(stem: str) -> list[str]:
    """Return what the calls of `code` in a chapter show."""
    file = f"book/{stem}.qmd"
    source = parse((ROOT / file).read_text(encoding="utf-8"), file, {})
    statements = [s for chunk in source.chunks if isinstance(chunk, Cell) for s in ast.parse(chunk.code).body]
    imports = [s for s in statements if isinstance(s, ast.Import | ast.ImportFrom)]
    variables: dict[str, Any] = {}
    exec(compile(ast.Module(imports, []), file, "exec"), variables)
    calls = [s.value for s in statements if isinstance(s, ast.Expr) and ast.unparse(s.value).startswith("code(")]
    shown = [eval(compile(ast.Expression(call), file, "eval"), variables).data for call in calls]
    return [text.removeprefix("```python\n").removesuffix("\n```") for text in shown]


def missing(listing: str) -> set[str]:
    """Return the names that a listing uses and does not have."""
    variables: dict[str, Any] = {}
    exec(listing, variables)
    functions = [f for f in variables.values() if isinstance(f, types.FunctionType) and f.__globals__ is variables]
    used = {name for function in functions for name in _globals(function.__code__)}
    return used - set(variables) - set(dir(variables["__builtins__"])) - set(variables["__builtins__"])


def _globals(code: types.CodeType) -> set[str]:
    own = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    return own.union(*(_globals(inner) for inner in code.co_consts if isinstance(inner, types.CodeType)))


@pytest.mark.parametrize("stem", names(ROOT))
def test_what_a_chapter_shows_runs_as_it_stands(stem: str) -> None:
    found = listings(stem)
    assert found
    for listing in found:
        assert not missing(listing), listing


def test_a_name_that_is_not_shown_is_missed() -> None:
    assert missing("def f(x):\n    return [helper(y) for y in x]") == {"helper"}
    assert not missing("import math\n\ndef f(x):\n    return [math.sqrt(len(y)) for y in x]")
