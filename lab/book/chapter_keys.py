"""What a chapter's outputs depend on, as a hash: its cells, the code they reach, and the results they read.

Prose is no part of it.  Results come in by key and checksum; the code of the claims counts where a chapter prints verdicts, and
everything of every experiment where it prints the ledger.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

from lab.errors import LabError, NoResult, Refused
from lab.keys import key as keys
from lab.keys import key_parts, versions
from lab.keys.call_graph import WHOLE, Place, Reach, Reached
from lab.keys.canonical_json import content, digest
from lab.keys.experiments import names
from lab.keys.syntax import parse, short
from lab.results import store
from press import Book, Cell, Source, read_project, read_sources

DECIDES = ("lab.book.verdicts", "decide")  # what reaches it prints verdicts
LISTS = (
    "lab.book.verdicts.in_book_order",
    "lab.keys.experiments.names",
)  # what reaches one of them prints all experiments
FOLDERS = ("experiments", "figures", "nets", "results")  # all that a chapter could depend on


def key(path: Path, root: Path) -> str:
    """Return the key of one chapter, by its path relative to the root."""
    return Chapters(root).key(path)


class Chapters:
    """One look at a book: its chapters, the code they reach and the results they read."""

    def __init__(self, root: Path):
        self.root = root
        self.look = Reach(root, chapters=True)
        self.results = Reach(root, self.look.sources)  # here an experiment is code
        self._state = cache(self._state_of)
        self._reached = cache(self._follow)  # by the chapter's file
        self._book: Book = read_project(root)
        self._sources = read_sources(self._book)
        self._code = {file: _code(source) for file, source in self._sources.items()}

    def key(self, path: Path) -> str:
        """Return the key of a chapter, by its path relative to the root."""
        source = self._sources[path.as_posix()]
        code = self._code[source.file]
        try:
            reached, module = self._reached(source.file)
        except Refused:  # a cell that is not Python, or code that nobody can follow: then on everything
            there = [self.root / folder for folder in FOLDERS]
            return digest([code, self._settings(source), [content(folder) for folder in there if folder.exists()]])
        every, start = self._lists(reached), self._start(module)
        experiments = names(self.root) if every else sorted(reached.experiments)
        if every or self.look.find(*DECIDES)[0] in reached.places:
            for name in experiments:
                claims = self.look.find(f"experiments.{name}", "CLAIMS")
                reached = _both(reached, self.look.follow(claims, f"experiments.{name}"))
                start += claims
        return digest(
            {
                "cells": code,
                "code": key_parts.form(self.look, reached, start),
                "listings": self._listings(source, module),
                "versions": versions.of(key_parts.libraries(reached.outside)),
                "results": {name: self._state(name) for name in experiments},
                "order": self._order() if every else [],
                "settings": self._settings(source),
            }
        )

    def experiments(self, path: Path) -> list[str]:
        """Return the experiments whose results a chapter reads."""
        source = self._sources.get(path.as_posix())
        if source is None:
            return []
        try:
            reached, _ = self._reached(source.file)
        except Refused:
            return names(self.root)
        return names(self.root) if self._lists(reached) else sorted(reached.experiments)

    @property
    def paths(self) -> list[Path]:
        """The chapters, relative to the root."""
        return [chapter.path for chapter in self._book.chapters]

    def _follow(self, file: str) -> tuple[Reached, str]:
        module = f"qmd.{Path(file).with_suffix('').as_posix().replace('/', '+')}"
        self.look.sources.add(module, "\n".join(self._code[file]), file)
        return self.look.follow(self._start(module), module), module

    def _start(self, module: str) -> list[Place]:
        outline = self.look.sources.outline(module)
        return [(module, index) for index in range(len(outline.units) if outline else 0)]

    def _lists(self, reached: Reached) -> bool:
        """Say whether a chapter goes through all experiments."""
        places = {place for name in LISTS for place in self.look.find(*name.rsplit(".", 1))}
        return bool(set(LISTS) & reached.outside or places & reached.places)

    def _listings(self, source: Source, module: str) -> dict[str, str]:
        """Return the hash of the text, comments and all, of each function that a chapter prints with lab.chapter.code."""
        found = {}
        cells = [code for code in self._code[source.file] if "code" in code]
        for node in ast.walk(parse("\n".join(cells), source.file)):
            if (
                isinstance(node, ast.Call)
                and "code" in (getattr(node.func, "id", ""), getattr(node.func, "attr", ""))
                and node.args
            ):
                name = ast.unparse(node.args[0])
                if all(part.isidentifier() for part in name.split(".")):
                    targets = self.look.resolve(module, name.split("."))
                    places = [target.place for target in targets if target.place and target.place[1] != WHOLE]
                    found[name] = short(" ".join(self.look.unit(place).verbatim for place in sorted(places)))
        return found

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

    def _order(self) -> list[str]:
        there = names(self.root)
        return [path.stem for path in self.paths if path.stem in there]

    def _settings(self, source: Source) -> dict[str, Any]:
        """Return the settings that bear on execution, of the book and of the chapter."""
        formats = self._book.config.get("format") or {}
        levels = {"book": self._book.config, "chapter": source.front} | {
            f"{place} {name}": options
            for place, these in (("book", formats), ("chapter", source.front.get("format") or {}))
            for name, options in (these.items() if isinstance(these, dict) else ())
            if isinstance(options, dict)
        }
        found: dict[str, Any] = {}
        for level, options in levels.items():
            execute = {name: value for name, value in (options.get("execute") or {}).items() if name != "freeze"}
            figures = {
                name: str(value)
                for name, value in options.items()
                if name.startswith("fig-") or name in ("jupyter", "engine")
            }
            found[level] = {"execute": {name: str(value) for name, value in execute.items()}, "figures": figures}
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


def _both(first: Reached, second: Reached) -> Reached:
    return Reached(
        first.places | second.places,
        first.modules | second.modules,
        first.outside | second.outside,
        first.experiments | second.experiments,
    )
