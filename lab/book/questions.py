"""A question's files and where else it stands: written by `lab new`, taken out by `lab remove`, named anew by `lab rename`."""

from __future__ import annotations

import ast
import keyword
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from lab.book.notebooks import write_notebooks
from lab.errors import LabError, NoResult, few, unknown
from lab.keys.experiments import source
from lab.results import store
from lab.results.registration import git_says

TEMPLATES = Path(__file__).with_name("templates")
PLACES = {
    "experiment.py": "experiments/{}.py",
    "figures.py": "figures/{}.py",
    "chapter.qmd": "book/{}.qmd",
    "test.py": "tests/test_{}.py",
    "independent.py": "tests/independent/{}.py",
}
PACKAGE = "experiments/{}/__init__.py"  # in place of the first, for a question with more code than one file should hold
RESULT = "results/{}"
NOTEBOOK = "notebooks/{}.ipynb"
REGISTERED = "experiments/{}.registered.json"  # of a package it lies within
BOOK = "_quarto.yml"
NOTATION = "book/notation.qmd"
TEXTS = {".py", ".qmd", ".md", ".yml", ".toml", ".txt", ".lua"}


def create(name: str, root: Path, part: str | None = None, package: bool = False) -> list[Path]:
    """Write the files, list the chapter at the end of its last `part` or of the one named, and its symbols in the notation.

    Returns what was written.  Raises LabError, with nothing written, for a name that will not do or is taken.
    """
    _check_name(name, root)
    listed = with_chapter((root / BOOK).read_text(encoding="utf-8"), f"book/{name}.qmd", part)
    written = []
    for template, place in PLACES.items():
        path = root / (PACKAGE if package and template == "experiment.py" else place).format(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(_filled(template, name))
        written.append(path)
    (root / BOOK).write_text(listed, encoding="utf-8")
    written.append(root / BOOK)
    if (root / NOTATION).is_file():
        with (root / NOTATION).open("a", encoding="utf-8") as file:
            file.write("\n" + _filled("notation.qmd", name))
        written.append(root / NOTATION)
    return written


def remove(names: Sequence[str], root: Path, force: bool = False) -> list[str]:
    """Delete questions: their files, their lines in _quarto.yml and their parts of the notation.

    Returns what was deleted or changed, relative to the root.  Raises LabError, with nothing changed, for what git does not
    have, unless with `force`.
    """
    gone = [path for name in names for path in _own(name, root)]
    changed: dict[str, str] = {}
    for name in names:
        book = changed.get(BOOK, (root / BOOK).read_text(encoding="utf-8"))
        changed[BOOK] = without_chapter(book, f"book/{name}.qmd")
        if (root / NOTATION).is_file():
            symbols = changed.get(NOTATION, (root / NOTATION).read_text(encoding="utf-8"))
            changed[NOTATION] = _without_section(symbols, name)
    if any((root / f"figures/{name}.py").is_file() and _in_readme(root / f"figures/{name}.py") for name in names):
        gone.append("figures/readme.svg")
        text = (root / "README.md").read_text(encoding="utf-8")
        changed["README.md"] = re.sub(r"!\[[^\]]*\]\(figures/readme\.svg\)\n\n?", "", text)
    _check_committed([*gone, *changed], root, force)
    for place in gone:
        shutil.rmtree(root / place) if (root / place).is_dir() else (root / place).unlink(missing_ok=True)
    for place, text in changed.items():
        (root / place).write_text(text, encoding="utf-8")
    return [*gone, *changed]


def rename(old: str, new: str, root: Path, force: bool = False) -> list[str]:
    """Name a question anew: its files, and every place that names it as a module, file, label or chapter.

    Its result moves with it.  Returns what was changed, relative to the root.  Raises LabError as `remove` does.
    """
    source(old, root)
    _check_name(new, root)
    texts = {path: path.read_text(encoding="utf-8") for path in _texts(root)}
    changed = {
        path: text for path, before in texts.items() if (text := renamed(before, path.suffix, old, new)) != before
    }
    own = _own(old, root)
    _check_committed([*own, *(path.relative_to(root).as_posix() for path in changed)], root, force)
    try:
        stored = store.read_result(root / RESULT.format(old), root)
    except NoResult:
        stored = None
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    for place in own:
        (root / place).rename(root / _place(place, old, new))
    if NOTEBOOK.format(old) in own:
        write_notebooks(root, [new])
    if stored:
        store.write_result(root / RESULT.format(new), root, replace(stored, experiment=new))
    return sorted({*(_place(place, old, new) for place in own), *(_moved(path, root, old, new) for path in changed)})


def renamed(text: str, suffix: str, old: str, new: str) -> str:
    """Return a file's text with the question under its new name, wherever it is meant and not merely a word."""
    label, fresh = (name.replace("_", "-") for name in (old, new))
    text = re.sub(rf"\b(experiments|figures|book|results|independent)([./]){old}\b(?!\()", rf"\1\2{new}", text)
    text = re.sub(rf"\b{old}(?=\.(qmd|html)\b)", new, text)
    text = re.sub(rf"\btest_{old}(?=\b(?!\())", f"test_{new}", text)
    text = re.sub(rf"\b((?:from|import) (?:experiments|figures) import ){old}\b", rf"\1{new}", text)
    text = re.sub(rf"\b(lab [a-z]+|chapter on) {old}\b", rf"\1 {new}", text)
    text = re.sub(
        rf"\b(sec-{label}(?![\w-])|(?:fig|tbl|eq|exr|claim)-{label}(?!\w))",
        lambda found: found[0].replace(label, fresh),
        text,
    )
    if suffix == ".toml":  # claims that the notes name, and pages with exceptions
        text = re.sub(rf'"{old}(?=[."])', f'"{new}', text)
    if suffix == ".py":
        return _with_variable(text, old, new)
    if suffix == ".qmd":
        text = re.sub(r"(?ms)(?<=^```\{python\}\n).*?(?=^```$)", lambda cell: _with_variable(cell[0], old, new), text)
        if re.search(rf"import {new}\b", text):
            inline = re.compile(r"(?<=`\{python\} )[^`]+(?=`)")
            text = inline.sub(lambda code: re.sub(rf"(?<![\w.]){old}(?=\.)", new, code[0]), text)
    return text


def mentions(name: str, root: Path) -> list[str]:
    """Return where the word still stands, as file:line: what `rename` took for prose, and `remove` leaves to its author."""
    word = re.compile(rf"(?<![\w-])(?:{name}|sec-{name.replace('_', '-')})(?![\w-])")
    found = []
    for path in _texts(root):
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [f"{path.relative_to(root)}:{n}" for n, line in enumerate(lines, 1) if word.search(line)]
    return found


def _with_variable(code: str, old: str, new: str) -> str:
    """Rename the variable that an import of the question made, in code that has just had its imports renamed, or uses it."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return code
    lines = code.splitlines(keepends=True)
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == old and old not in stored]
    for node in sorted(uses, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        line = lines[node.lineno - 1].encode()
        at = node.col_offset
        lines[node.lineno - 1] = (line[:at] + new.encode() + line[at + len(old.encode()) :]).decode()
    return "".join(lines)


def with_chapter(book: str, chapter: str, part: str | None = None) -> str:
    """Return _quarto.yml's text with one chapter more; comments and everything else stay as they are."""
    chapters = _chapters(book, chapter)
    parts = {_get(item, "part").value: _get(item, "chapters") for item in chapters.value if _get(item, "part")}
    if part is not None and part not in parts:
        raise unknown("part", part, parts)
    last = parts[part] if part is not None else list(parts.values())[-1] if parts else chapters
    if not isinstance(last, yaml.SequenceNode) or last.flow_style or not last.value:
        raise LabError(f"{BOOK}: write the chapters one a line, each after a dash, so that another can be added")
    lines = book.splitlines(keepends=True)
    lines[-1] = lines[-1].rstrip("\n") + "\n"
    lines.insert(last.value[-1].start_mark.line + 1, f"{' ' * last.start_mark.column}- {chapter}\n")
    return "".join(lines)


def without_chapter(book: str, chapter: str) -> str:
    """Return _quarto.yml's text without a chapter; and without its part, if that has no other."""
    lines = book.splitlines(keepends=True)
    chapters = _chapters(book, chapter)
    for item in chapters.value:
        inside = _get(item, "chapters")
        for entry in inside.value if inside else [item]:
            if getattr(entry, "value", None) != chapter:
                continue
            first, last = entry.start_mark.line, entry.start_mark.line
            if inside and len(inside.value) == 1:
                first = item.start_mark.line
            return "".join(lines[:first] + lines[last + 1 :])
    return book


def _chapters(book: str, chapter: str) -> yaml.SequenceNode:
    try:
        tree = yaml.compose(book, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise LabError(f"{BOOK} is not YAML: {error}") from None
    chapters = _get(_get(tree, "book"), "chapters")
    if not isinstance(chapters, yaml.SequenceNode):
        raise LabError(f"{BOOK} has no list book: chapters: to put {chapter} in")
    return chapters


def _get(node: Any, name: str) -> Any:
    """Return what a mapping of YAML holds under a name, None if it is not there."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == name:
                return value
    return None


def _without_section(text: str, name: str) -> str:
    """Return the notation without the part that says whose symbols it lists: this chapter's."""
    parts = re.split(r"(?m)^(?=##+ )", text)
    kept = [part for part in parts if not re.search(rf"@sec-{name.replace('_', '-')}(?![\w-])", part)]
    return "".join(kept).rstrip("\n") + "\n"


def _filled(template: str, name: str) -> str:
    text = (TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
    return text.replace("STEM", name).replace("LABEL", name.replace("_", "-"))


def _own(name: str, root: Path) -> list[str]:
    """Return the files and folders that are a question's alone, relative to the root."""
    path = source(name, root)
    first = path.parent if path.name == "__init__.py" else path
    places = [*[*PLACES.values()][1:], REGISTERED, RESULT, NOTEBOOK]
    others = [place.format(name) for place in places]
    return [first.relative_to(root).as_posix(), *(place for place in others if (root / place).exists())]


def _place(place: str, old: str, new: str) -> str:
    head, _, last = place.rpartition("/")
    return f"{head}/{last.replace(old, new)}"


def _moved(path: Path, root: Path, old: str, new: str) -> str:
    """Return where a file is after its question has a new name, relative to the root."""
    place = path.relative_to(root).as_posix()
    return re.sub(
        rf"^((?:experiments|figures|book|results)/|tests/test_|tests/independent/){old}(?=[/.])", rf"\g<1>{new}", place
    )


def _in_readme(figures: Path) -> bool:
    """Say whether the README shows a figure of this module."""
    return bool(re.search(r"^README\b", figures.read_text(encoding="utf-8"), re.M))


def _texts(root: Path) -> Iterator[Path]:
    """Yield the project's own text files."""
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root).parts
        if (
            path.suffix in TEXTS
            and path.is_file()
            and not any(part.startswith((".", "_book", "_own")) for part in inside[:-1])
        ):
            yield path


def _check_committed(places: Sequence[str], root: Path, force: bool) -> None:
    """Raise LabError if git does not have all that is about to be changed or deleted."""
    if force:
        return
    hint = "commit it first, or add --force"
    said = git_says(root, "status", "--porcelain", "--untracked-files=all", "--ignored", "--", *places)
    if said is None:
        raise LabError(f"the project is not in git, which could bring back what this changes\n{hint}")
    ours = [line[3:] for line in said.splitlines() if "__pycache__" not in line]
    if ours:
        raise LabError(f"git does not have {few(ours, 5)} as it is\n{hint}")


def _check_name(name: str, root: Path) -> None:
    if keyword.iskeyword(name):
        raise LabError(f"{name!r} will not do: it is a word of Python's own\nadd another word, as in {name}_again")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise LabError(f"{name!r} will not do: words in lower case, joined by underscores, as in two_words")
    places = (*PLACES.values(), "experiments/{}", "{}.qmd", REGISTERED, RESULT, NOTEBOOK)
    taken = [place.format(name) for place in places if (root / place.format(name)).exists()]
    # pytest wants test files of different names, wherever they lie
    taken += [path.relative_to(root).as_posix() for path in (root / "tests").glob(f"*/**/test_{name}.py")]
    if taken:
        raise LabError(f"{name} is taken: there is {', '.join(taken)}\nchoose another name, or remove what is there")
