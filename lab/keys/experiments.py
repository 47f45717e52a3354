"""What an experiment is (a module with five names), and which there are (the files in experiments/)."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lab.errors import LabError, unknown
from press import from_source

R_co = TypeVar("R_co", covariant=True)


class Experiment(Protocol[R_co]):
    """The five names of an experiment's module; `Params` and `Result` are frozen dataclasses."""

    @property
    def Params(self) -> Any:
        """What is varied; the book's setting is the default."""

    @property
    def SMOKE(self) -> Any:
        """The parameters that tests run, in well under a second."""

    @property
    def Result(self) -> type[R_co]:
        """What is found.  A field of measured times says so in its metadata, which `lab verify` goes by (lab.run.verification)."""

    @property
    def CLAIMS(self) -> tuple[Any, ...]:
        """The claims of the notes, each a Claim[Result] that decides its verdict."""

    @property
    def run(self) -> Any:
        """The function from Params to Result."""


def find_root(start: Path | None = None) -> Path:
    """Return the project that `start` (the working directory) lies in: the nearest folder upwards with _quarto.yml.

    The environment variable LAB_ROOT names it from anywhere.
    """
    here = (start or Path(os.environ.get("LAB_ROOT") or Path.cwd())).resolve()
    for folder in (here, *here.parents):
        if (folder / "_quarto.yml").is_file() and (folder / "experiments").is_dir():
            return folder
    raise LabError(
        f"{here} is not inside a book: no folder upwards holds _quarto.yml and experiments/\n"
        "go to the book's folder, or name it with LAB_ROOT=..."
    )


def names(root: Path | None = None) -> list[str]:
    """Return the stems of all experiments, in alphabetical order."""
    folder = (root or find_root()) / "experiments"
    files = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    return sorted(
        name for name in [*files, *(path.parent.name for path in folder.glob("*/__init__.py"))] if name.isidentifier()
    )


def source(name: str, root: Path) -> Path:
    """Return an experiment's file, of a package its __init__.py; an unknown name is an error that gives the nearest ones."""
    for path in (root / "experiments" / f"{name}.py", root / "experiments" / name / "__init__.py"):
        if name.isidentifier() and path.is_file():
            return path
    raise unknown("experiment", name, names(root))


def files(name: str, root: Path) -> list[str]:
    """Return the files of an experiment, relative to the root: one, or those of its package, its __init__.py first."""
    path = source(name, root)
    found = (
        sorted(path.parent.rglob("*.py"), key=lambda file: (file != path, file))
        if path.name == "__init__.py"
        else [path]
    )
    return [file.relative_to(root).as_posix() for file in found]


def load(name: str, root: Path | None = None) -> Any:
    """Import an experiment's module, and nothing heavier than pandas with it (PyTorch waits until it is used)."""
    root = root or find_root()
    path = source(name, root)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    from_source(root)
    module = importlib.import_module(f"experiments.{name}")
    if not module.__file__ or Path(module.__file__).resolve() != path.resolve():
        raise LabError(
            f"experiments.{name} was imported from {module.__file__}, not from {path}: two books on one path"
        )
    missing = [
        attribute for attribute in ("Params", "SMOKE", "Result", "CLAIMS", "run") if not hasattr(module, attribute)
    ]
    if missing:
        raise LabError(f"{path.relative_to(root)} lacks {', '.join(missing)}: an experiment has five names")
    return module


def home(experiment: Any) -> tuple[str, Path]:
    """Return the name of an experiment's module and the root of the project that it lies in."""
    file = getattr(experiment, "__file__", None)
    if not file or not getattr(experiment, "__name__", "").startswith("experiments."):
        raise LabError(f"wanted an experiment's module (from experiments import tanh_gain), got {experiment!r}")
    name = experiment.__name__.removeprefix("experiments.")
    return name, Path(file).resolve().parents[2 if Path(file).name == "__init__.py" else 1]
