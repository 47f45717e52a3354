"""What must run, runs: one kernel a chapter, several chapters side by side.

What a chapter shows is kept in .press/cells/<chapter>/, a sealed file for each of its last keys: the same key never runs twice,
and what was damaged since is made again, not printed.  Its pictures are put into .press/figures/<chapter>/.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import string
from ast import literal_eval
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, nullcontext
from pathlib import Path
from typing import Any

from press.book import Book, Keys, Progress
from press.errors import SourceError
from press.execute import outputs, reads
from press.execute.kernel import FIGURES, CellFailed, Kernel
from press.execute.outputs import Output
from press.files import unsealed, write_sealed, write_whole
from press.fork_server import DEFAULTS, started, sweep
from press.read.qmd import Cell, Inline, Source

Outputs = dict[str, Any]  # {"key": ..., "cells": [[output, ...], ...], "inlines": [markdown, ...]}
FEW = 2  # kernels: more of them share what takes long to import
UNKEYED = "unkeyed"  # the key of what was run without one


def figures(book: Book, file: str) -> Path:
    """Return where the pictures that a chapter's cells show lie, relative to the root."""
    return book.outputs / "figures" / Path(file).with_suffix("")


def latest(book: Book, source: Source) -> str | None:
    """Return the key of the chapter's newest outputs that fit its cells and inline code, None if there are none."""
    files = [file for file in _folder(book, source).glob("*") if file.is_file()]
    newest = sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)
    return next((found["key"] for file in newest if (found := _load(file, source))), None)


def _folder(book: Book, source: Source) -> Path:
    return book.root / book.outputs / "cells" / Path(source.file).with_suffix("")


def _kept(book: Book, source: Source, key: str) -> Outputs | None:
    """Return the outputs kept under a key for this chapter, or for one of another name and with the same cells."""
    own = _folder(book, source) / key
    for file in [own, *sorted((book.root / book.outputs / "cells").glob(f"**/{key}"))]:
        if (found := _load(file, source)) and reads.Present(book.root).holds(found["reads"]):
            if file == own:
                os.utime(file)  # the newest stay
            else:
                _keep(book, source, found)
            return found
    return None


def are_kept(book: Book, sources: Mapping[str, Source], keys: Keys) -> bool:
    """Say whether chapters have outputs under their keys, and what their cells read is as it was."""
    return all(_kept(book, sources[file], key or UNKEYED) for file, key in keys.items() if sources[file].runs)


def _load(file: Path, source: Source) -> Outputs | None:
    """Return the outputs in a file, None where there are none, or damaged ones, or those of other cells."""
    content = unsealed(file)
    if content is None:
        return None
    found: Outputs = json.loads(content)
    counts = len(source.cells), len(source.inlines)
    return found if (len(found["cells"]), len(found["inlines"])) == counts else None


def stand_in(source: Source) -> Outputs:
    """Return outputs for a chapter that is not run, of which only the labels are wanted: they are in its text."""
    nothing = {"stream": "display", "kind": "text/markdown", "text": "…"}
    return {"cells": [[nothing] for _ in source.cells], "inlines": ["…" for _ in source.inlines]}


def _keep(book: Book, source: Source, made: Outputs) -> None:
    write_sealed(_folder(book, source) / made["key"], json.dumps(made, ensure_ascii=False).encode())


def run(
    book: Book, sources: Mapping[str, Source], keys: Keys, tell: Progress, ready: Callable[[str, Outputs], None]
) -> None:
    """Hand the outputs of every chapter to `ready`, executing those that have none under their key (or have no key)."""

    def hand_over(file: str, found: Outputs) -> None:
        for output in [output for cell in found["cells"] for output in cell if "file" in output]:
            place, content = book.root / figures(book, file) / output["file"], outputs.picture(output)
            if not place.is_file() or place.read_bytes() != content:
                write_whole(place, content)
        for line, what in _doubts(book, sources[file], found):
            tell("warning", f"{file}:{line}", what)
        ready(file, found)

    waiting = []
    for file, source in sources.items():
        key = keys[file]
        if not source.runs:
            ready(file, {"cells": [], "inlines": []})
        elif key is not None and (found := _kept(book, source, key)):
            hand_over(file, found)
        else:
            waiting.append(source)
    if waiting:
        waiting.sort(key=lambda source: len(source.chunks), reverse=True)  # the longest must not begin last
        _run(_run_side_by_side(book, waiting, keys, tell, hand_over))


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, also where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
    else:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, work).result()


async def _run_side_by_side(
    book: Book, waiting: list[Source], keys: Keys, tell: Progress, ready: Callable[[str, Outputs], None]
) -> None:
    sweep()
    environment = DEFAULTS | os.environ | _environment(book.root) | FIGURES | dict(book.variables)
    if not _has_cache():  # or matplotlib would make one in a temporary folder, and say so in the page
        environment = {"MPLCONFIGDIR": str(book.root / ".press/matplotlib")} | environment
    places = asyncio.Semaphore(os.cpu_count() or 1)

    async def one(source: Source) -> None:
        async with aclosing(Kernel(book.root, environment)) as kernel, places:
            tell("execute", source.file, "starting")
            try:
                await kernel.start()
                made = await _run_chapter(source, kernel, tell, book.lenient)
            except CellFailed as failure:  # outside a cell: the kernel itself
                raise source.error(0, failure.what, failure.traceback) from None
            made["key"] = keys[source.file] or UNKEYED
            _keep(book, source, made)
            tell("executed", source.file, "")
            ready(source.file, made)

    with started(os.getpid(), book.libraries, environment) if len(waiting) > FEW else nullcontext():
        tasks = [asyncio.create_task(one(source)) for source in waiting]
        try:
            await asyncio.gather(*tasks)
        except BaseException:  # also ctrl-C: no kernel goes on running
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise


def _has_cache() -> bool:
    """Say whether libraries can keep files in this user's home."""
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    return there.is_dir() and os.access(there, os.W_OK)


def _doubts(book: Book, source: Source, found: Outputs) -> Iterator[tuple[int, str]]:
    """Yield line and words of what the author should know of the outputs: cut short, or with a path of this machine."""
    pairs = zip(source.cells, found["cells"], strict=True)
    texts = [(cell.line, output) for cell, shown in pairs for output in shown]
    for inline, text in zip(source.inlines, found["inlines"], strict=True):
        texts.append((inline.line, {"text": re.sub(r"\\([^A-Za-z0-9\s])", r"\1", text)}))
    for line, output in texts:
        if output.get("cut"):
            yield line, f"this cell shows more than a page can hold: {output['cut']}"
        if output.get("file", ".svg").endswith(".svg") and (path := outputs.machine_path(output["text"], book.root)):
            yield line, f"the page says where this is on your machine: {path}"


async def _run_chapter(source: Source, kernel: Kernel, tell: Progress, lenient: bool) -> Outputs:
    cells: list[tuple[Cell, list[Output]]] = []
    inlines: list[str] = []
    for chunk in source.chunks:
        if isinstance(chunk, Cell):
            tell("execute", source.file, f"cell {len(cells) + 1} of {len(source.cells)}")
            skipped = chunk.options.get("eval") is False
            run_cell = _run_what_can_be if lenient else _run_cell
            cells.append((chunk, [] if skipped else await run_cell(source, chunk, kernel)))
        elif found := chunk.inlines():
            inlines += await _run_inlines(source, found, kernel, lenient)
    # Not sooner: a later cell may update what an earlier one shows.
    kept = [_forms(source, cell, number, shown) for number, (cell, shown) in enumerate(cells, 1)]
    [said] = await kernel.evaluate(["__import__('press.execute.recorder').execute.recorder.of_kernel()"])
    record = json.loads(literal_eval(said["data"]["text/plain"]))
    return {"cells": kept, "inlines": inlines, "reads": record}


def _forms(source: Source, cell: Cell, number: int, shown: list[Output]) -> list[dict[str, str]]:
    name = cell.options.get("label") or f"cell-{number}"
    worth_showing = enumerate(outputs.without_names(outputs.joined(shown)), 1)
    return [outputs.best_form(output, f"{name}-{index}", source, cell) for index, output in worth_showing]


async def _run_cell(source: Source, cell: Cell, kernel: Kernel) -> list[Output]:
    try:
        return await kernel.run(cell.code, may_fail=cell.options.get("error") is True)
    except CellFailed as failure:
        line = cell.code_line + failure.line - 1 if failure.line else cell.line
        raise source.error(line, f"this cell fails: {failure.what}", failure.traceback) from None


async def _run_what_can_be(source: Source, cell: Cell, kernel: Kernel) -> list[Output]:
    """Run a cell, from the next statement on after one that fails; where the last fails, the page says so in its place."""
    ends = [(statement.end_lineno or 0) for statement in ast.parse(cell.code).body]
    lines = cell.code.split("\n")
    while True:
        try:
            return await kernel.run("\n".join(lines))
        except CellFailed as failure:
            end = next((end for end in ends if end >= failure.line), ends[-1])
            if end < ends[-1]:
                lines[:end] = [""] * end
                continue
            said = {"text/markdown": f"*Nothing to show here: {_escaped(failure.what)}*"}
            return [{"output_type": "display_data", "data": said, "metadata": {}}]


def _escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in string.punctuation else sign for sign in text)


async def _run_inlines(source: Source, inlines: list[Inline], kernel: Kernel, lenient: bool = False) -> list[str]:
    try:
        found = await kernel.evaluate([inline.code for inline in inlines])
    except CellFailed as failure:
        raise source.error(inlines[0].line, failure.what, failure.traceback) from None
    values = []
    for inline, value in zip(inlines, found, strict=True):
        if value.get("status") != "ok" and lenient:
            why = f"{value.get('ename')}: {value.get('evalue')}"
            values.append(f"[–]{{.missing title={json.dumps(why.replace(chr(92), ''), ensure_ascii=False)}}}")
            continue
        if value.get("status") != "ok":
            what = f"inline code `{inline.code}` fails: {value.get('ename')}: {value.get('evalue')}"
            raise source.error(inline.line, what, "inline code can use what the cells above it define")
        try:
            values.append(outputs.inline_markdown(value["data"], source, inline))
        except SourceError:
            if not lenient:
                raise
            values.append("[–]{.missing}")
    return values


def _environment(root: Path) -> dict[str, str]:
    """Return the variables of the project's _environment file that are not set already, as Quarto does."""
    file = root / "_environment"
    pairs = [line.partition("=") for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
    return {
        name.strip(): value.strip().strip("\"'")
        for name, equals, value in pairs
        if equals and not name.lstrip().startswith("#") and name.strip() not in os.environ
    }
