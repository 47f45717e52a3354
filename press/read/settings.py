"""The settings of the book and of a page that press honours, and the values it can honour them with. Any other is refused."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from press.errors import SourceError
from press.read.yaml_lines import Lines

FILE = "_quarto.yml"
TEXT, FLAG, WHOLE, TEXTS, ANY = "text", "true or false", "a whole number", "a text or a list of texts", "anything"

# What a setting may be: one of the kinds above, or the set of values that press can honour.
SETTINGS: dict[str, str | set[Any]] = {
    "project.type": {"book"},
    "project.output-dir": TEXT,
    "project.execute-dir": {"project"},
    "project.pre-render": TEXTS,
    "project.resources": TEXTS,
    "quarto-required": TEXT,
    "lang": TEXT,
    "book.title": TEXT,
    "book.subtitle": TEXT,
    "book.author": TEXTS,
    "book.date": TEXT,
    "book.description": TEXT,
    "book.output-file": TEXT,
    "book.chapters": ANY,  # checked by project
    "book.appendices": ANY,
    "book.favicon": TEXT,
    "book.search": {True},
    "book.downloads": TEXTS,
    "book.reader-mode": {False},
    "book.page-footer": TEXT,
    "book.repo-url": TEXT,
    "book.repo-branch": TEXT,
    "book.repo-actions": TEXTS,  # edit, source, issue
    "book.issue-url": TEXT,
    "book.site-url": TEXT,
    "book.open-graph": FLAG,
    "book.twitter-card": FLAG,
    "bibliography": TEXTS,
    "csl": TEXT,
    "filters": TEXTS,  # in Lua, which pandoc runs itself
    "number-sections": {True},
    "toc": {True},
    "engine": {"jupyter"},
    "jupyter": {"python3"},
    "crossref.chapters": {True},
    "execute.echo": FLAG,
    "execute.warning": FLAG,
    "execute.freeze": {"auto", True, False},  # press goes by keys instead
    "execute.cache": {False},
    "execute.daemon": {False},
    "format.html.theme": ANY,  # press has one look, light and dark
    "format.html.respect-user-color-scheme": {True},
    "format.html.css": TEXTS,
    "format.html.html-math-method": {"mathml"},
    "format.html.fig-format": {"svg"},
    "format.html.toc": {True},
    "format.html.number-sections": {True},
    "format.html.code-copy": {True, "hover"},
    "format.html.code-fold": {False},
    "format.html.crossrefs-hover": {True},
    "format.html.citations-hover": FLAG,
    "format.html.link-external-newwindow": {False},
    "format.typst.citeproc": {True},
    "format.typst.fig-format": {"svg"},
    "format.typst.font-paths": TEXTS,
    "format.typst.papersize": {"a4", "a5", "us-letter"},
    "format.typst.toc": {True},
    "format.typst.toc-depth": WHOLE,
    "format.typst.number-sections": {True},
    "format.typst.keep-typ": {False},
    "format.typst.include-in-header": ANY,  # for Quarto's template; press has its own
    "format.typst.include-before-body": ANY,
}
# What a page may say in its own front matter.
FRONT_MATTER: dict[str, str | set[Any]] = {
    "title": TEXT,
    "engine": {"jupyter"},
    "jupyter": {"python3"},
    "execute.echo": FLAG,
    "execute.warning": FLAG,
}
_KINDS: dict[str, Any] = {
    TEXT: lambda value: isinstance(value, str | int | float) and not isinstance(value, bool),
    FLAG: lambda value: isinstance(value, bool),
    WHOLE: lambda value: isinstance(value, int) and not isinstance(value, bool),
    TEXTS: lambda value: isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value)),
    ANY: lambda value: True,
}


def check_settings(
    value: dict[str, Any], lines: Lines, known: dict[str, str | set[Any]] = SETTINGS, file: str = FILE
) -> None:
    """Refuse the first setting that is not in `known`, or whose value press cannot honour."""
    sections = {name.rsplit(".", depth)[0] for name in known for depth in range(1, name.count(".") + 1)}

    def walk(part: dict[str, Any], path: tuple[str, ...]) -> None:
        for key, item in part.items():
            here = (*path, key)
            name, line = ".".join(here), lines[here]
            if name in sections:
                if item is not None and not isinstance(item, dict):
                    raise SourceError(file, line, f"{name} should hold settings, not {item!r}", "indent them below it")
                walk(item or {}, here)
            elif name not in known:
                near = get_close_matches(name, list(known), 3)
                hint = f"did you mean {' or '.join(near)}?" if near else f"press knows: {', '.join(sorted(known))}"
                raise SourceError(file, line, f"unknown setting {name}", hint)
            else:
                _check_value(name, item, known[name], file, line)

    walk(value, ())


def _check_value(name: str, value: Any, wanted: str | set[Any], file: str, line: int) -> None:
    if isinstance(wanted, str):
        if not _KINDS[wanted](value):
            raise SourceError(file, line, f"{name} is {value!r}", f"it should be {wanted}")
    elif not any(value == option and type(value) is type(option) for option in wanted):
        options = " or ".join(
            sorted(str(option).lower() if option in (True, False) else str(option) for option in wanted)
        )
        raise SourceError(file, line, f"press cannot honour {name}: {value!r}", f"it can: {options}")
