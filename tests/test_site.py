"""The book as its readers get it, on the web and on paper: what it links, shows, names, and prints of its results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pypdfium2
import pytest
from IPython.display import Markdown
from playwright.sync_api import Browser

from lab.book.verdicts import decide
from lab.keys.experiments import load, names
from press.book import Chapter
from press.read.project import read_project
from press.read.qmd import Cell, parse
from tests.site_pages import SitePage, dangling, fetched_from_elsewhere, outside_links, read

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = read_project(ROOT).chapters
Pages = dict[str, SitePage]
# Where the lecture, papers and documentation are.
SOURCES = {
    "arxiv.org", "cs231n.github.io", "docs.pytorch.org", "doi.org", "github.com", "jmlr.org", "karpathy.github.io", "kyleluther.github.io",
    "proceedings.mlr.press", "weightwatcher.ai", "www.youtube.com",
}  # fmt: skip


@pytest.fixture(scope="module")
def pages(site: Path) -> Pages:
    """The site's pages, read."""
    return read(site)


@pytest.fixture(scope="module")
def on_paper(site: Path) -> dict[str, str]:
    """The PDF's words by chapter, without any white space: lines break where they like."""
    return _by_chapter(site / f"{read_project(ROOT).output_file}.pdf")


def _by_chapter(file: Path) -> dict[str, str]:
    """Return the words between the places that the PDF's outline gives for the chapters."""
    document = pypdfium2.PdfDocument(file)
    texts = [document[number].get_textpage().get_text_range() for number in range(len(document))]
    entries = [(bare(entry.get_title()), entry.get_dest().get_index()) for entry in document.get_toc()]
    starts: dict[str, int] = {}
    for chapter in CHAPTERS:
        heading = bare(re.sub(r"[*_`$]|\{.*", "", title(chapter)))
        starts[chapter.source] = next(page for name, page in entries if heading in name.replace("_", ""))
    ends = [*sorted(starts.values())[1:], len(texts)]
    return {
        source: bare("".join(texts[start : next(end for end in ends if end > start)]))
        for source, start in starts.items()
    }


def title(chapter: Chapter) -> str:
    """Return a chapter's heading as written."""
    lines = (ROOT / chapter.path).read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("# ")).removeprefix("# ")


def bare(words: str) -> str:
    """Return the words without white space and without what typesetting puts in: soft hyphens, joiners, curly quotes."""
    kept = re.sub(r"[\s\u00ad\u200b\u2060\u2061\ufffe\x02]", "", words)
    return kept.replace("\N{MINUS SIGN}", "-").replace("’", "'").replace("‘", "'")


def printed(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """Compute anew, in this process, what each `{python}` value of a chapter prints: its line, its words."""
    text = (ROOT / chapter.path).read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    with chdir(ROOT):
        for chunk in parse(text, chapter.source, {}).chunks:
            if isinstance(chunk, Cell):
                if chunk.options.get("include") is False:
                    exec(chunk.code, names)
            else:
                for inline in chunk.inlines():
                    value = eval(inline.code, names)
                    yield inline.line, value.data if isinstance(value, Markdown) else str(value)


def plain(markdown: str) -> str:
    """Return a number of the ledger, which is Markdown, as it is read."""
    return bare(re.sub(r"\\text|\\mathrm|\\times|\\,|\\;|[\\*`${}^~]|\[|\](\{[^}]*\})?", "", markdown))


def test_every_internal_link_and_fragment_resolves(site: Path, pages: Pages) -> None:
    assert {chapter.html for chapter in CHAPTERS} == set(pages)
    assert dangling(site, pages) == []


def test_nothing_comes_from_another_host(site: Path, pages: Pages) -> None:
    assert fetched_from_elsewhere(site, pages) == []


def test_links_lead_out_of_the_book_to_its_sources_only(pages: Pages) -> None:
    outside = outside_links(pages)
    assert [(page, link) for page, link in outside if urlsplit(link).scheme != "https"] == []
    assert {urlsplit(link).hostname for _, link in outside} <= SOURCES


def test_every_figure_has_alt_text_that_says_what_it_shows(pages: Pages) -> None:
    images = [(page.path, image) for page in pages.values() for image in page.images]
    assert len(images) >= len(names(ROOT))
    for path, image in images:
        assert len(image.get("alt", "").split()) >= 12, f"{path}: {image['src']}"


def test_every_reference_is_numbered_and_says_what_its_target_says(pages: Pages) -> None:
    references = [(page, href, words) for page in pages.values() for href, words in page.references]
    assert references
    for page, href, words in references:
        numbered = re.search(
            r"(Figure|Table|Equation|Exercise|Chapter|Section|Appendix) ([\dA-Z](?:[\d.]*\d)?)$", words
        )
        assert numbered, f"{page.path}: {words!r} for {href}"
        if numbered[1] in ("Figure", "Table", "Exercise"):
            target = (
                pages[str((Path(page.path).parent / href.partition("#")[0]).as_posix())] if href[0] != "#" else page
            )
            assert re.search(rf"{numbered[0]}(?:[:.( ]|$)", target.words.replace("\u00a0", " ")), (
                f"{page.path}: {words}"
            )
    for page in pages.values():
        assert "??" not in page.words
        assert not re.search(r"\?@|@(?:fig|tbl|eq|sec|exr)-", page.words)


def test_no_page_scrolls_sideways_on_a_phone_nor_complains(site: Path, browser: Browser) -> None:
    complaints: list[str] = []
    window = browser.new_page(viewport={"width": 390, "height": 800})
    window.on("pageerror", lambda error: complaints.append(str(error)))
    # What the next page cuts off, the icon for one, has not failed.
    cut_off = "net::ERR_ABORTED"
    window.on("requestfailed", lambda request: complaints.append(request.url) if request.failure != cut_off else None)
    for chapter in CHAPTERS:
        window.goto((site / chapter.html).as_uri())
        window.evaluate("document.fonts.ready")
        # A script sees to formulas that are too wide, a moment later.
        window.wait_for_function("document.documentElement.scrollWidth <= 390")
        options = (
            "[...document.querySelectorAll('code .at, main p code')].filter((code) => code.textContent.includes('--'))"
        )
        whole = f"{options}.every((option) => option.getClientRects().length < 2)"
        assert window.evaluate(whole), f"{chapter.html}: an option is broken after its dashes"
    window.close()
    assert complaints == []


def test_formulas_are_mathml_without_errors(site: Path, pages: Pages) -> None:
    text = "".join((site / page).read_text(encoding="utf-8") for page in pages)
    assert "<math " in text
    assert not re.search(r"<merror|math inline|\$\$", text)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.path.stem)
def test_the_numbers_in_the_sentences_are_those_of_the_results(
    chapter: Chapter, pages: Pages, on_paper: dict[str, str]
) -> None:
    """On the page they stand in the order of the source; on paper somewhere in the chapter."""
    page, place = bare(pages[chapter.html].words), 0
    for line, value in printed(chapter):
        words = plain(value) if re.search(r"[*`$\[]", value) else bare(value)
        found = page.find(words, place)
        assert found >= 0, f"{chapter.source}:{line}: {value!r} is not in the page, or not after the value before it"
        place = found + len(words)
        assert words in on_paper[chapter.source], f"{chapter.source}:{line}: {value!r} is not in the PDF"


@pytest.mark.parametrize("stem", names(ROOT))
def test_the_claims_have_the_verdicts_and_numbers_of_the_results(
    stem: str, site: Path, on_paper: dict[str, str]
) -> None:
    page = (site / f"book/{stem}.html").read_text(encoding="utf-8")
    ledger = (site / "book/ledger.html").read_text(encoding="utf-8")
    for entry in decide(load(stem)):
        rows = [page.partition(f'id="{entry.anchor}"')[2], ledger.partition(f'#{entry.anchor}"')[2]]
        texts = [bare(re.sub(r"<annotation.*?</annotation>|<[^>]*>", " ", row.partition("</tr>")[0])) for row in rows]
        for text in (*texts, on_paper[f"book/{stem}.qmd"], on_paper["book/ledger.qmd"]):
            assert bare(str(entry.verdict)) in text, f"{stem}: {entry.claim.name}: not {entry.verdict}"
            for number in re.findall(r"\d[\d.,]*\d|\d", plain(entry.number)):
                assert number in text, f"{stem}: {entry.claim.name}: {entry.number}"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.path.stem)
def test_paper_and_web_print_the_same_decimals(chapter: Chapter, pages: Pages, on_paper: dict[str, str]) -> None:
    """Every number with a decimal point, in tables and text alike."""
    decimal = r"(?<![\d.])\d+\.\d+(?![\d.]*\d)"
    web = set(re.findall(decimal, pages[chapter.html].words))
    missing = {number for number in web if number not in on_paper[chapter.source]}
    assert not missing
