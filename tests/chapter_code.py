"""A chapter's cells and inline code, run in this process with the stored results, however old."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from IPython.display import Markdown

import lab.book.verdicts
import lab.chapter
from lab.keys.experiments import home
from lab.results import store
from lab.results.reading import as_result
from press.read.qmd import Source, Text


def executed(code: str, variables: dict[str, Any]) -> tuple[Any, list[str]]:
    """Run code as a notebook does: the value of its last expression.  What raises is told, and the rest run all the same."""
    value, errors = "", []
    for statement in ast.parse(code.strip()).body:
        try:
            if isinstance(statement, ast.Expr):
                value = eval(compile(ast.Expression(statement.value), "<chapter>", "eval"), variables)
            else:
                exec(compile(ast.Module([statement], []), "<chapter>", "exec"), variables)
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}, in {ast.unparse(statement)[:90]!r}")
    return value, errors


@contextmanager
def stored_results(root: Path) -> Iterator[None]:
    """Have chapters read the stored results, fresh or not: what they say of them is looked at, not their age."""

    def stored(name: str, _: Path | None = None) -> store.Stored:
        return store.read_result(root / "results" / name, root)

    def read(experiment: Any, _: Any = None) -> Any:
        return as_result(experiment, stored(home(experiment)[0]))

    with patch.object(lab.chapter, "read", read), patch.object(lab.book.verdicts, "page_result", stored):
        yield


def filled(source: Source, root: Path) -> tuple[list[tuple[int, str]], list[str]]:
    """Return a page's text with its inline values in place, as (line, text) between its cells, and what raised.

    Line breaks stay where they are in the source.  What cells show is left out.
    """

    found, errors, variables = [], [], {"__name__": "__main__"}
    with (
        stored_results(root),
        patch.object(lab.chapter, "colophon", lambda *_: Markdown("")),
        patch.object(lab.chapter, "costs", lambda *_: Markdown("")),
        patch.object(lab.chapter, "total_cost", lambda *_: "1 minute"),
    ):
        for chunk in source.chunks:
            values = []
            for place in chunk.inlines() if isinstance(chunk, Text) else [chunk]:
                value, raised = executed(place.code, variables)
                values.append(" ".join(str(getattr(value, "data", None) or value).split()))
                errors += [f"{source.file}:{place.line}: {error}" for error in raised]
            if isinstance(chunk, Text):
                found.append((chunk.line, chunk.filled(values)))
    return found, errors
