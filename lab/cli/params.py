"""`lab params`: what can be set in an experiment, in which unit, and what the book has."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from lab.cli.show import print_table
from lab.keys import key
from lab.keys.experiments import source
from lab.keys.params import KINDS, Field, as_typed, comments


def print_params(name: str, root: Path) -> None:
    """Print an experiment's question, its parameters, and how to set one."""
    text = source(name, root).read_text(encoding="utf-8")
    known = key.fields(name, root)
    said = comments(text)
    question = (ast.get_docstring(ast.parse(text)) or name).splitlines()[0]
    print(f"{name}: {question}\n")
    rows = [[field.name, field.shown, said.get(field.line, ""), allowed(field)] for field in known.values()]
    print_table(rows, head=["parameter", "in the book", "what it is, or its unit", "allowed"])
    counted = [field for field in known.values() if field.kind == ("int",)]
    example = f"{counted[0].name}={2 * counted[0].default}" if counted else "PARAMETER=VALUE"
    print(f"\nfor another setting, type for example: lab run {name} --set {example}")


def smoke_setting(experiment: Any) -> dict[str, str]:
    """Return what differs from the book's in the setting that the fast tests run, as it would be typed."""
    small, book = vars(experiment.SMOKE), vars(experiment.Params())
    return {field: as_typed(small[field]) for field in book if small[field] != book[field]}


def allowed(field: Field) -> str:
    """Say which values a parameter takes."""
    one = field.kind[0] if len(field.kind) == 1 else field.kind[1]
    what = KINDS[one]
    if one == "int":
        what += f", {field.least} or more"
    elif one == "float" and not field.has_infinite:
        what = "a finite number"
    if len(field.kind) == 1:
        return what
    count = "one or more" if field.kind[-1] == "..." and field.default else "any number"
    return f"{count if field.kind[-1] == '...' else len(field.kind) - 1}, with commas, each {what}"
