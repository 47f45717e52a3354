"""`lab init`: a book of one's own, with this machinery installed as a package and an example question to start from."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.book.questions import create
from lab.errors import LabError

TEMPLATES = Path(__file__).with_name("templates") / "book"  # + in a name stands for /
SOURCE = (
    Path(__file__).resolve().parents[2]
)  # the project that the lab comes with: how pages and figures look is copied from it
LOOKS = (
    "book/theme/book.css",
    "book/theme/fonts",
    "book/theme/live.js",
    "figures/fonts",
    "figures/inline.py",
    "figures/phone.py",
    "figures/style.py",
    "experiments/__init__.py",
    "figures/__init__.py",
)
FILTERS = (
    *(f"book/theme/{name}.lua" for name in ("together", "reading_time", "alt", "quarto")),
    *(f"press/{name}.lua" for name in ("links", "description", "numpy")),
)
EXAMPLE = "coin_flips"


def create_book(folder: Path) -> list[Path]:
    """Write a book into a folder, which is made or is empty; return what there is to be edited.  Raises LabError."""
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LabError(f"{folder} is there and not empty\nname a folder that is not, as in: lab init my_notes")
    if missing := [name for name in (*LOOKS, *FILTERS) if not (SOURCE / name).exists()]:
        raise LabError(
            f"the lab is installed without the project it comes with: no {missing[0]} in {SOURCE}\n"
            "get the project, and there: pip install --editable ."
        )
    for name in LOOKS:
        _copy(SOURCE / name, folder / name)
    for name in FILTERS:
        _copy(SOURCE / name, folder / "book/theme" / Path(name).name)
    filters = ", ".join(f"book/theme/{Path(name).name}" for name in FILTERS)
    title = folder.name.replace("_", " ").replace("-", " ").capitalize()
    written = []
    for template in sorted(TEMPLATES.glob("*.txt")) + sorted(TEMPLATES.glob(".*.txt")):
        path = folder / template.name.removesuffix(".txt").replace("+", "/")
        text = template.read_text(encoding="utf-8").replace("TITLE", title).replace("FILTERS", filters)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written + create(EXAMPLE, folder)


def _copy(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, place)
