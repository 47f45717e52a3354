"""Fixtures of the lab's tests: a small project, and one whose result has been computed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_project import LIBRARY, Project

os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(LIBRARY)]))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Project]:
    """Return a function that makes a project whose result has been computed, by copying one that was."""
    made = Project(tmp_path_factory.mktemp("computed"))
    made.lab("run")

    def copy(to: Path) -> Project:
        shutil.copytree(made.root, to, dirs_exist_ok=True)
        return Project(to)

    return copy
