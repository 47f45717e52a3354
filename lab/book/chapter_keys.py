"""What a chapter's outputs depend on, as a hash: its cells, the code they reach, and the results they read.

Prose is no part of it.  Results come in by key and checksum; the code of the claims counts where a chapter prints verdicts, and
everything of every experiment where it prints the ledger.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from lab.errors import LabError, NoResult, Refused
from lab.keys import key as keys
from lab.keys import key_parts, versions
from lab.keys.call_graph import WHOLE, Place, Reach, Reached
from lab.keys.canonical_json import content, digest
from lab.keys.experiments import names
from lab.results import store
from press import Book, Cell, Source, read_project, read_sources

DECIDES = ("lab.book.verdicts", "decide")  # what reaches it prints verdicts
LISTS = (
    "lab.book.verdicts.in_book_order",
    "lab.keys.experiments.names",
)  # what reaches one of them prints all experiments
PRINTED = ("experiments.", "nets.")  # modules whose code chapters print
FOLDERS = ("experiments", "figures", "nets", "results")  # all that a chapter could depend on


class Chapters:
    """One look at a book: its chapters, the code they reach and the results they read."""

    def __init__(self, root: Path):
        self.root = root
        self.look = Reach(root, chapters=True)
        self.results = Reach(root, self.look.sources)  # here an experiment is code
        self._state = cache(self._state_of)
        self._reached = cache(self._follow)  # by the chapter's file
        self._claims = cache(self._follow_claims)
        self._book: Book = read_project(root)
        self._sources = read_sources(self._book)
        self._code = {file: _code(source) for file, source in self._sources.items()}

    def key(self, path: Path) -> str:
        """Return the key of a chapter, by its path relative to the root."""
        source, experiments = self._sources[path.as_posix()], self.experiments(path)
        code, settings = self._code[source.file], [_bearing(of) for of in (self._book.config, source.front)]
        try:
            reached, start = self._reached(source.file)
        except Refused:  # a cell that is not Python, or code that nobody can follow: then on everything
            there = [self.root / folder for folder in FOLDERS]
            return digest([code, settings, [content(folder) for folder in there if folder.exists()]])
        every = self._lists(reached)
        followed = [(reached, start)]
        if every or self.look.find(*DECIDES)[0] in reached.places:
            followed += [self._claims(name) for name in experiments]
        prints = any("code(" in cell for cell in code)  # functions, comments and all
        outside = set().union(*(each.outside for each, _ in followed))
        return digest(
            {
                "cells": code,
                "code": [key_parts.form(self.look, *each) for each in followed],
                "listings": self._listings(reached) if prints else [],
                "versions": versions.of(key_parts.libraries(outside)),
                "results": {name: self._state(name) for name in experiments},
                "order": [path.stem for path in self.paths if path.stem in experiments] if every else [],
                "settings": settings,
            }
        )

    def experiments(self, path: Path) -> list[str]:
        """Return the experiments whose results a chapter reads."""
        if path.as_posix() not in self._sources:
            return []
        try:
            reached, _ = self._reached(path.as_posix())
        except Refused:
            return names(self.root)
        return names(self.root) if self._lists(reached) else sorted(reached.experiments)

    @property
    def paths(self) -> list[Path]:
        """The chapters, relative to the root."""
        return [chapter.path for chapter in self._book.chapters]

    def _follow(self, file: str) -> tuple[Reached, list[Place]]:
        """Return what a chapter's code reaches, and the statements where it starts."""
        module = f"qmd.{Path(file).with_suffix('').as_posix().replace('/', '+')}"
        self.look.sources.add(module, "\n".join(self._code[file]), file)
        outline = self.look.sources.outline(module)
        start = [(module, index) for index in range(len(outline.units) if outline else 0)]
        return self.look.follow(start, module), start

    def _follow_claims(self, name: str) -> tuple[Reached, list[Place]]:
        start = self.look.find(f"experiments.{name}", "CLAIMS")
        return self.look.follow(start, f"experiments.{name}"), start

    def _lists(self, reached: Reached) -> bool:
        """Say whether a chapter goes through all experiments."""
        places = {place for name in LISTS for place in self.look.find(*name.rsplit(".", 1))}
        return bool(set(LISTS) & reached.outside or places & reached.places)

    def _listings(self, reached: Reached) -> list[str]:
        """Return the texts of all that lab.chapter.code could print, as hashes."""
        places = [place for place in sorted(reached.places) if place[1] != WHOLE and place[0].startswith(PRINTED)]
        return [self.look.unit(place).verbatim for place in places]

    def _state_of(self, name: str) -> list[str]:
        """Return what a result should be and what it is."""
        try:
            wanted = keys.compute(name, self.root, look=self.results).key
        except LabError as error:
            wanted = str(error)
        try:
            there = store.read_result(self.root / "results" / name, self.root)
        except NoResult as error:
            return [wanted, str(error)]
        return [wanted, there.key, there.checksum]


def _bearing(settings: Any) -> dict[str, Any]:
    """Return the part of settings that bears on execution: of a book, a chapter, or one of their formats."""
    found: dict[str, Any] = {}
    for name, value in settings.items() if isinstance(settings, dict) else ():
        if name == "execute":
            found |= {
                f"execute: {option}": str(set_to) for option, set_to in (value or {}).items() if option != "freeze"
            }
        elif name == "format":
            found[name] = {of: _bearing(options) for of, options in value.items()} if isinstance(value, dict) else {}
        elif name.startswith("fig-") or name in ("jupyter", "engine"):
            found[name] = str(value)
    return found


def _code(source: Source) -> list[str]:
    """Return a chapter's code: cells as they are, each inline expression on a line of its own."""
    found = []
    for chunk in source.chunks:
        if isinstance(chunk, Cell):
            found.append(chunk.code if chunk.options.get("eval", True) is not False else "")
        else:
            found += [f"({inline.code})" for inline in chunk.inlines()]
    return found
