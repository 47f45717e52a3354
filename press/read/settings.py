"""What press honours of the settings of a book, of a page and of a cell. Any other is refused, with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple

from press.errors import SourceError

FILE = "_quarto.yml"


class Kind(NamedTuple):
    """What a setting may be."""

    words: str  # as errors say it
    holds: Callable[[Any], bool]


def one_of(*options: Any) -> Kind:
    """Return the kind of a setting that may be one of these."""
    words = " or ".join(str(option).lower() if isinstance(option, bool) else str(option) for option in options)
    return Kind(words, lambda value: any(value == o and type(value) is type(o) for o in options))


def _like(pattern: str, words: str) -> Kind:
    return Kind(words, lambda value: TEXT.holds(value) and re.fullmatch(pattern, str(value)) is not None)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


TEXT = Kind("a text", lambda value: isinstance(value, str | int | float) and not isinstance(value, bool))
TEXTS = Kind("a text or a list of texts", lambda value: all(isinstance(item, str) for item in _listed(value)))
LUA = Kind(
    "a list of filters in Lua, which pandoc runs itself",
    lambda value: all(str(item).endswith(".lua") for item in _listed(value)),
)
FLAG = one_of(True, False)
WHOLE = Kind("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool))
ANY = Kind("anything", lambda value: True)
LABEL = _like(r"[\w-]+", "letters and hyphens")
DAY = _like(
    r"(?s)(?!\s*(today|now|last-modified)\s*$).*",
    "the day, such as 2026-01-31: the same sources make the same book on any day",
)
ACTIONS = Kind("edit, source, issue", lambda value: all(o in ("edit", "source", "issue") for o in _listed(value)))
NAME = _like(r"(?=.*\S)[^/.][^/]*", "a name without /")
ENGLISH = _like(
    r"en(-[A-Z]{2})?",
    "en, en-GB, en-US ...: the words that press adds (Figure, Chapter) are English; for other languages render with Quarto",
)

_OF_A_PAGE = {
    "engine": one_of("jupyter"),
    "jupyter": one_of("python3"),
    "execute.echo": FLAG,
    "execute.warning": FLAG,
}
_OF_A_FORMAT = {
    "toc": one_of(True),
    "number-sections": one_of(True),
    "fig-format": one_of("svg"),
}
SETTINGS = {
    "project.type": one_of("book"),
    "project.output-dir": TEXT,
    "project.execute-dir": one_of("project"),
    "project.pre-render": TEXTS,
    "project.resources": TEXTS,
    "quarto-required": TEXT,
    "lang": ENGLISH,
    "book.title": TEXT,
    "book.subtitle": TEXT,
    "book.author": TEXTS,
    "book.date": DAY,
    "book.description": TEXT,
    "book.output-file": NAME,
    "book.chapters": ANY,  # checked by project
    "book.appendices": ANY,
    "book.favicon": TEXT,
    "book.search": one_of(True),
    "book.downloads": TEXTS,
    "book.reader-mode": one_of(False),
    "book.page-footer": TEXT,
    "book.repo-url": TEXT,
    "book.repo-branch": TEXT,
    "book.repo-actions": ACTIONS,
    "book.issue-url": TEXT,
    "book.site-url": TEXT,
    "book.open-graph": FLAG,
    "book.twitter-card": FLAG,
    "bibliography": TEXTS,
    "csl": TEXT,
    "filters": LUA,
    "crossref.chapters": one_of(True),
    **_OF_A_PAGE,
    "execute.freeze": one_of("auto", True, False),  # press goes by keys instead
    "execute.cache": one_of(False),
    "execute.daemon": one_of(False),
    **_OF_A_FORMAT,
    **{f"format.{name}.{option}": kind for name in ("html", "typst") for option, kind in _OF_A_FORMAT.items()},
    "format.html.theme": ANY,  # press has one look, light and dark
    "format.html.respect-user-color-scheme": one_of(True),
    "format.html.css": TEXTS,
    "format.html.html-math-method": one_of("mathml"),
    "format.html.code-copy": one_of(True, "hover"),
    "format.html.code-fold": one_of(False),
    "format.html.crossrefs-hover": one_of(True),
    "format.html.citations-hover": FLAG,
    "format.html.link-external-newwindow": one_of(False),
    "format.typst.citeproc": one_of(True),
    "format.typst.font-paths": TEXTS,
    "format.typst.papersize": one_of("a4", "a5", "us-letter"),
    "format.typst.toc-depth": WHOLE,
    "format.typst.keep-typ": one_of(False),
    "format.typst.include-in-header": ANY,  # for Quarto's template; press has its own
    "format.typst.include-before-body": ANY,
}
FRONT_MATTER = {"title": TEXT, **_OF_A_PAGE}
CELL_OPTIONS = {
    "label": LABEL,
    "eval": FLAG,
    "echo": FLAG,
    "include": FLAG,
    "output": one_of(True, False, "asis"),
    "warning": FLAG,
    "code-fold": one_of(True, False, "show"),
    "code-summary": TEXT,
    "fig-alt": TEXT,
    "fig-cap": TEXT,
    "tbl-cap": TEXT,
    "error": FLAG,
}


@dataclass
class Settings:
    """What a piece of YAML says, and on which line; names are "book.title" and, in a list, "book.chapters.0"."""

    file: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a setting."""
        value: Any = self.values
        for part in name.split("."):
            value = value[int(part)] if isinstance(value, list) else (value or {}).get(part)
        return default if value is None else value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts that a setting lists, or the one that it is."""
        return tuple(map(str, _listed(self.get(name, []))))

    def error(self, name: str, what: str, hint: str) -> SourceError:
        """Return an error on the line of a setting, or of what it would stand below."""
        while name not in self.lines:
            name = name.rpartition(".")[0]
        return SourceError(self.file, self.lines[name], what, hint)


def read_settings(text: str, file: str, known: Mapping[str, Kind], first_line: int = 1) -> Settings:
    """Read YAML that begins on `first_line`; refuse what is broken, not `known`, or not to be honoured."""
    import yaml

    settings = Settings(file, {}, {"": first_line})
    loader = yaml.CSafeLoader(text) if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader(text)
    seen: set[int] = set()

    def line_of(mark: Any) -> int:  # its own would count signs that end a line in YAML and in no editor
        return first_line + text.count("\n", 0, mark.index)

    def build(node: Any, name: str) -> Any:
        settings.lines.setdefault(name, line_of(node.start_mark))
        if id(node) in seen:
            raise settings.error(name, "an alias (*name) in YAML", "press has none; write out what it stands for")
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            return [build(item, f"{name}.{index}") for index, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            values: dict[str, Any] = {}
            for key, value in node.value:
                line = line_of(key.start_mark)
                if not isinstance(key, yaml.ScalarNode):
                    what = "broken YAML: a name that is a list or has settings"
                    raise SourceError(file, line, what, "write name: value")
                inner = f"{name}.{key.value}".removeprefix(".")
                if key.value in values:
                    raise SourceError(
                        file, line, f"{key.value} is given twice", f"first on line {settings.lines[inner]}"
                    )
                settings.lines[inner] = line
                values[key.value] = build(value, inner)
            return values
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value  # a date stays as it was written
        try:
            return loader.construct_object(node, deep=True)
        except (ValueError, KeyError):  # `!!int x`: PyYAML lets these through
            what = f"broken YAML: {node.value[:40]} is not a value of the kind {node.tag.rpartition(':')[2]}"
            raise settings.error(name, what, "put it in quotes to make it a text") from None

    try:
        node = loader.get_single_node()
        values = {} if node is None else build(node, "") or {}
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        told = [getattr(error, "context", None), getattr(error, "problem", None)]
        what = ", ".join(part for part in told if part) or str(error).partition("\n")[0]
        line = line_of(mark) if mark else first_line
        raise SourceError(file, line, f"broken YAML: {what}", "check indentation, colons and quotes") from None
    finally:
        loader.dispose()
    if not isinstance(values, dict):
        raise settings.error("", "there are no settings in it", "write name: value")
    settings.values = values
    _check(settings, values, known)
    return settings


def _check(settings: Settings, values: dict[str, Any], known: Mapping[str, Kind], above: str = "") -> None:
    for key, value in values.items():
        name = f"{above}{key}"
        if any(other.startswith(f"{name}.") for other in known):
            if not isinstance(value, dict | None):
                raise settings.error(name, f"{name} should hold settings, not {value!r}", "indent them below it")
            _check(settings, value or {}, known, f"{name}.")
        elif name not in known:
            near = get_close_matches(name, known, 3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"press knows: {', '.join(sorted(known))}"
            raise settings.error(name, f"unknown setting {name}", hint)
        elif not known[name].holds(value):
            raise settings.error(name, f"press cannot honour {name}: {value}", f"it should be {known[name].words}")
