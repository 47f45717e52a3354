"""A chapter as written: its cells, the text between them, and the inline code in the text, with their line numbers.

Whatever needs a line number in an error is looked at here, line by line; what the text means is pandoc's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from press.errors import SourceError
from press.read import settings, supported, yaml_lines

_INLINE = re.compile(r"(^|[^`])`\{python\}[ \t]([^`]+)`", re.MULTILINE)  # as Quarto finds it, also in code
_FENCE = re.compile(r"^(?P<indent>\s*)(?P<marks>`{3,}|~{3,})\s*(?P<info>.*?)\s*$")
_DIV = re.compile(r"^\s*:{3,}\s*(?P<info>.*?)\s*:*\s*$")
_OTHER_INLINE = re.compile(r"(?:^|[^`])`\{(?!python\})(\w+)\}[ \t]")
_ATTRIBUTE = re.compile(
    r"""\s*(?:\#(?P<id>[^\s}]+)|\.(?P<class>[^\s}]+)|(?P<key>[\w-]+)=(?P<value>"[^"]*"|'[^']*'|\S+))"""
)
_OPTION = re.compile(r"#[ \t]*\| ?")  # formatters of Python put a space after the #; Quarto reads that, too
_HEADING = re.compile(r"^# +\S")


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


def title_line(text: str, file: str) -> tuple[int, str]:
    """Return line number and text of the chapter's heading."""
    source = Source(file, text.split("\n"))
    index = _front_matter(source)
    while index < len(source.lines):
        if fence := _FENCE.match(source.lines[index]):
            index = _closing(source.lines, index, fence["marks"]) or len(source.lines)
        elif _HEADING.match(source.lines[index]):
            return index + 1, source.lines[index]
        index += 1
    raise SourceError(file, 1, "there is no chapter heading", "begin with a line like: # The question {#sec-name}")


def parse(text: str, file: str, defaults: dict[str, Any] | None = None) -> Source:
    """Read a chapter; `defaults` are the book's `execute` settings."""
    source = Source(file, text.removesuffix("\n").split("\n"))
    start = _front_matter(source)
    own = (source.front.get("execute") or {}) if source.front else {}
    _scan(source, start, {"echo": True, "warning": True} | (defaults or {}) | own)
    source.title_line = title_line(text, file)[0]
    labels: dict[str, int] = {}
    for cell in source.cells:
        if (label := cell.options.get("label")) in labels:
            raise source.error(cell.line, f"two cells are labelled {label}", f"the other is on line {labels[label]}")
        labels |= {label: cell.line} if label else {}
    if source.inlines and not source.cells and not {"engine", "jupyter"} & set(source.front):
        hint = "begin the file with:\n---\nengine: jupyter\n---"
        raise SourceError(file, source.inlines[0].line, "inline code on a page without cells", hint)
    return source


def _front_matter(source: Source) -> int:
    """Read the front matter into `source` and return the index of the line after it."""
    lines = source.lines
    if not lines or lines[0].rstrip() != "---":
        return 0
    end = next((index for index, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")), None)
    if end is None:
        raise source.error(1, "the front matter is not closed", "end it with a line of three dashes")
    front, marks = yaml_lines.load_yaml("\n".join(lines[1:end]), source.file, first_line=2)
    if front is not None and not isinstance(front, dict):
        raise source.error(2, "the front matter holds no settings", "write name: value lines")
    settings.check_settings(front or {}, marks, settings.FRONT_MATTER, source.file)
    source.front = front or {}
    if "title" in source.front:  # the heading, in the place of the line that ends the front matter
        lines[end] = f"# {' '.join(str(source.front['title']).split())}"
        return end
    return end + 1


def _scan(source: Source, start: int, defaults: dict[str, Any]) -> None:
    """Cut the text into cells and what stands between them, checking fences on the way."""
    file, lines = source.file, source.lines
    begin = index = start
    divs: list[int] = []  # lines of the open divs
    previous = ""  # the last line, "" where a div may begin
    while index < len(lines):
        line, number = lines[index], index + 1
        if fence := _FENCE.match(line):
            end = _closing(lines, index, fence["marks"])
            if end is None:
                raise SourceError(file, number, "this code block is not closed", f"end it with {fence['marks']}")
            if supported.is_cell(fence["info"], file, number):
                if fence["indent"]:
                    raise SourceError(file, number, "a cell inside a list or indented", "begin it at the line's start")
                source.chunks += [Text(begin + 1, _join(lines[begin:index])), _parse_cell(source, index, end, defaults)]
                begin = end + 1
            index, previous = end + 1, ""
            continue
        supported.check_line(line, file, number)
        if line.rstrip() == "---" and not previous and "".join(lines[number : number + 1]).strip():
            hint = "front matter stands at the top; a rule has a blank line after it"
            raise SourceError(file, number, "settings in the middle of a page", hint)
        if other := _OTHER_INLINE.search(line):
            raise SourceError(file, number, f"inline code in {other[1]}", "press runs {python} only")
        if div := _DIV.match(line):
            if line.startswith(("    ", "\t")):
                hint = (
                    "to show it, write the code between ``` lines; to open or close a div, begin it at the line's start"
                )
                raise SourceError(file, number, "an indented :::", hint)
            if div["info"]:
                if previous:
                    raise SourceError(file, number, "a div right after a line of text", "put a blank line before it")
                ident, classes, rest = _attributes(div["info"], file, number)
                supported.check_div(ident, classes, rest, file, number)
                divs.append(number)
            elif divs:
                divs.pop()
            else:
                raise SourceError(file, number, "a closing ::: without an open div", "remove it, or open the div")
        previous = "" if div or line.startswith("#") else line.strip()
        index += 1
    if divs:
        raise SourceError(file, divs[-1], "this div is not closed", "end it with a line of colons: :::")
    source.chunks.append(Text(begin + 1, _join(lines[begin:])))


def _join(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _closing(lines: list[str], start: int, marks: str) -> int | None:
    for index in range(start + 1, len(lines)):
        text = lines[index].strip()
        if text.startswith(marks) and not text.strip(marks[0]):
            return index
    return None


def _attributes(info: str, file: str, line: int) -> tuple[str, list[str], dict[str, str]]:
    """Return id, classes and the rest of `{#id .class key="value"}`, or of a bare class."""
    if not info.startswith("{"):
        return "", [info], {}
    ident, classes, rest, at = "", [], {}, 1
    body = info.rstrip().removesuffix("}")
    while match := _ATTRIBUTE.match(body, at):
        if match["id"]:
            ident = match["id"]
        elif match["class"]:
            classes.append(match["class"])
        else:
            value = match["value"]
            rest[match["key"]] = value[1:-1] if value[0] in "\"'" else value
        at = match.end()
    if body[at:].strip() or not info.endswith("}"):
        raise SourceError(file, line, f"cannot read these attributes: {info}", 'write them as {#id .class key="value"}')
    return ident, classes, rest


def _parse_cell(source: Source, start: int, end: int, defaults: dict[str, Any]) -> Cell:
    body = source.lines[start + 1 : end]
    count = next((index for index, line in enumerate(body) if not _OPTION.match(line)), len(body))
    text = "\n".join(_OPTION.sub("", line) for line in body[:count])
    options, marks = yaml_lines.load_yaml(text, source.file, first_line=start + 2)
    if options is not None and not isinstance(options, dict):
        raise source.error(start + 2, "these cell options hold no name: value lines", "write #| name: value")
    supported.check_cell(options or {}, marks, source.file)
    chosen = {name: defaults[name] for name in ("echo", "warning")} | (options or {})
    return Cell(start + 1, "\n".join(body[count:]), start + 2 + count, chosen)
