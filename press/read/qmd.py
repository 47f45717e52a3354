"""A chapter as written: its cells, the text between them, and the inline code in the text, with their line numbers.

What needs a line number in an error is looked at here, line by line; what the text means is pandoc's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from press.errors import SourceError
from press.read.settings import CELL_OPTIONS, FRONT_MATTER, read_settings

# What a label's prefix stands for, as captions and references say it; those after "Section" are kinds of theorem.
KINDS = {
    "fig": "Figure",
    "tbl": "Table",
    "eq": "Equation",
    "sec": "Section",
    "thm": "Theorem",
    "lem": "Lemma",
    "cor": "Corollary",
    "prp": "Proposition",
    "cnj": "Conjecture",
    "def": "Definition",
    "exm": "Example",
    "exr": "Exercise",
}
_INLINE = re.compile(r"(^|[^`])`\{python\}[ \t]([^`]+)`", re.MULTILINE)  # as Quarto finds it, also in code
_FENCE = re.compile(r"^(?P<indent>\s*)(?P<marks>`{3,}|~{3,})\s*(?P<info>.*?)\s*$")
_DIV = re.compile(r"^\s*:{3,}\s*(?P<info>.*?)\s*:*\s*$")
_OTHER_INLINE = re.compile(r"(?:^|[^`])`\{(?!python\})(\w+)\}[ \t]")
_SHORTCODE = re.compile(r"(?<!\{)\{\{<\s*(/?[\w-]*)")
_OPTION = re.compile(r"#[ \t]*\| ?")  # formatters of Python put a space after the #; Quarto reads that, too
_HEADING = re.compile(r"^# +\S")


def prefix(label: str) -> str:
    """Return the kind of a label: "fig" for fig-x, "" if it is of no kind."""
    kind = label.partition("-")[0]
    return kind if "-" in label and kind in KINDS else ""


def read_text(root: Path, file: str | Path) -> str:
    """Return the text of a file of the book; raise SourceError, with the line, where it is not UTF-8."""
    content = (root / file).read_bytes()
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise SourceError(file, line, what, "save the file as UTF-8") from None


@dataclass(frozen=True)
class Cell:
    """A ```{python} cell."""

    line: int  # of its opening fence
    code: str  # without its options
    code_line: int  # of the first line of `code`
    options: dict[str, Any]  # as written, with the book's defaults for echo and warning


@dataclass(frozen=True)
class Inline:
    """A value computed in a sentence: `{python} expression`."""

    line: int
    code: str
    before: str  # the text between the last cell and it


@dataclass(frozen=True)
class Text:
    """What stands between two cells, as written."""

    line: int
    text: str

    def inlines(self) -> list[Inline]:
        """Return the inline code in it, in order."""
        found = [(match[2].strip(), self.text[: match.start(2)]) for match in _INLINE.finditer(self.text)]
        return [Inline(self.line + before.count("\n"), code, before) for code, before in found]

    def filled(self, values: list[str]) -> str:
        """Return the text with its inline code replaced by `values`, which are Markdown."""
        rest = iter(values)
        return _INLINE.sub(lambda match: match[1] + next(rest), self.text)


@dataclass
class Source:
    """A chapter as written."""

    file: str
    lines: list[str]
    front: dict[str, Any] = field(default_factory=dict)
    title_line: int = 0
    chunks: list[Text | Cell] = field(default_factory=list)
    note: str = ""  # Markdown to stand below the heading: what a variant says of itself

    @property
    def cells(self) -> list[Cell]:
        """The cells, in order."""
        return [chunk for chunk in self.chunks if isinstance(chunk, Cell)]

    @property
    def inlines(self) -> list[Inline]:
        """The inline code, in order."""
        return [inline for chunk in self.chunks if isinstance(chunk, Text) for inline in chunk.inlines()]

    @property
    def runs(self) -> bool:
        """Whether reading it takes a kernel."""
        return bool(self.cells or self.inlines)

    def code_run(self) -> list[str]:
        """Return all that is run, in order."""
        runs: list[str] = []
        for chunk in self.chunks:
            if isinstance(chunk, Cell):
                options = {"eval": True, "label": "", "error": False} | chunk.options
                runs.append(f"{[options[name] for name in ('eval', 'label', 'error')]}\n{chunk.code}")
            else:
                runs += [inline.code for inline in chunk.inlines()]
        return runs

    def line_of(self, needle: str, nth: int = 1) -> int:
        """Return the `nth` line that contains `needle` as a whole word, 0 if there is none."""
        word = re.compile(rf"{re.escape(needle)}(?![\w-])")
        found = [number for number, line in enumerate(self.lines, 1) if word.search(line)]
        return found[min(nth, len(found)) - 1] if found else 0

    def error(self, place: int | str, what: str, hint: str) -> SourceError:
        """Return an error in this chapter, at a line or where `place` is first written."""
        return SourceError(self.file, self.line_of(place) if isinstance(place, str) else place, what, hint)


def heading(text: str, file: str) -> str:
    """Return the line of a chapter's heading."""
    return (source := _begun(text, file)[0]).lines[source.title_line - 1]


def parse(text: str, file: str, defaults: dict[str, Any] | None = None) -> Source:
    """Read a chapter; `defaults` are the book's `execute` settings."""
    source, start = _begun(text.removesuffix("\n"), file)
    own = source.front.get("execute") or {}
    _scan(source, start, {"echo": True, "warning": True} | (defaults or {}) | own)
    labels: dict[str, int] = {}
    for cell in source.cells:
        if (label := cell.options.get("label")) in labels:
            raise source.error(cell.line, f"two cells are labelled {label}", f"the other is on line {labels[label]}")
        labels |= {label: cell.line} if label else {}
    if source.inlines and not source.cells and not {"engine", "jupyter"} & set(source.front):
        hint = "begin the file with:\n---\nengine: jupyter\n---"
        raise source.error(source.inlines[0].line, "inline code on a page without cells", hint)
    return source


def _begun(text: str, file: str) -> tuple[Source, int]:
    """Return a chapter of which front matter and heading have been read, and the index of the line after the front matter."""
    source = Source(file, text.split("\n"))
    lines, start = source.lines, 0
    if lines[0].rstrip() == "---":
        end = next((index for index, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")), None)
        if end is None:
            raise source.error(1, "the front matter is not closed", "end it with a line of three dashes")
        source.front = read_settings("\n".join(lines[1:end]), file, FRONT_MATTER, first_line=2).values
        start = end + 1
        if "title" in source.front:  # the heading, in the place of the line that ends the front matter
            lines[end] = f"# {' '.join(str(source.front['title']).split())}"
            start = end
    index = next((index for index, _, _ in _pieces(lines, start) if _HEADING.match(lines[index])), None)
    if index is None:
        raise source.error(1, "there is no chapter heading", "begin with a line like: # The question {#sec-name}")
    source.title_line = index + 1
    return source, start


def _pieces(lines: list[str], start: int) -> Iterator[tuple[int, int | None, re.Match[str] | None]]:
    """Yield first and last line of each code block, and its fence; each other line is a piece of its own.

    Lines are given by their indices; the last is None for a block that is not closed.
    """
    index = start
    while index < len(lines):
        end: int | None = index
        if fence := _FENCE.match(lines[index]):
            closing = re.compile(rf"\s*{fence['marks']}{fence['marks'][0]}*\s*")
            end = next((later for later in range(index + 1, len(lines)) if closing.fullmatch(lines[later])), None)
        yield index, end, fence
        index = (len(lines) if end is None else end) + 1


def _scan(source: Source, start: int, defaults: dict[str, Any]) -> None:
    """Cut the text into cells and what stands between them, checking fences and what else pandoc would read as words."""
    lines, begin = source.lines, start
    divs: list[int] = []  # lines of the open divs
    previous = ""  # the last line, "" where a div may begin
    for index, end, fence in _pieces(lines, start):
        line, number = lines[index], index + 1
        if fence:
            if end is None:
                raise source.error(number, "this code block is not closed", f"end it with {fence['marks']}")
            if _is_cell(fence["info"], source, number):
                if fence["indent"]:
                    raise source.error(number, "a cell inside a list or indented", "begin it at the line's start")
                source.chunks += [Text(begin + 1, _join(lines[begin:index])), _parse_cell(source, index, end, defaults)]
                begin = end + 1
            previous = ""
            continue
        if shortcode := _SHORTCODE.search(line):
            hint = "press has no shortcodes; write what it would insert, or compute it in a cell"
            raise source.error(number, f"unknown shortcode {{{{< {shortcode[1]} >}}}}", hint)
        if line.rstrip() == "---" and not previous and "".join(lines[number : number + 1]).strip():
            hint = "front matter stands at the top; a rule has a blank line after it"
            raise source.error(number, "settings in the middle of a page", hint)
        if other := _OTHER_INLINE.search(line):
            raise source.error(number, f"inline code in {other[1]}", "press runs {python} only")
        if div := _DIV.match(line):
            if line.startswith(("    ", "\t")):
                hint = (
                    "to show it, write the code between ``` lines; to open or close a div, begin it at the line's start"
                )
                raise source.error(number, "an indented :::", hint)
            if div["info"]:
                if previous:
                    raise source.error(number, "a div right after a line of text", "put a blank line before it")
                divs.append(number)
            elif divs:
                divs.pop()
            else:
                raise source.error(number, "a closing ::: without an open div", "remove it, or open the div")
        previous = "" if div or line.startswith("#") else line.strip()
    if divs:
        raise source.error(divs[-1], "this div is not closed", "end it with a line of colons: :::")
    source.chunks.append(Text(begin + 1, _join(lines[begin:])))


def _is_cell(info: str, source: Source, line: int) -> bool:
    """Say whether a code fence opens a cell; refuse cells in other languages, and raw text other than HTML."""
    if info.startswith("{{"):
        raise source.error(line, f"unknown kind of cell: {info}", "to show a cell, put it in a ```` block")
    if raw := re.match(r"\{=(\w+)\}$", info):
        if raw[1] != "html":
            raise source.error(line, f"raw {raw[1]}", "raw text is only supported as {=html}, shown in HTML alone")
    elif (cell := re.match(r"\{([A-Za-z]\w*)(.*)\}$", info)) and info != "{python}":
        hint = "write ```{python} alone, and options as #| lines" if cell[1] == "python" else "press runs {python} only"
        raise source.error(line, f"unknown kind of cell: {info}", hint)
    elif re.search(r"\.cell|lst-|filename=|code-line-numbers|\.numberLines", info):
        raise source.error(line, f"unknown code attributes: {info}", "press knows the language alone: ```python")
    return info == "{python}"


def _join(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _parse_cell(source: Source, start: int, end: int, defaults: dict[str, Any]) -> Cell:
    body = source.lines[start + 1 : end]
    count = next((index for index, line in enumerate(body) if not _OPTION.match(line)), len(body))
    text = "\n".join(_OPTION.sub("", line) for line in body[:count])
    settings = read_settings(text, source.file, CELL_OPTIONS, first_line=start + 2)
    options = settings.values
    label = str(options.get("label", ""))
    kind, captions = prefix(label), [name for name in ("fig-cap", "tbl-cap") if name in options]
    if captions and (len(captions) > 1 or f"{kind}-cap" != captions[0] or options.get("output", True) is not True):
        hint = f"write #| label: {captions[0][:3]}-name beside it, one caption a cell, and let output be"
        raise settings.error(captions[0], f"{captions[0]} without a label of its kind", hint)
    if kind and not captions:
        hint = "give it a caption, #| fig-cap: ..., or label the div around the cell: ::: {#fig-name}, with the caption as its last paragraph"
        raise settings.error("label", f"a cell cannot be labelled {label}", hint)
    chosen = {name: defaults[name] for name in ("echo", "warning")} | options
    return Cell(start + 1, "\n".join(body[count:]), start + 2 + count, chosen)
