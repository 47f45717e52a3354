"""A question's files and where else it stands, and a book of one's own to put questions in.

`lab new` writes a question from templates, `lab remove` takes it out, `lab rename` names it anew, and `lab init` writes a book.
"""

from __future__ import annotations

import ast
import keyword
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lab.book.notebooks import write_notebooks
from lab.book.verdicts import BOOK, chapters_of
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
NOTATION = "book/notation.qmd"
TEXTS = {".py", ".qmd", ".md", ".yml", ".toml", ".txt", ".lua"}

# Where a question's name stands for the question and is no mere word.
_NAMED = (
    r"\b(?:experiments|figures|book|results|notebooks|independent)[./]|\btest_"
    r"|\bfrom (?:experiments|figures) import |\b(?:lab [a-z]+|chapter on) "
)
_CODE = {  # the code in a file, by its ending
    ".py": r"(?s).+",
    ".qmd": r"(?ms)(?<=^```\{python\}\n).*?(?=^```$)|(?<=`\{python\} )[^`]+",
}

# How the pages and figures of a book of one's own look, and its filters: from the project that the lab comes with.
SOURCE = Path(__file__).resolve().parents[2]
COPIED = (
    "experiments/__init__.py",
    *(f"figures/{name}" for name in ("__init__.py", "style.py", "inline.py", "phone.py", "fonts")),
    *(f"book/theme/{name}" for name in ("book.css", "live.js", "fonts")),
    *(f"book/theme/{name}.lua" for name in ("together", "reading_time", "alt", "quarto")),
    *(f"press/{name}.lua" for name in ("links", "description", "numpy")),  # in a book they lie in its theme
)
EXAMPLE = "coin_flips"


def create(name: str, root: Path, part: str | None = None, package: bool = False) -> list[Path]:
    """Write the files, list the chapter at the end of its last `part` or of the one named, and its symbols in the notation.

    Returns what was written.  Raises LabError, with nothing written, for a name that will not do or is taken.
    """
    _check_name(name, root)
    places = PLACES | ({"experiment.py": PACKAGE} if package else {})
    texts = {place.format(name): _filled(template, name) for template, place in places.items()}
    texts[BOOK] = with_chapter((root / BOOK).read_text(encoding="utf-8"), f"book/{name}.qmd", part)
    if (root / NOTATION).is_file():
        texts[NOTATION] = (root / NOTATION).read_text(encoding="utf-8") + "\n" + _filled("notation.qmd", name)
    return _write(texts, root)


def create_book(folder: Path) -> list[Path]:
    """Write a book into a folder, which is made or is empty; return what there is to be edited.  Raises LabError."""
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LabError(f"{folder} is there and not empty\nname a folder that is not, as in: lab init my_notes")
    if missing := [name for name in COPIED if not (SOURCE / name).exists()]:
        raise LabError(
            f"the lab is installed without the project it comes with: no {missing[0]} in {SOURCE}\n"
            "get the project, and there: pip install --editable ."
        )
    for name in COPIED:
        place = folder / name.replace("press/", "book/theme/")
        place.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (SOURCE / name).is_dir() else shutil.copyfile
        copy(SOURCE / name, place)
    title = folder.name.replace("_", " ").replace("-", " ").capitalize()
    texts = {}
    for template in sorted(path for path in (TEMPLATES / "book").iterdir() if path.suffix == ".txt"):
        text = template.read_text(encoding="utf-8").replace("TITLE", title)
        texts[template.stem.replace("+", "/")] = text  # + in a name stands for /
    return _write(texts, folder) + create(EXAMPLE, folder)


def remove(names: Sequence[str], root: Path, force: bool = False) -> list[str]:
    """Delete questions: their files, their lines in _quarto.yml and their parts of the notation.

    Returns what was deleted or changed, relative to the root.  Raises LabError, with nothing changed, for what git does not
    have, unless with `force`.
    """
    gone = [place for name in names for place in _own(name, root)]
    there = [place for place in (BOOK, NOTATION) if (root / place).is_file()]
    texts = {place: (root / place).read_text(encoding="utf-8") for place in there}
    for name in names:
        texts[BOOK] = without_chapter(texts[BOOK], f"book/{name}.qmd")
        if NOTATION in texts:
            texts[NOTATION] = _without_section(texts[NOTATION], name)
    modules = [(root / place).read_text(encoding="utf-8") for place in gone if place.startswith("figures/")]
    if any(re.search(r"^README\b", module, re.M) for module in modules):  # the README shows a figure of it
        gone.append("figures/readme.svg")
        text = (root / "README.md").read_text(encoding="utf-8")
        texts["README.md"] = re.sub(r"!\[[^\]]*\]\(figures/readme\.svg\)\n\n?", "", text)
    _check_committed([*gone, *texts], root, force)
    for place in gone:
        shutil.rmtree(root / place) if (root / place).is_dir() else (root / place).unlink(missing_ok=True)
    _write(texts, root)
    return [*gone, *texts]


def rename(old: str, new: str, root: Path, force: bool = False) -> list[str]:
    """Name a question anew: its files, and every place that names it as a module, file, label or chapter.

    Its result moves with it.  Returns what was changed, relative to the root.  Raises LabError as `remove` does.
    """
    own = _own(old, root)
    _check_name(new, root)
    before = _texts(root)
    texts = {place: renamed(text, Path(place).suffix, old, new) for place, text in before.items()}
    texts = {place: text for place, text in texts.items() if text != before[place]}
    _check_committed([*own, *texts], root, force)
    try:
        stored = store.read_result(root / RESULT.format(old), root)
    except NoResult:
        stored = None
    _write(texts, root)
    for place in own:
        (root / place).rename(root / renamed(place, "", old, new))
    if NOTEBOOK.format(old) in own:
        write_notebooks(root, [new])
    if stored:
        store.write_result(root / RESULT.format(new), root, replace(stored, experiment=new))
    return sorted({renamed(place, "", old, new) for place in (*own, *texts)})


def renamed(text: str, suffix: str, old: str, new: str) -> str:
    """Return a file's text, or its place, with the question under its new name, wherever it is meant and not merely a word."""
    label, fresh = (name.replace("_", "-") for name in (old, new))
    claims = r'|"(?=\w+[."])' if suffix == ".toml" else ""  # that the notes name, and pages with exceptions
    text = re.sub(rf"({_NAMED}{claims}){old}\b(?!\()", rf"\g<1>{new}", text)
    text = re.sub(rf"\b{old}(?=\.(qmd|html)\b)", new, text)
    text = re.sub(rf"\b(sec-(?!{label}-)|(?:fig|tbl|eq|exr|claim)-){label}(?!\w)", rf"\g<1>{fresh}", text)
    if suffix in _CODE and re.search(rf"import {new}\b", text):
        text = re.sub(_CODE[suffix], lambda code: _with_variable(code[0], old, new), text)
    return text


def mentions(name: str, root: Path) -> list[str]:
    """Return where the word still stands, as file:line: what `rename` took for prose, and `remove` leaves to its author."""
    word = re.compile(rf"(?<![\w-])(?:{name}|sec-{name.replace('_', '-')})(?![\w-])")
    lines = ((place, n, line) for place, text in _texts(root).items() for n, line in enumerate(text.splitlines(), 1))
    return [f"{place}:{n}" for place, n, line in lines if word.search(line)]


def _with_variable(code: str, old: str, new: str) -> str:
    """Rename the variable that an import of the question made."""
    try:
        names = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name) and node.id == old]
    except SyntaxError:
        return code
    if any(isinstance(node.ctx, ast.Store) for node in names):  # a variable of its own
        return code
    lines = code.encode().splitlines(keepends=True)
    for node in sorted(names, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        line, at = lines[node.lineno - 1], node.col_offset
        lines[node.lineno - 1] = line[:at] + new.encode() + line[at + len(old) :]
    return b"".join(lines).decode()


def with_chapter(book: str, chapter: str, part: str | None = None) -> str:
    """Return _quarto.yml's text with one chapter more; comments and everything else stay as they are."""
    last = dict(chapters_of(book))  # of each part
    parts = [of for of in last if of]
    if part is not None and part not in parts:
        raise unknown("part", part, parts)
    path = last[part or (parts or [""])[-1]].as_posix()
    if not (line := re.search(rf"(?m)^( *)- {_listed(path)}", book)):
        raise LabError(f"{BOOK}: write the chapters one a line, each after a dash, so that another can be added")
    before, after = book[: line.end()].rstrip("\n"), book[line.end() :]
    return f"{before}\n{line[1]}- {chapter}\n{after}"


def without_chapter(book: str, chapter: str) -> str:
    """Return _quarto.yml's text without a chapter; and without its part, if that has no other."""
    parts = [of for of, path in chapters_of(book) if path.as_posix() == chapter]
    alone = parts and parts[0] and [of for of, _ in chapters_of(book)].count(parts[0]) == 1
    heading = r"(?:^ *- part:.*\n *chapters:.*\n)?" if alone else ""
    return re.sub(rf"(?m){heading}^ *- {_listed(chapter)}", "", book)


def _listed(path: str) -> str:
    """Return the pattern of a path in a list, to the end of its line."""
    return rf"[\"']?{re.escape(path)}(?![\w.]).*\n?"


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


def _texts(root: Path) -> dict[str, str]:
    """Return the project's own text files, by their places relative to the root."""
    found = {}
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root)
        made = any(part.startswith((".", "_book", "_own")) for part in place.parts[:-1])
        if path.suffix in TEXTS and path.is_file() and not made:
            found[place.as_posix()] = path.read_text(encoding="utf-8")
    return found


def _write(texts: dict[str, str], root: Path) -> list[Path]:
    """Write files by their places relative to the root; return their paths."""
    for place, text in texts.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text, encoding="utf-8")
    return [root / place for place in texts]


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
