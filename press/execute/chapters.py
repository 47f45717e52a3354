"""Chapters' cells and inline code, run in real Jupyter kernels: one per chapter, several chapters side by side.

Outputs are kept in .press/cells/<chapter>/<key>/ as outputs.json and figure files; the same key never runs twice.  Both are
sealed by a hash: outputs that were damaged since are made again, not printed.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from press.book import Book
from press.errors import SourceError
from press.execute import forked_kernels, outputs
from press.execute.kernel import DEFAULTS, FIGURES, CellFailed, Kernel
from press.read.qmd import Cell, Inline, Source

Progress = Callable[[str, str, str], None]  # event, chapter, detail
Outputs = dict[str, Any]  # {"cells": [[output, ...], ...], "inlines": [markdown, ...]}


def folder(book: Book, file: str, key: str | None) -> Path:
    """Return where the outputs of a chapter are kept under a key, relative to the root."""
    return Path(".press/cells") / Path(file).with_suffix("") / (key or "unkeyed")


def latest(book: Book, source: Source) -> str | None:
    """Return the key of the chapter's newest outputs that fit its cells and inline code, None if there are none."""
    home = book.root / folder(book, source.file, None).parent
    newest = sorted(home.glob("*/outputs.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    return next((file.parent.name for file in newest if _kept(file.parent, source)), None)


def _kept(home: Path, source: Source) -> Outputs | None:
    """Return the outputs kept in a folder, None where there are none, or damaged ones, or those of other cells."""
    try:
        outputs: Outputs = json.loads((home / "outputs.json").read_text(encoding="utf-8"))
        if outputs.pop("seal") != _seal(outputs, home):
            return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    cells = sum(isinstance(chunk, Cell) for chunk in source.chunks)
    inlines = sum(len(chunk.inlines()) for chunk in source.chunks if not isinstance(chunk, Cell))
    return outputs if (len(outputs["cells"]), len(outputs["inlines"])) == (cells, inlines) else None


def _seal(outputs: Outputs, home: Path) -> str:
    """Return the hash of a chapter's outputs and of the figures that they name."""
    state = sha256(json.dumps([outputs["cells"], outputs["inlines"]]).encode())
    for file in [output["file"] for cell in outputs["cells"] for output in cell if "file" in output]:
        state.update(file.encode() + b"\0" + sha256((home / file).read_bytes()).digest())
    return state.hexdigest()


def _renamed(book: Book, source: Source, key: str, home: Path) -> Outputs | None:
    """Take over the outputs that a chapter of another name, and of the same cells, has under this key."""
    for other in sorted((book.root / ".press/cells").glob(f"**/{key}/outputs.json")):
        if kept := _kept(other.parent, source):
            shutil.copytree(other.parent, home, dirs_exist_ok=True)
            return kept
    return None


def run(
    book: Book,
    sources: Mapping[str, Source],
    keys: Mapping[str, str | None],
    progress: Progress,
    ready: Callable[[str, Outputs], None],
) -> None:
    """Hand the outputs of every chapter to `ready`, executing those that have none under their key (or have no key)."""
    waiting = []
    for file, source in sources.items():
        key = keys[file]
        home = book.root / folder(book, file, key)
        if not source.runs:
            ready(file, {"cells": [], "inlines": []})
        elif key is not None and (kept := _kept(home, source) or _renamed(book, source, key, home)):
            os.utime(home / "outputs.json")
            ready(file, kept)
        else:
            waiting.append((source, key))
    if waiting:
        waiting.sort(key=lambda chapter: len(chapter[0].chunks), reverse=True)  # the longest must not begin last
        asyncio.run(_run_side_by_side(book, waiting, progress, ready))


async def _run_side_by_side(
    book: Book,
    waiting: list[tuple[Source, str | None]],
    progress: Progress,
    ready: Callable[[str, Outputs], None],
) -> None:
    environment = DEFAULTS | os.environ | _environment(book.root) | FIGURES
    cores = os.cpu_count() or 1
    places = asyncio.Semaphore(cores)
    worthwhile = forked_kernels.AVAILABLE and len(waiting) > 2 * cores
    nursery = forked_kernels.Nursery(book.root, environment) if worthwhile else None

    async def one(source: Source, key: str | None) -> None:
        async with places:
            progress("execute", source.file, "starting")
            try:
                async with Kernel(book.root, environment, nursery) as kernel:
                    ready(source.file, await _run_chapter(book, source, key, kernel, progress))
            except CellFailed as failure:  # outside a cell: the kernel itself
                raise SourceError(source.file, 0, failure.what, failure.traceback) from None

    tasks = [asyncio.create_task(one(source, key)) for source, key in waiting]
    try:
        await asyncio.gather(*tasks)
    except BaseException:  # also ctrl-C: no kernel goes on running
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    finally:
        if nursery is not None:
            nursery.close()


async def _run_chapter(book: Book, source: Source, key: str | None, kernel: Kernel, progress: Progress) -> Outputs:
    home = book.root / folder(book, source.file, key)
    aside = home.with_name(f"{home.name}.{os.getpid()}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        result: Outputs = {"cells": [], "inlines": []}
        cells = sum(isinstance(chunk, Cell) for chunk in source.chunks)
        for chunk in source.chunks:
            if isinstance(chunk, Cell):
                number = len(result["cells"]) + 1
                progress("execute", source.file, f"cell {number} of {cells}")
                messages = [] if chunk.options.get("eval") is False else await _run_cell(source, chunk, kernel)
                name = outputs.file_name(chunk.options.get("label") or f"cell-{number}")
                shown = enumerate(outputs.shown(messages), 1)
                result["cells"].append(
                    [outputs.keep(message, aside, f"{name}-{index}", source, chunk) for index, message in shown]
                )
            elif inlines := chunk.inlines():
                result["inlines"] += await _run_inlines(source, inlines, kernel)
        sealed = json.dumps(result | {"seal": _seal(result, aside)}, ensure_ascii=False, indent=1)
        (aside / "outputs.json").write_text(sealed, encoding="utf-8")
        shutil.rmtree(home, ignore_errors=True)
        aside.rename(home)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    for old in sorted(home.parent.glob("*/outputs.json"), key=lambda file: file.stat().st_mtime)[:-5]:
        shutil.rmtree(old.parent)
    progress("executed", source.file, "")
    return result


async def _run_cell(source: Source, cell: Cell, kernel: Kernel) -> list[dict[str, Any]]:
    try:
        return await kernel.execute(cell.code)
    except CellFailed as failure:
        line = cell.code_line + failure.line - 1 if failure.line else cell.line
        raise SourceError(source.file, line, f"this cell fails: {failure.what}", failure.traceback) from None


async def _run_inlines(source: Source, inlines: list[Inline], kernel: Kernel) -> list[str]:
    values = []
    for inline, value in zip(inlines, await kernel.evaluate([inline.code for inline in inlines]), strict=True):
        if value.get("status") != "ok":
            what = f"inline code `{inline.code}` fails: {value.get('ename')}: {value.get('evalue')}"
            raise SourceError(source.file, inline.line, what, "inline code can use what the cells above it define")
        values.append(outputs.inline(value["data"], source, inline))
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
