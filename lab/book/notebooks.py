"""A notebook for each question, made from its experiment and figures: parameters, one run of about a minute, figures, claims.

They are committed in notebooks/, so that pages can offer them and services can open them from the repository.  The text of the
sources is read and nothing is imported: writing them costs next to nothing, and `lab render` keeps them as they should be.
The figures that they draw are drawn of any other result, too, as files.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.keys import key
from lab.keys.experiments import load, source
from lab.keys.params import comments
from lab.keys.sources import rules
from press import Book, cached, read_project, write_whole

FOLDER = "notebooks"
SET_UP = """\
import importlib.util
import os
import subprocess
import sys

REPOSITORY = {repository!r}  # where the project is to be had
here = Path.cwd()
root = next((up for up in (here, *here.parents) if (up / "_quarto.yml").exists() and (up / "experiments").is_dir()), None)
if root is None and not REPOSITORY:
    raise SystemExit("keep this notebook in the folder of the project, or set REPOSITORY to the project's address")
if root is None:
    root = here / REPOSITORY.rstrip("/").rpartition("/")[2].removesuffix(".git")
    if not root.exists():
        subprocess.run(["git", "clone", "--quiet", "--depth=1", REPOSITORY, str(root)], check=True)
if any(importlib.util.find_spec(name) is None for name in {packages!r}):
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--editable", str(root)], check=True)
os.chdir(root)
sys.path.insert(0, str(root))"""
PACKAGES = ("torch", "typer", "pypandoc", "filelock")  # what is there where the project is installed, and seldom else


def write_notebooks(root: Path, names: Sequence[str]) -> list[Path]:
    """Write the notebooks of these questions where they are not as they should be; return those written."""
    book = read_project(root)
    return [path for name in names if (path := _write(name, root, book))]


def _write(name: str, root: Path, book: Book) -> Path | None:
    """Write a question's notebook, the one of the last time where it is made of the same; None where it is there already."""
    files = [source(name, root), root / "figures" / f"{name}.py", Path(__file__)]
    texts = [file.read_text(encoding="utf-8") if file.is_file() else "" for file in files]
    made_of = [rules(), str(book.settings), *texts]
    made = cached(root / ".lab" / FOLDER / name, made_of, lambda: notebook(name, root, book).encode())
    path = root / FOLDER / f"{name}.ipynb"
    if path.is_file() and path.read_bytes() == made:
        return None
    write_whole(path, made)
    return path


def notebook(name: str, root: Path, book: Book) -> str:
    """Return a question's notebook as its file holds it: as nbformat writes it, which takes a second to import and check them."""

    def words(ident: str, text: str, kind: str = "markdown", **more: Any) -> dict[str, Any]:
        lines = text.splitlines(keepends=True)
        return {"cell_type": kind, "id": ident, "metadata": {}, "source": lines} | more

    def code(ident: str, text: str, **metadata: Any) -> dict[str, Any]:
        return words(ident, text, "code", metadata=metadata, execution_count=None, outputs=[])

    text = source(name, root).read_text(encoding="utf-8")
    question = (ast.get_docstring(ast.parse(text)) or name).splitlines()[0]
    site, repository = str(book.settings.get("site-url") or ""), str(book.settings.get("repo-url") or "")
    chapter = f"[book/{name}.html]({site.rstrip('/')}/book/{name}.html)" if site else f"`book/{name}.qmd`"
    drawn = figure_functions(name, root)
    cells = [
        words(
            "question",
            f"# {question}\n\nThe experiment of {chapter} in *{book.title}*, to be run with numbers of your own. "
            "Change a parameter, guess what will happen, run all cells, and compare.",
        ),
        code("settings", _settings(name, root, text), tags=["parameters"]),
        words(
            "setting-up", "The next cell finds the project in a folder above this notebook, or fetches and installs it."
        ),
        code("set-up", SET_UP.format(repository=repository, packages=PACKAGES)),
        words("running", "The run. With the parameters as they were it takes about a minute on one core."),
        code("run", f"from experiments import {name}\n\nresult = {name}.run({name}.Params(**settings))"),
    ]
    if drawn:
        shown = f"%matplotlib inline\nfrom figures import {name} as figures"
        cells += [words("drawing", "The chapter's figures, of your result."), code("figures", shown)]
        cells += [code(f"figure-{figure.replace('_', '-')}", f"figures.{figure}(result)") for figure in drawn]
    cells += [
        words("judging", "The claims, as your result decides them, beside what became of them in the book."),
        code("claims", f"from lab.chapter import judged\n\njudged({name}, result)"),
        words(
            "onward",
            f"To keep a result, and to see the whole chapter with its numbers: `lab render {name} --set PARAMETER=VALUE`.",
        ),
    ]
    made = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(made, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def colab(name: str, book: Book) -> str:
    """Return the address at which Colab opens a notebook; "" where the book does not say where its repository is."""
    found = re.match(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?$", str(book.settings.get("repo-url") or ""))
    branch = book.settings.get("repo-branch", "main")
    return f"https://colab.research.google.com/github/{found[1]}/blob/{branch}/{FOLDER}/{name}.ipynb" if found else ""


def _settings(name: str, root: Path, text: str) -> str:
    """Return the parameters as code: those of the experiment's MINUTE, or the book's, each with its unit and the book's value."""
    said, smaller = comments(text), _minute(text)
    lines = ["from pathlib import Path", "", "settings = dict("]
    for field in key.fields(name, root).values():
        value = smaller.get(field.name, field.default)
        notes = [said.get(field.line, ""), f"the book: {field.shown}" if value != field.default else ""]
        shown = f"Path({value.as_posix()!r})" if isinstance(value, Path) else repr(value)
        lines.append(f"    {field.name}={shown},  # {'; '.join(filter(None, notes))}".rstrip(" #"))
    return "\n".join([*lines, ")"])


def _minute(text: str) -> dict[str, Any]:
    """Return what the experiment's MINUTE changes of the book's setting; nothing where there is none."""
    for node in ast.parse(text).body:
        match node:
            case ast.Assign([ast.Name("MINUTE")], ast.Call(keywords=changes)):
                return {str(change.arg): ast.literal_eval(change.value) for change in changes}
    return {}


def figure_functions(name: str, root: Path) -> list[str]:
    """Return the functions that draw a chapter's figures: those in its module in figures/ that make a Figure of a result alone."""
    file = root / "figures" / f"{name}.py"
    tree = ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([], [])
    return [
        of.name
        for of in tree.body
        if isinstance(of, ast.FunctionDef) and not of.name.startswith("_")
        if of.returns and ast.unparse(of.returns).rpartition(".")[2].strip("'") == "Figure"
        if len(of.args.posonlyargs + of.args.args) - len(of.args.defaults) == 1 and None not in of.args.kw_defaults
    ]


def draw(name: str, root: Path, result: Any, folder: Path) -> tuple[list[Path], dict[str, str]]:
    """Draw every figure of a result into a folder; return the files, and which failed and why.

    A setting of one's own may lack what a figure shows: the others are drawn all the same.
    """
    drawn, failed = [], {}
    load(name, root)  # and with it the project's modules can be imported
    folder.mkdir(parents=True, exist_ok=True)
    for figure in figure_functions(name, root):
        file = folder / f"{figure}.svg"
        try:
            draws = getattr(importlib.import_module(f"figures.{name}"), figure)
            draws(result).savefig(file, bbox_inches="tight", metadata={"Date": None})
            drawn.append(file)
        except Exception as error:  # whatever somebody's figure raises
            failed[figure] = f"{type(error).__name__}: {error}"
    return drawn, failed
