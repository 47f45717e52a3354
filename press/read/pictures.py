"""Pictures that the site and the PDF can both show; of any other it says why, before a browser or Typst fails without a word."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

_BEGINS = {"png": rb"\x89PNG\r\n", "jpg": rb"\xff\xd8\xff", "gif": rb"GIF8", "webp": rb"RIFF....WEBP"}
KNOWN = ("svg", *_BEGINS)


def unfit(file: Path) -> tuple[str, str] | None:
    """Return what is wrong with a picture and what to do; None if nothing is."""
    kind = file.suffix.lower().removeprefix(".").replace("jpeg", "jpg")
    if kind not in KNOWN:
        return f"browsers or Typst show no {kind or 'such'} picture", f"save it as {', '.join(KNOWN)}"
    content = file.read_bytes()
    found = next((name for name, begin in _BEGINS.items() if re.match(begin, content, re.DOTALL)), "")
    if kind != "svg":
        if found == kind:
            return None
        return (
            f"it is {f'a {found}' if found else 'no picture'}, not the {kind} that its name says",
            "rename it, or save it again",
        )
    try:
        if not ElementTree.fromstring(content).tag.endswith("svg"):
            raise ElementTree.ParseError("its first element is not svg")
    except ElementTree.ParseError as error:
        return f"it is no SVG ({error})", "save it again"
    if re.search(rb"<(\w+:)?foreignObject\b", content):
        return (
            "it holds HTML (a foreignObject), which a PDF cannot show",
            "save it with its text as paths or text elements",
        )
    return None
