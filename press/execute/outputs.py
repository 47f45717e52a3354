"""What a cell or an inline value shows: choosing among the forms Jupyter offers, as Quarto does, and keeping it."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

from press.errors import SourceError
from press.execute.kernel import plain
from press.read.qmd import Cell, Inline, Source

_IMAGES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()>#+,\-.!])")
_WARNING_PLACE = re.compile(r"^\S*ipykernel_\d+/\d+\.py:\d+: ", re.MULTILINE)


def file_name(label: str) -> str:
    """Return a file's name for the outputs of a cell."""
    return re.sub(r"[^\w-]+", "-", label)


def shown(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop the results that stand beside a figure and only name it: `<Axes: >`, `[<matplotlib...>]`, `Text(0.5, ...)`."""
    image = any(_IMAGES.keys() & message.get("data", {}).keys() for message in messages)

    def discarded(message: dict[str, Any]) -> bool:
        text = message.get("data", {}).get("text/plain", "").strip()
        if message["output_type"] != "execute_result" or set(message["data"]) != {"text/plain"}:
            return False
        if image and "\n" not in text:
            return bool(re.match(r"[<(\[].*[>)\]]$|Text\([-\d]", text))
        return text.startswith(("[<matplotlib", "<matplotlib")) or (image and "<matplotlib." in text)

    return [message for message in messages if not discarded(message)]


def keep(message: dict[str, Any], home: Path, name: str, source: Source, cell: Cell) -> dict[str, str]:
    """Return an output as it is kept: its stream ("stdout", "stderr", "display"), kind, and text or file in `home`."""
    if message["output_type"] == "stream":
        text = plain(message["text"])
        if message["name"] == "stderr":
            text = _WARNING_PLACE.sub("", text)  # it names the kernel's process, another one each time
        return {"stream": message["name"], "kind": "text/plain", "text": text}
    data = message["data"]
    html = data.get("text/html", "")
    if re.search(r"<table", html, re.IGNORECASE):
        return {"stream": "display", "kind": "text/html", "text": html}
    if markdown := _markdown(data):
        return {"stream": "display", "kind": "text/markdown", "text": markdown}
    for kind, suffix in _IMAGES.items():
        if kind in data:
            file = f"{name}.{suffix}"
            content = data[kind].encode() if suffix == "svg" else base64.b64decode(data[kind])
            (home / file).write_bytes(content)
            return {"stream": "display", "kind": kind, "file": file}
    if html or "text/plain" not in data:
        what = f"this cell shows {'HTML' if html else ', '.join(data)}, which only one of the formats could print"
        raise SourceError(source.file, cell.line, what, "return a Figure, a DataFrame, or IPython.display.Markdown")
    return {"stream": "display", "kind": "text/plain", "text": plain(data["text/plain"])}


def _markdown(data: dict[str, Any]) -> str:
    latex = data.get("text/latex", "").strip()
    if "text/markdown" not in data and re.match(r"(?s)\$.*\$$|\\begin\{.*\\end\{", latex):
        return str(latex)
    return str(data.get("text/markdown", ""))


def inline(data: dict[str, Any], source: Source, code: Inline) -> str:
    """Return the Markdown of an inline value: text without its quotes, Markdown as it is, else what repr says."""
    if "text/markdown" in data:
        text = str(data["text/markdown"])
    elif "text/html" in data or not data.get("text/plain"):
        what = f"inline code `{code.code}` gives a {'table' if 'text/html' in data else 'picture'}, not a text"
        raise SourceError(source.file, code.line, what, "show it with a cell")
    else:
        text = str(data["text/plain"])
        if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
            text = _SPECIAL.sub(r"\\\1", text[1:-1].replace("\\", "\\\\"))
    if not text:
        hint = "Quarto would print the code instead; give it a value, or leave it out"
        raise SourceError(source.file, code.line, f"inline code `{code.code}` gives an empty text", hint)
    return text
