"""`lab init`, `lab new`, `lab remove`, `lab rename`: a question's files, with its first result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.cli.commands import Force, known
from lab.cli.run import finish, watched
from lab.errors import few
from lab.keys.experiments import files, find_root
from lab.run.status import status_of
from lab.workers.messages import Job

MOST = 10  # places named


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="of the book: one that is not there, or is empty")],
) -> None:
    """A book of your own, from your own notes: settings, preface, ledger, theme, Makefile, and an example question with its test.

    Example:  lab init my_notes
    """
    from lab.book import questions

    for path in questions.create_book(folder):
        print(f"wrote {path.relative_to(folder.resolve().parent)}")
    print(f"""
{folder} is a book with one question, {questions.EXAMPLE}.  Next:
  cd {folder}
  lab render           computes it, and renders the site and the PDF into _book/
  lab new my_question  another question, of your own
  git init             results and the rules of claims are kept in git""")


def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="of the question: words in lower case, joined by underscores")
    ],
    part: Annotated[
        str | None, typer.Option(metavar="TITLE", help="of the book; the last one if none is named")
    ] = None,
    package: Annotated[
        bool, typer.Option("--package", help="the experiment as a folder, for more code than one file should hold")
    ] = False,
) -> None:
    """A new question: experiment, figures, chapter and test, which run at once and are there to be replaced.

    \b
    Examples:  lab new dead_neurons
               lab new dead_neurons --part "Starting weights" --package
    """
    from lab.book import questions
    from lab.book.notebooks import write_notebooks

    root = find_root()
    for path in questions.create(name, root, part, package):
        print(f"wrote {path.relative_to(root)}")
    finish(watched([Job(name)], root, workers=1, onward=f"type: lab run {name}"))
    for path in write_notebooks(root, [name]):
        print(f"wrote {path.relative_to(root)}")
    print(f"""
{name} works, on a question that is quickly answered.  Next:
  {files(name, root)[0]}   replace question, parameters, claims and run; draw each claim's line before you see a number
  lab run {name} --smoke   does it run at all? then lab run {name}; lab status and lab why say when it has to be again
  figures/{name}.py   draw what the answer rests on
  book/{name}.qmd   say it; every measured number in a sentence is computed in that sentence
  tests/test_{name}.py   a closed form or a rate, the verdicts, and mutants that must be caught
  lab render {name}   look at it""")


def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME", callback=known, help="questions")],
    force: Force = False,
) -> None:
    """Take questions out: experiment, figures, chapter, test, result, and their places in _quarto.yml and the notation.

    Refuses what git could not bring back, unless told --force.

    Example:  lab remove dead_neurons
    """
    from lab.book import questions

    root = find_root()
    for place in questions.remove(names, root, force):
        print(f"{'changed' if (root / place).exists() else 'deleted'} {place}")
    for name in names:
        _print_mentions(f"{name} is gone; still there, for you to reword", questions.mentions(name, root))


def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="name of the question")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="its name from now on")],
    force: Force = False,
) -> None:
    """Name a question anew, wherever it is named: files, modules, labels, links; its result moves with it.

    Example:  lab rename dead_neurons dying_units
    """
    from lab.book import questions

    root = find_root()
    for place in questions.rename(old, new, root, force):
        print(f"changed {place}")
    said = f"the word {old} still stands here, where it may mean something else"
    _print_mentions(said, questions.mentions(old, root))
    found = status_of(new, root)
    if not found.is_fresh:
        print(f"the result of {new} is {found.state.value}; type: lab run {new}")


def _print_mentions(head: str, found: list[str]) -> None:
    if found:
        print(f"{head}: {few(found, MOST)}")
