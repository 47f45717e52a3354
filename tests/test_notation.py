"""The appendix on notation names things that the code has, and has a part for every chapter with an experiment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.keys.experiments import names

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "book/notation.qmd").read_text(encoding="utf-8")
CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("experiments", "nets", "lab")
    for path in (ROOT / folder).rglob("*.py")
)
ROWS = [line.strip("| ").split("|") for line in PAGE.splitlines() if line.startswith("| ") and "symbol" not in line]
NAMED = sorted({name for row in ROWS for name in re.findall(r"`(\w+)`", row[1])})


@pytest.mark.parametrize("name", NAMED)
def test_every_name_in_the_table_is_in_the_code(name: str) -> None:
    assert re.search(rf"\b{name}\b", CODE)


@pytest.mark.parametrize("stem", names(ROOT))
def test_every_chapter_has_its_part(stem: str) -> None:
    assert f"the symbols of @sec-{stem.replace('_', '-')}." in PAGE
