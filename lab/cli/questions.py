"""`lab new`, `lab remove`, `lab rename`: a question's files, with its first result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.book import questions
from lab.book.notebooks import write_notebooks
from lab.cli.run import finish, watched
from lab.errors import few
from lab.keys.experiments import files
from lab.run.run_state import Job
from lab.run.status import status_of

MOST = 10  # places named


def write_book(folder: Path) -> None:
    """Write a book of one's own, and say what comes next."""
    for path in questions.create_book(folder):
        print(f"wrote {path.relative_to(folder.resolve().parent)}")
    print(f"""
{folder} is a book with one question, {questions.EXAMPLE}.  Next:
  cd {folder}
  lab render           computes it, and renders the site and the PDF into _book/
  lab new my_question  another question, of your own
  git init             results and the rules of claims are kept in git""")


def write_new(name: str, root: Path, part: str | None, package: bool) -> None:
    """Write the files, run the experiment, and say what comes next."""
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


def remove_all(names: Sequence[str], root: Path, force: bool) -> None:
    """Delete questions, and say what still speaks of them."""
    for place in questions.remove(names, root, force):
        print(f"{'changed' if (root / place).exists() else 'deleted'} {place}")
    for name in names:
        _print_mentions(f"{name} is gone; still there, for you to reword", questions.mentions(name, root))


def rename_one(old: str, new: str, root: Path, force: bool) -> None:
    """Name a question anew, and say what still has the old name and whether the result is still fresh."""
    for place in questions.rename(old, new, root, force):
        print(f"changed {place}")
    _print_mentions(
        f"the word {old} still stands here, where it may mean something else", questions.mentions(old, root)
    )
    found = status_of(new, root)
    if not found.is_fresh:
        print(f"the result of {new} is {found.state.value}; type: lab run {new}")


def _print_mentions(head: str, found: list[str]) -> None:
    if found:
        print(f"{head}: {few(found, MOST)}")
