"""Characters that no font of the PDF has: Typst sets a crossed box for them, and says nothing."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import typst

from press.files import cached_json
from press.pdf.markup import literal

_NOBODYS = "\U0010fffd"  # private use, in no font: what its box looks like, every other one does
_PAGE = '#set page(width: 20pt, height: 20pt, margin: 2pt)\n#set text(font: "Libertinus Serif")\n'


def missing(texts: Iterable[str], fonts: Sequence[Path], root: Path) -> list[str]:
    """Return the characters of these texts that Typst's own fonts and those in the folders `fonts` do not have.

    Arabic counts as missing without a font of its own: Typst's has its letters, but unjoined.
    """
    signs = {sign for sign in set().union(*texts) if ord(sign) > 0x17F and unicodedata.category(sign)[0] in "LNSP"}
    unjoined = {sign for sign in signs if unicodedata.bidirectional(sign) == "AL" and not fonts}
    wanted = sorted(signs - unjoined)
    files = [file for folder in fonts for file in sorted((root / folder).rglob("*")) if file.is_file()]
    made_of = [version("typst"), "".join(wanted), json.dumps([[str(f), f.stat().st_mtime_ns] for f in files])]

    def make() -> list[str]:
        pages = [f"#{literal(sign)}" for sign in (_NOBODYS, *wanted)]
        text = (_PAGE + "\n#pagebreak()\n".join(pages)).encode()
        places: Any = [root / folder for folder in fonts]
        svg: Any = typst.compile(text, format="svg", ignore_system_fonts=True, font_paths=places)
        box, *shown = svg  # a list, one for each page
        return [sign for sign, page in zip(wanted, shown, strict=True) if page == box]

    found: list[str] = cached_json(root / ".press/letters", made_of, make) if wanted else []
    return sorted({*found, *unjoined})
