"""`lab new`: writes a new question and computes its first result."""

from __future__ import annotations

from pathlib import Path

from lab.book import new
from lab.cli.run import finish, watched
from lab.run.scheduler import Job


def start(name: str, root: Path, part: str | None) -> None:
    """Write the files, run the experiment, and say what comes next."""
    for path in new.create(name, root, part):
        print(f"wrote {path.relative_to(root)}")
    finish(watched([Job(name)], root, workers=1, onward=f"type: lab run {name}"))
    print(f"""
{name} works, on a question that is quickly answered.  Next:
  experiments/{name}.py   replace question, parameters, claims and run; draw each claim's line before you see a number
  lab run {name}          compute it; lab status and lab why say when it has to be again
  figures/{name}.py       draw what the answer rests on
  book/{name}.qmd         say it; every measured number in a sentence is computed in that sentence
  tests/test_{name}.py    a closed form or a rate, the verdicts, and mutants that must be caught
  lab render {name}       look at it""")
