"""A chapter with a setting of the reader's own: for every experiment at SMOKE, from the run to the page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lab.chapter
import press
from lab.claims import Verdict
from lab.keys.experiments import load, names
from press.build import beside
from press.read.qmd import parse

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
# As `lab render NAME --smoke --to html`, with the book's outputs that the fixture has made.
MAKE = """
import json, sys
from pathlib import Path
from lab.cli.render import press_variant
from lab.cli.run import compute_setting
from lab.keys.experiments import load
from lab.results import store
from lab.results.reading import as_result
from press import reads
root = Path.cwd()
name, changes, wanted = compute_setting([sys.argv[1]], [], root, 1, smoke=True)
made = press_variant(name, changes, wanted, root, ["html"], lambda path: "as committed")
module = load(name, root)
result = as_result(module, store.find(root, wanted, reads.Present(root))[1])
verdicts = {claim.name: claim.verdict(result).name for claim in module.CLAIMS}
print(json.dumps({"page": str(made["html"]), "changes": changes, "verdicts": verdicts}))
"""
TAG = re.compile(r"<[^>]+>")


def run(project: Path, *command: str) -> str:
    """Run Python in the copied project, and return what it prints."""
    done = subprocess.run([sys.executable, *command], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def snapshot(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def figures(page: str) -> int:
    return len(re.findall(r"quarto-float-fig", page))


def shown_verdict(page: str, anchor: str) -> str:
    """Return the verdict in a claim's row."""
    row = page.partition(f'id="{anchor}"')[2].partition("</tr>")[0]
    found = re.search(r'class="verdict-(\w+)"', row)
    assert found, anchor
    return found[1].upper()


@pytest.mark.parametrize("question", names(ROOT))
def test_a_chapter_is_made_from_another_setting_with_the_books_values_beside_its_own(question: str, site: Path) -> None:
    project = site.parent
    before = snapshot(site)
    made = json.loads(run(project, "-c", MAKE, question).splitlines()[-1])
    page, book = Path(made["page"]).read_text(), (site / f"book/{question}.html").read_text()
    assert Path(made["page"]).is_relative_to(project / "_own" / question)
    note = " ".join(unescape(TAG.sub("", page.partition('class="own-setting"')[2].partition("</div>")[0])).split())
    assert all(f"{field} = {value}" in note for field, value in made["changes"].items())
    for name, verdict in made["verdicts"].items():
        assert shown_verdict(page, f"claim-{question}-{name}".replace("_", "-")) == verdict
    assert 'class="moved"' in page and 'class="usual"' in page and 'class="usual"' not in book
    assert figures(page) == figures(book) > 0
    assert page.count('class="missing"') < page.count('class="moved"') / 2  # chapters speak of items that SMOKE lacks
    assert page.count("Nothing to show here") <= 3
    assert snapshot(site) == before


def test_a_page_of_ones_own_says_which_lines_were_drawn_for_the_books_setting() -> None:
    module = load("tanh_gain", ROOT)
    entries = lab.chapter.all_entries(ROOT)
    entry = next(entry for entry in entries if entry.experiment == "tanh_gain" and entry.claim.name == "too-small")
    own = replace(entry, line=entry.claim.stated(module.SMOKE)[1], verdict=Verdict.FAILS, book=entry)
    assert "drawn for the book's setting" in own.tied and entry.line in own.tied
    assert own.beside("word") == "[fails]{.verdict-fails} [(book: [holds]{.verdict-holds})]{.usual}"
    assert own.beside("number") == entry.number and not replace(entry, book=entry).tied


def test_values_that_moved_stand_beside_the_books_but_not_in_formulas_or_code() -> None:
    text = "# A {#sec-a}\n\n```{python}\nx = 1\n```\n\nOne `{python} x`, $a =$ `{python} x` and `{python} y`.\n\n$b = `{python} x`$\n"
    source = parse(text, "a.qmd")
    own, usual = {"cells": [[]], "inlines": ["2", "3", "4", "5"]}, {"cells": [[]], "inlines": ["1", "3", "b", "6"]}
    moved = r"[2]{.moved}[\ (book:\ 1)]{.usual}"
    assert beside(source, own, usual)["inlines"] == [moved, "3", r"[4]{.moved}[\ (book:\ b)]{.usual}", "5"]


def test_the_command_makes_page_and_pdf_and_names_them(site: Path, browser: Browser) -> None:
    project = site.parent
    said = run(project, "-m", "lab", "render", "tanh_gain", "--smoke", "--set", "depth=8")
    page, pdf = (Path(re.findall(rf"^{kind} +(\S+)$", said, re.M)[0]) for kind in ("html", "pdf"))
    assert "depth=8" in page.parent.parent.name and pdf.read_bytes()[:5] == b"%PDF-"
    tab = browser.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(page.as_uri())
    assert "depth = 8 (book: 50)" in tab.inner_text(".own-setting")
    assert tab.locator("main .usual").count() > 10 and not errors
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.get_by_role("link", name="Why do deep networks explode or vanish?").first.click()
    assert "has not been rendered here" in tab.inner_text("main")
    tab.close()


def test_what_a_setting_lacks_leaves_a_gap_and_what_follows_is_run(tmp_path: Path) -> None:
    (tmp_path / "_quarto.yml").write_text(
        "project:\n  type: book\nbook:\n  title: A\n  author: B\n  chapters: [index.qmd]\n", encoding="utf-8"
    )
    cell = "import os\nfound = {'VAR' in os.environ: 1}\nx = found[False]\n\ny = (\n    2\n)\n"
    (tmp_path / "index.qmd").write_text(
        f"# A\n\n```{{python}}\n{cell}```\n\nHere `{{python}} x` and `{{python}} y`.\n\n```{{python}}\nfound[False]\n```\n"
    )
    press.render(tmp_path, ["html"])
    made = press.render_variant(
        tmp_path, Path("index.qmd"), {"VAR": "1"}, "key", Path("own"), note="A note.", formats=["html"]
    )
    page = made["html"].read_text()
    said = " ".join(TAG.sub(" ", page.partition("<main")[2]).split())
    assert "Here – (book: 1) and 2." in said and "Nothing to show here: KeyError: False" in said and "A note." in said
    assert "title=\"NameError: name 'x' is not defined\"" in unescape(page)
    assert "(book" not in (tmp_path / "_book/index.html").read_text()
