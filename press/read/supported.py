"""What press supports in a chapter, all of it; anything else is refused with file and line, never guessed at."""

from __future__ import annotations

import re
from typing import Any

from press.errors import SourceError
from press.read.settings import FLAG, TEXT, check_settings
from press.read.yaml_lines import Lines

CELL_OPTIONS: dict[str, str | set[Any]] = {
    "label": TEXT,
    "eval": FLAG,
    "echo": FLAG,
    "include": FLAG,
    "output": {True, False, "asis"},
    "warning": FLAG,
    "code-fold": {True, False, "show"},
    "code-summary": TEXT,
    "fig-alt": TEXT,
    "fig-cap": TEXT,
    "tbl-cap": TEXT,
    "error": FLAG,
}


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
CALLOUTS = ("note", "tip", "important", "warning", "caution")
# Classes that mean something to Quarto which press cannot do. Other classes are for the theme's style sheet.
_REFUSED = re.compile(
    r"(panel|column|layout|content|quarto|aside|incremental|notes?|proof|remark|solution|hidden|landscape|fragment"
    r"|cell|output|caption|title|figure|table|theorem|equation|xref|cite|file|g-col|grid|lightbox|embed)(-.*)?$"
)
_REFUSED_PREFIXES = ("lst", "alg", "nte", "tip", "wrn", "imp", "cau", "sol", "rem", "vid", "dia", "supp")


def prefix(label: str) -> str:
    """Return the kind of a label: "fig" for fig-x, "" if it is of no kind."""
    kind = label.partition("-")[0]
    return kind if "-" in label and kind in KINDS else ""


def is_cell(info: str, file: str, line: int) -> bool:
    """Say whether a code fence opens a cell; refuse cells in other languages, and raw text other than HTML."""
    if info == "{python}":
        return True
    if info.startswith("{{"):
        raise SourceError(file, line, f"unknown kind of cell: {info}", "to show a cell, put it in a ```` block")
    if raw := re.match(r"\{=(\w+)\}$", info):
        if raw[1] != "html":
            raise SourceError(file, line, f"raw {raw[1]}", "raw text is only supported as {=html}, shown in HTML alone")
    elif cell := re.match(r"\{([A-Za-z]\w*)(.*)\}$", info):
        hint = "write ```{python} alone, and options as #| lines" if cell[1] == "python" else "press runs {python} only"
        raise SourceError(file, line, f"unknown kind of cell: {info}", hint)
    elif re.search(r"\.cell|lst-|filename=|code-line-numbers|\.numberLines", info):
        raise SourceError(file, line, f"unknown code attributes: {info}", "press knows the language alone: ```python")
    return False


def check_line(line: str, file: str, number: int) -> None:
    """Refuse what is not part of Markdown: shortcodes."""
    if shortcode := re.search(r"(?<!\{)\{\{<\s*(/?[\w-]*)", line):
        hint = "press has no shortcodes; write what it would insert, or compute it in a cell"
        raise SourceError(file, number, f"unknown shortcode {{{{< {shortcode[1]} >}}}}", hint)


def check_div(ident: str, classes: list[str], attributes: dict[str, str], file: str, line: int) -> None:
    """Refuse a div that press cannot show as Quarto does."""
    kind, _, rest = ident.partition("-")
    known: set[str] = set()
    if (rest and kind in _REFUSED_PREFIXES) or (ident and prefix(ident) in ("sec", "eq")):
        hint = f"divs may be labelled {', '.join(f'#{name}-' for name in KINDS if name not in ('sec', 'eq'))}"
        raise SourceError(file, line, f"a div cannot be labelled #{ident}", hint)
    if prefix(ident) and "_" in ident:
        raise SourceError(file, line, f"underscore in the label {ident}", "labels use hyphens")
    for name in classes:
        if name.startswith("callout-"):
            if name.removeprefix("callout-") not in CALLOUTS:
                hint = f"there are: {', '.join(f'.callout-{kind}' for kind in CALLOUTS)}"
                raise SourceError(file, line, f"unknown callout .{name}", hint)
            known = {"title", "collapse"}
            if attributes.get("collapse", "true") not in ("true", "false"):
                raise SourceError(file, line, f"collapse is {attributes['collapse']!r}", 'write "true" or "false"')
        elif _REFUSED.match(name):
            hint = "supported are figures, tables, theorems, callouts, and plain classes for the style sheet"
            raise SourceError(file, line, f"unknown kind of div .{name}", hint)
    for name in attributes:
        if name not in known:
            hint = f"known here: {', '.join(sorted(known))}" if known else "this div takes none"
            if name == "fig-alt":  # in HTML, Quarto does not hand it on to the picture
                hint = "write it into the cell as #| fig-alt: ..., or after the picture: ![](file){fig-alt=...}"
            raise SourceError(file, line, f"unknown attribute {name}", hint)


def check_cell(options: dict[str, Any], lines: Lines, file: str) -> None:
    """Refuse options of a cell that press does not know, or values that it cannot honour."""
    if name := next((name for name in options.keys() - CELL_OPTIONS if name.startswith(("fig-", "tbl-"))), None):
        hint = "put the cell in a div: ::: {#fig-name}, with the caption as its last paragraph"
        raise SourceError(file, lines[(name,)], f"unknown cell option {name}", hint)
    check_settings(options, lines, CELL_OPTIONS, file)
    label = str(options.get("label", "none"))
    if not re.fullmatch(r"[\w-]+", label):
        raise SourceError(file, lines[("label",)], f"the label {label!r}", "labels are letters and hyphens")
    kind, captions = prefix(label), [name for name in ("fig-cap", "tbl-cap") if name in options]
    if captions and (len(captions) > 1 or f"{kind}-cap" != captions[0] or options.get("output", True) is not True):
        hint = f"write #| label: {captions[0][:3]}-name beside it, one caption a cell, and let output be"
        raise SourceError(file, lines[(captions[0],)], f"{captions[0]} without a label of its kind", hint)
    if kind and not captions:
        hint = "give it a caption, #| fig-cap: ..., or label the div around the cell: ::: {#fig-name}, with the caption as its last paragraph"
        raise SourceError(file, lines[("label",)], f"a cell cannot be labelled {label}", hint)
