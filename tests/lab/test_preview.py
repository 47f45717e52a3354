"""`lab preview`: what is saved is rendered and seen at the same place, and an error stands in the page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect, sync_playwright
from small_project import Project

from lab.cli.preview import chapter_keys, is_source, touch_changed

PAGE = """\
# A page {{#sec-page}}

```{{python}}
#| include: false
from experiments import quick
```

{fill}

The scale is `{{python}} quick.SCALE`. {word}
"""
FILL = "\n\n".join(f"Paragraph {number}." for number in range(80))


@pytest.fixture
def book(project: Project) -> Project:
    """The small project with a page long enough to be scrolled, which says a constant of its experiment."""
    project.write("index.qmd", PAGE.format(fill=FILL, word="First."))
    return project


@pytest.fixture
def address(book: Project) -> Iterator[str]:
    """Where the preview of the book is, while it runs."""
    running = book.start("preview", "--port", "0", "--no-browser", "--with", "press", stderr=subprocess.STDOUT)
    assert running.stdout
    try:
        yield next(found[0] for line in running.stdout if (found := re.search(r"http://\S+", line)))
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)


def test_the_browser_follows_what_is_saved_and_shows_what_is_wrong_with_it(book: Project, address: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 900, "height": 600})
        tab.goto(address)
        text, alert = tab.locator("main"), tab.get_by_role("alert")
        expect(text).to_contain_text("The scale is 1.0. First.")
        tab.evaluate("scrollTo(0, 1234)")
        book.write("index.qmd", PAGE.format(fill=FILL, word="Second."))
        expect(text).to_contain_text("Second.", timeout=60_000)
        assert abs(tab.evaluate("scrollY") - 1234) < 3
        book.edit("experiments/quick.py", "SCALE = 1.0", "SCALE = 3.0")
        expect(text).to_contain_text("The scale is 3.0.", timeout=60_000)
        book.edit("index.qmd", "quick.SCALE", "quick.SCALES")
        expect(alert).to_contain_text(re.compile(r"index\.qmd:\d+: inline code `quick\.SCALES` fails"), timeout=60_000)
        book.edit("index.qmd", "quick.SCALES", "quick.SCALE + 1")
        expect(text).to_contain_text("The scale is 4.0.", timeout=60_000)
        expect(alert).to_have_count(0)
        browser.close()
    assert b"preview-script" not in (book.root / "_book/index.html").read_bytes()
    assert b"preview-script" in urlopen(address).read()


def test_only_chapters_whose_code_has_changed_are_touched_for_quarto(book: Project) -> None:
    book.write("other.qmd", "# Another {#sec-other}\n\nNo code.\n")
    book.edit("_quarto.yml", "    - index.qmd\n", "    - index.qmd\n    - other.qmd\n")
    known = chapter_keys(book.root)
    for page in ("index.qmd", "other.qmd"):
        os.utime(book.root / page, (0, 0))
    assert touch_changed(book.root, known) == known
    book.edit("experiments/quick.py", "SCALE = 1.0", "SCALE = 3.0")
    assert touch_changed(book.root, known)[Path("index.qmd")] != known[Path("index.qmd")]
    assert (book.root / "index.qmd").stat().st_mtime > 0 == (book.root / "other.qmd").stat().st_mtime


def test_what_tools_make_is_not_watched(tmp_path: Path) -> None:
    watched = ["book/a.qmd", "experiments/a/b.py", "_quarto.yml", "results/a/t.csv", "book/theme/book.css"]
    made = [
        "_book/index.html",
        "_book/a.css",
        ".press/made.json",
        "_own/a/b.css",
        ".venv/x.py",
        "a.tmp",
        "b/__pycache__/a.py",
    ]
    assert [path for path in [*watched, *made] if is_source(tmp_path / path, tmp_path)] == watched
