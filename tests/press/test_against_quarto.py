"""Where the real Quarto is installed: it and press make the same book of the same sources, page by page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import press
from press.build.render import read_sources
from press.read import project
from tests.press import reading
from tests.press.conftest import FIXTURE_BOOK
from tests.press.reading import Reading, difference

ROOT = Path(__file__).resolve().parents[2]
BOOKS = {"fixture": FIXTURE_BOOK, "real": ROOT}
LEFT_BEHIND = (
    ".venv",
    ".git",
    "_book",
    "_freeze",
    ".press",
    ".quarto",
    ".lab",
    "__pycache__",
    ".*_cache",
    "*.egg-info",
)

# Quarto numbers a figure without a label in its PDF alone.
ONLY_IN_QUARTOS_PDF = {"fixture": {"Figure 1.3"}}

PAGE = """<title>1 One – A book</title><nav id="quarto-sidebar"><a href="../one.html">1 One</a></nav>
<main><h1 id="sec-one">1 One</h1><p>It is <b>2.5</b>, says <a href="../one.html#fig-a">Figure&nbsp;<span>1.1</span></a>.</p>
<img src="a.svg" alt="A curve."></main>"""


@dataclass
class Rendered:
    """One book, made by both."""

    name: str
    quarto: Path
    press: Path
    titles: list[str]
    pdf: str

    def pages(self) -> tuple[dict[str, Reading], dict[str, Reading]]:
        return reading.site(self.quarto), reading.site(self.press)


@pytest.fixture(scope="module", params=list(BOOKS))
def book(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Render a copy of the book with each."""
    if not shutil.which("quarto"):
        pytest.skip("quarto is not on PATH; press is compared with it where it is")
    by = {}
    for renderer in ("quarto", "press"):
        root = by[renderer] = tmp_path_factory.mktemp(request.param) / "book"
        shutil.copytree(BOOKS[request.param], root, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
        if (root / "_environment").exists():
            (root / ".venv").symlink_to(sys.prefix)
    environment = os.environ | {"QUARTO_PYTHON": sys.executable, "PYTHONPATH": str(by["quarto"])}
    done = subprocess.run(["quarto", "render"], cwd=by["quarto"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"quarto render failed:\n{done.stderr[-4000:]}"
    press.render(by["press"])
    settings = project.read_project(by["press"])
    titles = [
        re.sub(r"^# +|\s*\{.*", "", source.lines[source.title_line - 1]) for source in read_sources(settings).values()
    ]
    titles = [title.replace("*", "") for title in titles]
    return Rendered(request.param, by["quarto"] / "_book", by["press"] / "_book", titles, f"{settings.output_file}.pdf")


def differences(book: Rendered, aspect: str) -> str:
    """Return where the pages differ in one aspect, each under its address; "" if they do not."""
    quarto, made = book.pages()
    found = {name: difference(getattr(quarto[name], aspect), getattr(made[name], aspect)) for name in quarto}
    return "\n\n".join(f"{name}, {aspect}:\n{text}" for name, text in found.items() if text)


def test_there_are_the_same_pages_in_the_same_order(book: Rendered) -> None:
    quarto, made = book.pages()
    assert quarto.keys() == made.keys()
    for address in quarto:
        assert made[address].title == quarto[address].title
        assert made[address].chapters == quarto[address].chapters != []


@pytest.mark.parametrize("aspect", ["words", "places", "links", "pictures"])
def test_the_pages_are_the_same_to_a_reader(book: Rendered, aspect: str) -> None:
    found = differences(book, aspect)
    assert not found, found


def test_files_that_pages_link_to_are_in_both_sites(book: Rendered) -> None:
    for site, pages in zip((book.quarto, book.press), book.pages(), strict=True):
        targets = {link.partition(" -> ")[2].partition("#")[0] for page in pages.values() for link in page.links}
        assert not {target for target in targets if "://" not in target and not (site / target).exists()}


def test_the_pdfs_say_the_same_chapter_by_chapter(book: Rendered) -> None:
    quarto, made = (reading.pdf(site / book.pdf, book.titles) for site in (book.quarto, book.press))
    assert list(quarto) == list(made) == book.titles
    for title in book.titles:
        only_in_ours = reading.missing(made[title], quarto[title])
        only_in_quartos = reading.missing(quarto[title], made[title]) - ONLY_IN_QUARTOS_PDF.get(book.name, set())
        assert (only_in_ours, only_in_quartos) == (set(), set()), title


def test_a_page_is_read_the_same_whatever_its_frame_looks_like() -> None:
    framed = PAGE.replace('href="../', 'href="./../a/../').replace(
        "<main>", "<header>A book</header><main><div><script>1</script>"
    )
    framed = framed.replace("</main>", '<nav class="quarto-page-breadcrumbs">1</nav></div></main><footer>2</footer>')
    assert reading.page(framed, "book/one.html") == reading.page(PAGE, "book/one.html")
    assert reading.page(PAGE, "book/one.html").links == ["Figure 1.1 -> one.html#fig-a"]


@pytest.mark.parametrize(
    ("aspect", "old", "new"),
    [
        ("words", "2.5", "2.6"),
        ("words", "says", ""),
        ("places", "sec-one", "sec-two"),
        ("links", "#fig-a", "#fig-b"),
        ("links", "<span>1.1", "<span>1.2"),
        ("pictures", "A curve.", ""),
        ("chapters", '"../one.html"', '"../two.html"'),
    ],
)
def test_a_difference_is_seen(aspect: str, old: str, new: str) -> None:
    one, other = (getattr(reading.page(text, "book/one.html"), aspect) for text in (PAGE, PAGE.replace(old, new)))
    assert difference(one, one) == "" != difference(one, other)


def test_a_word_that_one_pdf_lacks_is_seen_unless_it_only_ran_into_the_next_line() -> None:
    assert reading.missing({"2.5", "Figure 1.1", "gain"}, {"2.6", "Figure 1.2", "gain"}) == {"2.5", "Figure 1.1"}
    assert reading.missing({"normalisationjitter"}, {"normalisation", "jitter"}) == set()
    assert reading.missing({"2128", "3128", "264"}, {"2", "3", "128"}) == {"3128", "264"}
