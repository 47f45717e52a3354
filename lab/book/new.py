"""`lab new`: a new question, as experiment, figures, chapter and test that run at once and are there to be replaced."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError, unknown

TEMPLATES = Path(__file__).with_name("templates")
PLACES = {
    "experiment.py": "experiments/{}.py",
    "figures.py": "figures/{}.py",
    "chapter.qmd": "book/{}.qmd",
    "test.py": "tests/test_{}.py",
}
BOOK = "_quarto.yml"


def create(name: str, root: Path, part: str | None = None) -> list[Path]:
    """Write the four files and list the chapter in _quarto.yml, at the end of its last `part` or of the one named.

    Returns what was written.  Raises LabError, with nothing written, for a name that will not do or is taken.
    """
    _check(name, root)
    book = (root / BOOK).read_text(encoding="utf-8")
    listed = with_chapter(book, f"book/{name}.qmd", part)
    written = []
    for template, place in PLACES.items():
        text = (TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
        path = root / place.format(name)
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text.replace("STEM", name).replace("LABEL", name.replace("_", "-")))
        written.append(path)
    (root / BOOK).write_text(listed, encoding="utf-8")
    return [*written, root / BOOK]


def with_chapter(book: str, chapter: str, part: str | None = None) -> str:
    """Return the text of _quarto.yml with one more chapter; every other character stays."""
    try:
        tree = yaml.compose(book, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise LabError(f"{BOOK} is not YAML: {error}") from None
    chapters = _get(_get(tree, "book"), "chapters")
    if not isinstance(chapters, yaml.SequenceNode):
        raise LabError(f"{BOOK} has no list book: chapters: to put {chapter} in")
    parts = {_get(item, "part").value: _get(item, "chapters") for item in chapters.value if _get(item, "part")}
    if part is not None and part not in parts:
        raise unknown("part", part, parts)
    last = parts[part] if part is not None else list(parts.values())[-1] if parts else chapters
    if not isinstance(last, yaml.SequenceNode) or last.flow_style or not last.value:
        raise LabError(f"{BOOK}: write the chapters one a line, each after a dash, so that another can be added")
    end = last.value[-1]
    lines = book.splitlines(keepends=True)
    lines[-1] = lines[-1].rstrip("\n") + "\n"
    lines.insert(end.start_mark.line + 1, f"{' ' * last.start_mark.column}- {chapter}\n")
    return "".join(lines)


def _check(name: str, root: Path) -> None:
    if keyword.iskeyword(name):
        raise LabError(f"{name!r} will not do: it is a word of Python's own\nadd another word, as in {name}_again")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise LabError(f"{name!r} will not do: words in lower case, joined by underscores, as in dead_neurons")
    taken = [place.format(name) for place in (*PLACES.values(), "{}.qmd") if (root / place.format(name)).exists()]
    taken += [f"results/{name}"] * (root / "results" / name).exists()
    # pytest wants test files of different names, wherever they lie
    taken += [path.relative_to(root).as_posix() for path in (root / "tests").glob(f"*/**/test_{name}.py")]
    if taken:
        raise LabError(f"{name} is taken: there is {', '.join(taken)}\nchoose another name, or remove what is there")


def _get(node: Any, name: str) -> Any:
    """Return what a mapping of YAML holds under a name, None if it is not there."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == name:
                return value
    return None
