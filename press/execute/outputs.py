"""What a cell or an inline value shows: choosing among the forms Jupyter offers, as Quarto does."""

from __future__ import annotations

import base64
import re
import tempfile
from pathlib import Path
from typing import Any

from press.read.qmd import Cell, Inline, Source

Output = dict[str, Any]  # as notebooks keep it: {"output_type": "stream", "name": "stdout", "text": ...}

LINES, LAST, WIDE, ROWS = 5_000, 200, 20_000, 2_000  # of text, of those at its end; characters of one; of a table
_IMAGES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()>#+,\-.!])")
_NUMPY = re.compile(r"\bnp\.(\w+\(|(True|False)_)")  # the name of a type, in the repr of a value or of a list of them
_WARNING_PLACE = re.compile(r"^\S*ipykernel_\d+/\d+\.py:\d+: ", re.MULTILINE)
# Colours, moves of the cursor; window titles and links up to their end; other escapes.
_ESCAPE = re.compile(r"(?s)\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\Z)|\x1b[ -/]*[0-~]?")
# Lines that were left again for the one above, and what was erased before it was written anew.
_UNDONE = re.compile(r"(?:\n[^\n]*)?\x1b\[1?A|[^\n]*(?:\r\x1b\[0?K|\x1b\[2K)")
# Controls other than tab and line feed, the override that turns a line round, and what no file in UTF-8 can hold.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff\ufffe\uffff]")


def as_shown(text: str) -> str:
    """Return text as a terminal leaves it on the screen: progress bars, which write over themselves, in their last state."""
    text = _ESCAPE.sub("", _UNDONE.sub("", text.replace("\r\n", "\n")))
    if "\r" in text or "\b" in text:
        text = "\n".join(map(_overwritten, text.split("\n")))
    return without_controls(text)


def _overwritten(line: str) -> str:
    shown = ""
    for written in line.split("\r"):
        while written != (written := re.sub("[^\b]\b|^\b+", "", written)):
            pass
        shown = written + shown[len(written) :]
    return shown.rstrip(" ")


def without_controls(text: str) -> str:
    """Return text without control characters, but for tabs and ends of lines."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n"))


def joined(outputs: list[Output]) -> list[Output]:
    """Return outputs with what a stream says in several pieces in one."""
    whole: list[Output] = []
    for output in outputs:
        if output["output_type"] == "stream" and whole and whole[-1].get("name") == output["name"]:
            whole[-1] = whole[-1] | {"text": whole[-1]["text"] + output["text"]}
        else:
            whole.append(output)
    return whole


def without_names(outputs: list[Output]) -> list[Output]:
    """Drop the results that stand beside a figure and only name it: `<Axes: >`, `[<matplotlib...>]`, `Text(0.5, ...)`."""
    image = any(_IMAGES.keys() & output.get("data", {}).keys() for output in outputs)

    def discarded(output: Output) -> bool:
        text = output.get("data", {}).get("text/plain", "").strip()
        if output["output_type"] != "execute_result" or set(output["data"]) != {"text/plain"}:
            return False
        if image and "\n" not in text:
            return bool(re.match(r"[<(\[].*[>)\]]$|Text\([-\d]", text))
        return text.startswith(("[<matplotlib", "<matplotlib")) or (image and "<matplotlib." in text)

    return [output for output in outputs if not discarded(output)]


def best_form(output: Output, name: str, source: Source, cell: Cell) -> dict[str, str]:
    """Return an output as it is kept: its stream ("stdout", "stderr", "display"), kind and text; `file` if it is a picture.

    The text of a picture is SVG, or any other format in base64 (`picture` reads both).  `inline` is what HTML shows in its place.
    """
    if output["output_type"] == "stream":
        text = as_shown(output["text"])
        if output["name"] == "stderr":
            text = _WARNING_PLACE.sub("", text)  # it names the kernel's process, another one each time
        return {"stream": output["name"], "kind": "text/plain"} | _cut(text)
    if output["output_type"] == "error":  # in a cell that may fail
        return {"stream": "error", "kind": "text/plain", "text": as_shown("\n".join(output["traceback"]))}
    data = output["data"]
    html = data.get("text/html", "")
    if re.search(r"<table", html, re.IGNORECASE):
        if (rows := len(re.findall(r"<tr\b", html, re.IGNORECASE))) > ROWS:
            what = f"this cell shows a table of {rows} rows; a page can hold {ROWS}"
            raise source.error(cell.line, what, "show its head, a summary or a figure, and link to the table's file")
        return _display("text/html", html)
    if markdown := _markdown_form(data):
        return _display("text/markdown", markdown)
    for kind, suffix in _IMAGES.items():
        if kind in data:
            inline = {"inline": without_controls(html)} if "<svg" in html else {}
            return _display(kind, data[kind]) | {"file": f"{name}.{suffix}"} | inline
    if html or "text/plain" not in data:
        what = f"this cell shows {'HTML' if html else ', '.join(data)}, which only one of the formats could print"
        raise source.error(cell.line, what, "return a Figure, a DataFrame, or IPython.display.Markdown")
    return {"stream": "display", "kind": "text/plain"} | _cut(as_shown(data["text/plain"]))


def _display(kind: str, text: str) -> dict[str, str]:
    return {"stream": "display", "kind": kind, "text": without_controls(text)}


def _cut(text: str) -> dict[str, str]:
    """Return a text as it is kept: without its middle where it is longer than a page can hold, and `cut` says by what."""
    lines, said = text.split("\n"), ""
    if any(len(line) > WIDE for line in lines):
        said = f"lines of more than {WIDE} characters are cut"
        lines = [line if len(line) <= WIDE else f"{line[:WIDE]} [... {len(line) - WIDE} more ...]" for line in lines]
    if len(lines) > LINES:
        said = f"{len(lines) - LINES} lines are left out"
        lines = [*lines[: LINES - LAST], f"[... {said} ...]", *lines[-LAST:]]
    return {"text": "\n".join(lines)} | ({"cut": said} if said else {})


def machine_path(text: str, root: Path) -> str:
    """Return the path of this machine that a text names first: the project's, the home's, a temporary file's; or ""."""
    places = [str(place) for place in (root, Path.home(), Path(tempfile.gettempdir())) if len(place.parts) > 1]
    ends = r"(?![\w-])[^\s\"'<>:,;)\]]*"
    found = re.search(rf"(?<![\w./~-])(?:{'|'.join(map(re.escape, places))}){ends}", text)
    return found[0] if found else ""


def picture(output: dict[str, str]) -> bytes:
    """Return the content of a picture's file."""
    return output["text"].encode() if output["file"].endswith(".svg") else base64.b64decode(output["text"])


def _markdown_form(data: dict[str, Any]) -> str:
    latex = data.get("text/latex", "").strip()
    if "text/markdown" not in data and re.match(r"(?s)\$.*\$$|\\begin\{.*\\end\{", latex):
        return str(latex)
    return str(data.get("text/markdown", ""))


def inline_markdown(data: dict[str, Any], source: Source, code: Inline) -> str:
    """Return the Markdown of an inline value: text without its quotes, Markdown as it is, else what repr says."""
    if "text/markdown" in data:
        text = str(data["text/markdown"])
    elif "text/html" in data or not data.get("text/plain"):
        what = f"inline code `{code.code}` gives a {'table' if 'text/html' in data else 'picture'}, not a text"
        raise source.error(code.line, what, "show it with a cell")
    else:
        text = str(data["text/plain"])
        if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
            text = _SPECIAL.sub(r"\\\1", text[1:-1].replace("\\", "\\\\"))
        elif numpy := _NUMPY.search(text):
            hint = "make it a plain number with float(...) or int(...), or format it in an f-string"
            raise source.error(code.line, f"inline code `{code.code}` prints {numpy[0]}...", hint)
    text = without_controls(text)
    if not text:
        hint = "Quarto would print the code instead; give it a value, or leave it out"
        raise source.error(code.line, f"inline code `{code.code}` gives an empty text", hint)
    return text
