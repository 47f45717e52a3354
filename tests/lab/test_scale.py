"""One edit of a shared function marks exactly the experiments that call it, at any distance, among many."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import scale

SIZE = 60


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many")
    scale.make(root, SIZE)
    scale.fill(root)
    return root


def test_one_edit_marks_exactly_those_that_it_reaches(many: Path) -> None:
    assert scale.stale(many) == set()
    sizes = []
    for number, function in ((5, "odd"), (0, "even"), (3, "unused")):
        path = many / f"nets/helper_{number}.py"
        before = path.read_text()
        scale.edit(many, number, function)
        assert scale.stale(many) == scale.reached(SIZE, number, function)
        sizes.append(len(scale.reached(SIZE, number, function)))
        path.write_text(before)
        assert scale.stale(many) == set()
    # Helper 5's own five experiments and the five of helper 11, which calls it; through the root a part of all; none.
    assert sizes[0] == 10 and SIZE // 3 < sizes[1] < SIZE and sizes[2] == 0
