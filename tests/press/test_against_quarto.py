"""Where the real Quarto is installed: it and press make the same book of the same sources, page by page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pypdfium2
import pytest
from playwright.sync_api import sync_playwright

import press
from lab.book.serve import server
from press.build import read_sources
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

# What an environment has, too, and Quarto takes for the book's own where a pattern has no slash before it.
ELSEWHERE = (".environment/tests/test_all.py", ".environment/results/of.csv", ".environment/figures/one.py")
# What each needs for pages of its own: scripts, styles, search, figures of cells; and llms.txt, which Quarto writes only
# together with a twin of every page in Markdown.
OWN_FILES = re.compile(
    r"site_libs/|site/|pagefind/|search\.json|\.nojekyll|sitemap|robots|llms\.txt|.*\.html$|.*_files/|styles\.css"
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
    said: str  # by Quarto, while it rendered

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
        if request.param == "fixture":
            _with_the_books_own_rules(root)
        if (root / "_environment").exists():
            (root / ".venv").symlink_to(sys.prefix)
            for name in ELSEWHERE:
                (root / name).parent.mkdir(parents=True)
                (root / name).touch()
    environment = os.environ | {"QUARTO_PYTHON": sys.executable, "PYTHONPATH": f"{by['quarto']}:{ROOT}"}
    environment |= {"JUPYTER_DEFAULT_PROVISIONER_NAME": "press"}
    done = subprocess.run(["quarto", "render"], cwd=by["quarto"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"quarto render failed:\n{done.stderr[-4000:]}"
    press.render(by["press"])
    settings = project.read_project(by["press"])
    titles = [
        re.sub(r"^# +|\s*\{.*", "", source.lines[source.title_line - 1]) for source in read_sources(settings).values()
    ]
    titles = [title.replace("*", "") for title in titles]
    pdf = f"{settings.output_file}.pdf"
    return Rendered(request.param, by["quarto"] / "_book", by["press"] / "_book", titles, pdf, done.stderr)


def _with_the_books_own_rules(root: Path) -> None:
    """Give the fixture book the filters and the rules for Quarto's PDF that the real one has."""
    for file in (
        "press/links.lua",
        "press/description.lua",
        "press/numpy.lua",
        "book/theme/quarto.lua",
        "book/theme/quarto.typ",
    ):
        shutil.copy(ROOT / file, root)
    settings = (root / "_quarto.yml").read_text(encoding="utf-8")
    for old, new in (
        ("[together.lua]", "[together.lua, quarto.lua, links.lua, description.lua, numpy.lua]"),
        ("  typst:\n", "  typst:\n    include-before-body: quarto.typ\n"),
    ):
        assert old in settings
        settings = settings.replace(old, new)
    (root / "_quarto.yml").write_text(settings, encoding="utf-8")


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
        only_in_ours = reading.missing(made[title], quarto[title]) - {"Solutions"}  # at the end of the chapter, and
        only_in_quartos = reading.missing(quarto[title], made[title]) - {
            "Solution"
        }  # below each exercise, as README.md says
        only_in_quartos -= ONLY_IN_QUARTOS_PDF.get(book.name, set())
        assert (only_in_ours, only_in_quartos) == (set(), set()), title


def test_both_publish_the_same_files_and_none_of_an_environment(book: Rendered) -> None:
    quarto, made = (
        {str(file.relative_to(site)) for file in site.rglob("*") if file.is_file()}
        for site in (book.quarto, book.press)
    )
    quarto, made = ({name for name in names if not OWN_FILES.match(name)} for names in (quarto, made))
    assert quarto == made and book.pdf in made
    assert not {name for name in made if name.startswith(".")}
    copies = made - {book.pdf}
    assert not {name for name in copies if (book.quarto / name).read_bytes() != (book.press / name).read_bytes()}


def test_every_link_of_both_pdfs_leads_to_another_site_or_within(book: Rendered) -> None:
    for site in (book.quarto, book.press):
        assert not {link for link in reading.addresses(site / book.pdf) if not re.match("https?://|mailto:", link)}


def test_pages_are_described_alike_each_in_its_own_words_and_without_tex(book: Rendered) -> None:
    def described(site: Path) -> dict[str, str]:
        texts = {name: (site / name).read_text(encoding="utf-8") for name in reading.site(site)}
        found = {name: re.findall(r'<meta name="description" content="(.*?)">', text) for name, text in texts.items()}
        assert all(len(each) == 1 for each in found.values()), found
        return {name: unescape(each).replace("’", "'") for name, [each] in found.items()}

    quarto, made = described(book.quarto), described(book.press)
    assert quarto == made
    assert len(set(made.values())) == len(made) and not [text for text in made.values() if "\\" in text]


def test_references_have_no_number_in_either_pdf(book: Rendered) -> None:
    for site in (book.quarto, book.press):
        words = "\n".join(sheet.get_textpage().get_text_range() for sheet in pypdfium2.PdfDocument(site / book.pdf))
        assert not re.findall(r"^.*(?:\d\.\d|Chapter \d+\.|[A-Z]\.\d) References.*$", words, re.M)


def test_quarto_says_nothing_that_buries_what_matters(book: Rendered) -> None:
    assert not re.findall(r"^.*(?:WARN|ERROR|without encryption).*$", book.said, re.M)


def test_on_a_phone_titles_stand_apart_and_the_ledger_is_stacked_in_both(book: Rendered) -> None:
    if book.name != "real":
        pytest.skip("the ledger, and the style that stacks it, are the real book's")
    look = """() => {
      const below = [...document.querySelectorAll("main p")].find((p) => !p.closest("header") && p.getClientRects().length);
      return [getComputedStyle(document.querySelector("main td")).display,
        below.getBoundingClientRect().top - document.querySelector("h1.title").getBoundingClientRect().bottom > 15,
        document.documentElement.scrollWidth];
    }"""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        window = chromium.new_page(viewport={"width": 390, "height": 844})
        for site in (book.quarto, book.press):
            window.goto((site / "book/ledger.html").as_uri())
            assert window.evaluate(look) == ["block", True, 390]
        chromium.close()


def test_no_page_is_wider_than_a_phone_and_the_browser_complains_of_none(book: Rendered) -> None:
    if book.name != "real":
        pytest.skip("the style that keeps pages narrow under Quarto is the real book's")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for site in (book.quarto, book.press):
            window, complaints, wide = (
                chromium.new_page(viewport={"width": 390, "height": 844}),
                list[str](),
                set[str](),
            )
            window.on("console", lambda message, said=complaints: said.append(message.text))
            window.on("pageerror", lambda error, said=complaints: said.append(str(error)))
            with server(site, 0) as running:
                threading.Thread(target=running.serve_forever, daemon=True).start()
                for address in reading.site(site):
                    window.goto(f"http://127.0.0.1:{running.server_port}/{address}")
                    if window.evaluate("document.documentElement.scrollWidth") > 390:
                        wide.add(address)
                running.shutdown()
            assert (wide, complaints) == (set(), [])
        chromium.close()


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


def test_a_word_that_one_pdf_lacks_is_seen_unless_it_only_ran_into_the_next_line_or_was_cut_in_two() -> None:
    assert reading.missing({"2.5", "Figure 1.1", "gain"}, {"2.6", "Figure 1.2", "gain"}) == {"2.5", "Figure 1.1"}
    assert reading.missing({"normalisationjitter"}, {"normalisation", "jitter"}) == set()
    assert reading.missing({"trainingas", "trainings"}, {"training"}) == {"trainings"}
    assert reading.missing({"well", "scaled", "ill"}, {"wellscaled", "well"}) == {"ill"}
    assert reading.missing({"2128", "3128", "264"}, {"2", "3", "128"}) == {"3128", "264"}
