"""The small projects and books of the other tests, for reports from the field."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.press.conftest import make_book as make_book
from tests.press.conftest import read_before as read_before

sys.path.insert(0, str(Path(__file__).parents[1] / "lab"))
from small_project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project with one experiment, `quick`."""
    return Project(tmp_path)
