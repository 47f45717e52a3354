"""A chapter as pandoc sees it: its text with the outputs of its cells put in, read into a syntax tree.

The tree is kept in .press/documents/ under a hash of everything it was made of, so that pandoc reads only what changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from press import pandoc, pandoc_ast
from press.book import Book, Node
from press.execute.chapters import Outputs, figures
from press.files import cached_json, code_hash
from press.read.qmd import Cell, Source, Text, read_text
from press.resolve import quarto_ast

NO_IDENT = "press-no-ident"  # id of a chapter heading that was written without one
_MISSING = re.compile(r"citation (\S+) not found")
_NOTES = re.compile(r"(?:Duplicate note reference '([^']+)'|Note with key '([^']+)'.*?not used)", re.DOTALL)
_ATTRIBUTES = re.compile(r"""\{((?:\s*(?:[#.][^\s}]+|-|[\w-]+=(?:"[^"]*"|'[^']*'|[^\s}]+)))+)\s*\}\s*$""")


def read_blocks(book: Book, source: Source, outputs: Outputs) -> list[Node]:
    """Return the chapter's blocks, its heading first."""
    text = markdown(book, source, outputs)
    made_of = [text, code_hash(), book.lang, str(book.csl), source.file]
    made_of += [read_text(book.root, file) for file in book.references_made_of]
    folder = book.root / ".press/documents" / Path(source.file).with_suffix("")
    blocks: list[Node] = cached_json(folder, made_of, lambda: _read_markdown(book, source, text))
    return blocks


def _read_markdown(book: Book, source: Source, text: str) -> list[Node]:
    filters = [option for name in ("description", "refs") for option in ("-L", str(pandoc.HOME / f"{name}.lua"))]
    options = [*filters, *pandoc.citeproc(book), "-M", "link-citations=true", "-M", f"lang={book.lang}"]
    blocks, meta, log = pandoc.read(text, book, source.file, *options)
    for twice, unused in _NOTES.findall(log):
        what = f"the footnote [^{unused or twice}] is {'not used' if unused else 'given twice'}"
        raise source.error(f"[^{unused or twice}]:", what, "give each footnote one text, and a mark in the page")
    for key in _MISSING.findall(log):
        hint = f"add it to {' or '.join(map(str, book.bibliography))}, or correct the key"
        if address := re.search(rf"\S+://\S*@{re.escape(key)}\S*", "\n".join(source.lines)):
            hint = f"the @ stands in an address: write <{address[0]}>"
        raise source.error(f"@{key}", f"there is no {key} in the bibliography", hint)
    if blocks and pandoc_ast.triple(blocks[-1])[0] == "refs" and not source.line_of("#refs"):
        blocks.pop()  # citeproc's list of what this chapter cites; the book has one list, on a page of its own
    shaped = quarto_ast.shape(blocks, source, book)
    title = next((block for block in shaped if block["t"] == "Header"), None)
    if title is not None:
        pandoc_ast.put(title, "description", meta.get("description-meta", {"c": ""})["c"])
    return shaped


def markdown(book: Book, source: Source, outputs: Outputs) -> str:
    """Return the chapter as plain Markdown: cells replaced by their outputs, inline code by its values."""
    cells, values = iter(outputs["cells"]), iter(outputs["inlines"])
    parts = []
    for chunk in source.chunks:
        if isinstance(chunk, Cell):
            parts.append(_cell_markdown(chunk, next(cells), source, figures(book, source.file)))
        else:
            text = Text(chunk.line, _with_heading(chunk, source))
            parts.append(text.filled([next(values) for _ in chunk.inlines()]))
    return "\n".join(parts)


def _with_heading(chunk: Text, source: Source) -> str:
    """Give the chapter's heading an id, and put a variant's note below it."""
    lines = chunk.text.split("\n")
    if 0 <= (index := source.title_line - chunk.line) < len(lines):
        line = lines[index]
        attributes = _ATTRIBUTES.search(line)
        bare, own = (line[: attributes.start()], attributes[1].strip()) if attributes else (line, "")
        if not re.search(r"(^|\s)#", own):
            own = f"#{NO_IDENT} {'.unnumbered' if own == '-' else own}"
        lines[index] = f"{bare.rstrip()} {{{own.strip()}}}" + (f"\n\n{source.note}\n" if source.note else "")
    return "\n".join(lines)


def put_references(documents: Mapping[str, list[Node]], book: Book) -> None:
    """Fill the refs div with the references that the documents cite."""
    place = _place(list(documents.values()))
    cites = [node for blocks in documents.values() for node in pandoc_ast.every(blocks) if node["t"] == "Cite"]
    keys = list(dict.fromkeys(cite["citationId"] for node in cites for cite in node["c"][0]))
    if place is None:
        return
    place["c"] = [pandoc_ast.attr("refs"), []]
    if keys and book.bibliography:
        made_of = [*keys, code_hash(), *(read_text(book.root, file) for file in book.references_made_of)]
        place["c"] = cached_json(book.root / ".press/references", made_of, lambda: _references(keys, book))


def _references(keys: list[str], book: Book) -> Any:
    text = f"---\nnocite: |\n  {', '.join(f'@{key}' for key in keys)}\n---\n"
    blocks, _, _ = pandoc.read(text, book, str(book.bibliography[0]), *pandoc.citeproc(book))
    return blocks[0]["c"]


def _place(blocks: list[Any]) -> Node | None:
    """Return the div that the list of references stands in."""
    return next((node for node in pandoc_ast.every(blocks) if pandoc_ast.triple(node)[0] == "refs"), None)


def _cell_markdown(cell: Cell, outputs: list[dict[str, str]], source: Source, home: Path) -> str:
    options = cell.options
    if options.get("include") is False:
        return ""
    asis, alt = options.get("output") == "asis", str(options.get("fig-alt", ""))
    caption = options.get("fig-cap", options.get("tbl-cap"))
    parts: list[str] = []
    captioned: list[str] = []
    if options["echo"]:
        parts.append(_fenced(cell.code.strip("\n"), ".python .cell-code"))
    for output in outputs if options.get("output") is not False else []:
        if output["stream"] == "stderr" and not options["warning"]:
            continue
        text = _output_markdown(output, home, asis and output["stream"] == "stdout", alt)
        text = text if asis else f"::: {{.output .output-{output['stream']}}}\n{text}\n:::"
        (captioned if caption is not None and output["stream"] == "display" else parts).append(text)
    if caption is not None:
        if len(captioned) != 1:
            hint = "let the cell show one figure or table, and others in cells of their own"
            raise source.error(cell.line, f"one caption, and {len(captioned)} outputs to stand over it", hint)
        parts.append(f"::: {{#{options['label']}}}\n{captioned[0]}\n\n{str(caption).strip()}\n:::")
    if not parts or asis:
        return "\n\n".join(parts)
    label = f"#{options['label']} " if "label" in options and caption is None else ""
    fold = options.get("code-fold") if options["echo"] else False
    folded = f" fold={str(fold).lower()} summary={_quoted(str(options.get('code-summary', 'Code')))}" if fold else ""
    return f"::: {{{label}.cell{folded}}}\n" + "\n\n".join(parts) + "\n:::"


def _output_markdown(output: dict[str, str], home: Path, asis: bool, alt: str) -> str:
    if "file" in output:
        image = f"![](/{(home / output['file']).as_posix()})" + (f"{{fig-alt={_quoted(alt)}}}" if alt else "")
        if "inline" not in output:
            return image
        named = output["inline"].replace('role="img"', f'role="img" aria-label="{escape(alt)}"', 1)
        return f"::: {{.{quarto_ast.FILE}}}\n{image}\n:::\n\n{_fenced(named, '=html')}"
    if asis or output["kind"] == "text/markdown":
        return output["text"]
    if output["kind"] == "text/html":
        return _fenced(output["text"], "=html")
    return _fenced(output["text"].rstrip("\n"), "")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _fenced(text: str, info: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    opening = f" {{{info}}}" if info else ""
    return f"{marks}{opening}\n{text}\n{marks}"
