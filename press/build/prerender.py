"""The project's own scripts that run before anything else, told what is rendered in the variables Quarto sets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from press.book import Book
from press.errors import SourceError
from press.read.project import FILE


def run_scripts(book: Book, only: Collection[Path | str] | None) -> None:
    """Run them in the book's root, those in Python with this one; raise SourceError if one fails."""
    names = [str(name) for name in only] if only is not None else [chapter.source for chapter in book.chapters]
    variables = {"QUARTO_PROJECT_INPUT_FILES": "\n".join(names)}
    variables |= {} if only is not None else {"QUARTO_PROJECT_RENDER_ALL": "1"}
    for script in book.pre_render:
        command = [sys.executable, script] if script.endswith(".py") else script.split()
        try:
            failed = subprocess.run(command, cwd=book.root, env=os.environ | variables).returncode
        except OSError as error:
            raise SourceError(FILE, 0, f"the pre-render script {script} cannot be run", str(error)) from None
        if failed:
            raise SourceError(FILE, 0, f"the pre-render script {script} failed", "its own words are above")
