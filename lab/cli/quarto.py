"""Runs Quarto: what it says is passed on as it says it, and an error of a cell is told with the chapter's file and line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import press
from lab.errors import LabError

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def run_quarto(command: Sequence[str], root: Path) -> None:
    """Run a command of Quarto's in the book's root.  Raises LabError if it fails."""
    environment = os.environ | {"QUARTO_PYTHON": sys.executable}
    said = []
    with subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.PIPE, text=True) as running:
        for line in running.stderr or ():
            print(line, end="", file=sys.stderr, flush=True)
            said.append(_COLOUR.sub("", line).rstrip())
    if running.returncode:
        words = f"{' '.join(command)} failed; its own words are above"
        sources = press.read_sources(press.read_project(root))
        raise LabError("\n".join(filter(None, [_failed_cell(said, sources), words])))


def _failed_cell(said: Sequence[str], sources: Mapping[str, press.Source]) -> str:
    """Return file, line and error of the cell that Quarto ran last, if an error is the last that was heard of it."""
    text = "\n".join(said)
    executing = list(re.finditer(r"^Executing '(.+)\.quarto_ipynb'$", text, re.M))
    if not executing:
        return ""
    after = text[executing[-1].end() :]
    number = re.findall(r"^  Cell (\d+)/\d+: '.*?'\.*$", after, re.M)
    file = next((file for file in sources if Path(file).stem == executing[-1][1]), None)
    error = re.findall(r"^(\w+(?:Error|Exception|Interrupt|Exit)\b.*)$", after.partition("Traceback")[2], re.M)
    if not (number and file and error):
        return ""
    cell = [chunk for chunk in sources[file].chunks if isinstance(chunk, press.Cell)][int(number[-1]) - 1]
    inside = re.findall(r"^Cell In\[\d+\], line (\d+)", after, re.M)
    line = cell.code_line + int(inside[-1]) - 1 if inside else cell.line
    return f"{file}:{line}: this cell fails: {error[-1]}"
