"""Runs what recomputes the book's deciding numbers by code that shares nothing with the project.

    python -m tests.independent [NAME...]      from the project's root; all questions without a name

Each file beside this one is for one question.  It reads the book's numbers from results/ as plain data, computes them again
with other seeds, prints one line a number that ends in "agrees" or "DISAGREES", and exits with 1 if one disagrees.
Exits with 1 if any does, or ends without a line.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HOME = Path(__file__).parent


def questions(home: Path) -> list[str]:
    """Return the questions that have such a file."""
    return sorted(file.stem for file in home.glob("*.py") if not file.name.startswith("_"))


def main(names: list[str], home: Path = HOME) -> int:
    """Run them one by one, print what each says, and a table at the end."""
    there = questions(home)
    if unknown := [name for name in names if name not in there]:
        print(f"error: no {', '.join(unknown)}; there are: {', '.join(there)}", file=sys.stderr)
        return 2
    rows, failed = [], False
    for name in names or there:
        start = time.monotonic()
        print(f"{name}", flush=True)
        done = subprocess.run(
            [sys.executable, str(home / f"{name}.py")], stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        print(*(f"  {line}" for line in lines), sep="\n", flush=True)
        wrong = sum(line.endswith("DISAGREES") for line in lines)
        right = sum(line.endswith("agrees") for line in lines)
        bad = bool(done.returncode or wrong or not right)
        failed |= bad
        word = f"{wrong} DISAGREE" if wrong else f"failed, exit code {done.returncode}" if bad else "agree"
        rows.append(f"{name:26}{right + wrong:3} numbers  {time.monotonic() - start:5.0f} s  {word}")
    print("\nRecomputed by code that shares nothing with the project", *rows, sep="\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
