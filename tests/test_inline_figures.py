"""Figures stand in pages as SVG whose words are words, in the book's typeface; on phones in a narrow form with type of the same size."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fontTools.ttLib import TTFont
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from playwright.sync_api import Browser, Page

from figures import style
from figures.inline import HALO, inline
from figures.phone import WIDTH
from lab.pages import data_shown, noting_tables
from press.pandoc import program
from press.read.project import read_project

ROOT = Path(__file__).resolve().parents[1]
FONTS = ROOT / "book/theme/fonts"
CHAPTERS = [
    chapter.html for chapter in read_project(ROOT).chapters if "figures." in (ROOT / chapter.path).read_text("utf-8")
]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
SMALL = set(TTFont(FONTS / "notes-serif-small.woff2").getBestCmap())
NINE_POINTS = 12  # CSS pixels


@pytest.fixture(scope="module")
def figure() -> Figure:
    """Two panels that share an axis, with all that a figure of the book has."""
    made, (left, right) = style.canvas(height=3, columns=2, sharey=True)
    left.set(ylabel="height (m)", xlabel="spread of the logits, $s$", title="left & <first>")
    right.set(xlabel="a long name of an axis that no phone has room for on a single line of its own", yscale="log")
    for panel in (left, right):
        panel.plot([1, 10, 100], [1, 30, 1000], marker="o")
        style.label(panel, "a curve of β", 10, 30, style.ACCENT)
    return made


def test_a_legend_says_on_phones_what_it_says_on_wide_pages() -> None:
    """An error bar's handle does not know its name: a legend made of handles alone would not name it."""
    made, axis = style.canvas()
    axis.errorbar([1, 2], [1, 2], [0.1, 0.1], label="measured")
    axis.plot([1, 2], [2, 1], label="predicted")
    axis.legend()
    for form in ElementTree.fromstring(inline(made)):
        assert {"measured", "predicted"} <= set(words(form))


@pytest.fixture(scope="module")
def drawn(figure: Figure) -> tuple[ElementTree.Element, ElementTree.Element]:
    """Its forms for wide pages and for phones."""
    wide, narrow = ElementTree.fromstring(inline(figure))
    return wide, narrow


def words(svg: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in svg.iter("text")]


def test_a_figure_stays_as_it_is_when_it_is_put_into_a_page(figure: Figure) -> None:
    size, texts = tuple(figure.get_size_inches()), [text.get_text() for text in figure.findobj(Text)]
    inline(figure)
    assert tuple(figure.get_size_inches()) == size
    assert [text.get_text() for text in figure.findobj(Text)] == texts
    assert all(panel.texts[0].get_path_effects() for panel in figure.axes)


def test_words_are_words_also_in_formulas_and_where_they_have_a_halo(drawn: tuple[ElementTree.Element, ...]) -> None:
    wide, _ = drawn
    assert {"height (m)", "left & <first>", "spread of the logits, s", "a curve of β", "102"} <= set(words(wide))
    haloed = [part for part in wide.iter() if part.get("class") == HALO]
    assert [words(part) for part in haloed] == [["a curve of β"]] * 2


def test_nothing_of_a_figure_reaches_beyond_it(figure: Figure) -> None:
    """A style sheet would be the page's, and clip paths are found by their ids."""
    first, second = inline(figure), inline(style.canvas()[0])
    assert "<style" not in first
    assert "<metadata" not in first
    ids = [re.findall(r'\bid="([^"]+)"', text) for text in (first, second)]
    assert len(ids[0]) > 4
    assert len({*ids[0], *ids[1]}) == len(ids[0]) + len(ids[1])
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', first)) == set(ids[0])


def test_on_phones_panels_stand_one_above_the_other_each_with_its_names(
    drawn: tuple[ElementTree.Element, ...],
) -> None:
    wide, narrow = drawn
    assert float(wide.attrib["viewBox"].split()[2]) > 72 * 6
    assert float(narrow.attrib["viewBox"].split()[2]) == pytest.approx(72 * WIDTH, abs=15)
    assert float(narrow.attrib["height"].removesuffix("pt")) > 1.8 * float(wide.attrib["height"].removesuffix("pt"))
    assert words(wide).count("height (m)") == 1
    assert words(narrow).count("height (m)") == 2
    assert sum("long name" in line for line in words(narrow)) == 1
    assert "a long name of an axis that no phone has room for on a single line of its own" not in words(narrow)


def test_under_quarto_a_figure_gets_the_alternative_text_of_its_cell(tmp_path: Path) -> None:
    source = tmp_path / "one.qmd"
    source.write_text('```{python}\n#| fig-alt: "Below \\"5\\" & < 6."\nfigures.a(result)\n```\n', encoding="utf-8")
    under = f'quarto = {{doc = {{input_file = "{source}"}}}}\nreturn dofile("{ROOT}/book/theme/alt.lua")'
    (tmp_path / "under_quarto.lua").write_text(under, encoding="utf-8")
    shown = '::: {.cell}\n```{=html}\n<div class="drawing" role="img"><svg></svg></div>\n```\n:::\n'

    def html(text: str) -> tuple[str, str]:
        command = [program(), "-f", "markdown", "-t", "html", "-L", str(tmp_path / "under_quarto.lua")]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, encoding="utf-8")
        return done.stdout, done.stderr

    assert 'role="img" aria-label="Below &quot;5&quot; &amp; &lt; 6."><svg>' in html(shown)[0]
    out, said = html(shown * 2)
    assert "aria-label" not in out
    assert "2 figures, and 1 lines" in said


@pytest.fixture(params=["phone", "desk"])
def pages(request: pytest.FixtureRequest, site: Path, browser: Browser) -> Iterator[Page]:
    """A window as wide as a phone, or as a desk's screen."""
    window = browser.new_page(viewport=PHONE if request.param == "phone" else DESK)
    yield window
    window.close()


def opened(window: Page, site: Path, chapter: str) -> Page:
    window.goto((site / chapter).as_uri())
    window.evaluate("document.fonts.ready")
    return window


def test_words_of_figures_are_found_by_the_browser_read_in_the_books_typeface_and_large_enough(
    site: Path, pages: Page
) -> None:
    look = """() => [...document.querySelectorAll(".drawing text")].filter((text) => text.checkVisibility()).map((text) => {
      const svg = text.ownerSVGElement, scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
      const parts = text.querySelector("tspan") ? [...text.querySelectorAll("tspan")] : [text];
      const base = Math.max(...parts.map((part) => parseFloat(getComputedStyle(part).fontSize)));
      const all = text.getBoundingClientRect(), page = svg.getBoundingClientRect();
      return [text.textContent, base * scale, getComputedStyle(text).fontFamily.split(",")[0],
              all.left >= page.left - 1 && all.right <= page.right + 1 && all.top >= page.top - 1 && all.bottom <= page.bottom + 1];
    })"""
    for chapter in CHAPTERS:
        found = opened(pages, site, chapter).evaluate(look)
        assert len(found) > 20, chapter
        assert [words for words, size, *_ in found if size < NINE_POINTS] == [], chapter
        assert {family for *_, family, _ in found} == {'"Notes Serif Small"'}, chapter
        assert [words for words, *_, inside in found if not inside] == [], chapter
        longest = max((words for words, *_ in found), key=len)
        assert pages.evaluate("(words) => window.find(words)", longest), f"{chapter}: {longest}"
        assert pages.evaluate("document.fonts.check('12px \"Notes Serif Small\"')")
        ids = pages.evaluate("[...document.querySelectorAll('[id]')].map((part) => part.id)")
        assert len(ids) == len(set(ids)), chapter


def test_the_fonts_have_every_letter_of_every_figure(site: Path) -> None:
    have = SMALL | set(TTFont(FONTS / "stix-two-math.woff2").getBestCmap())
    for chapter in CHAPTERS:
        drawings = re.findall(r'(?s)<div class="drawing".*?</div>', (site / chapter).read_text("utf-8"))
        letters = {ord(letter) for text in drawings for letter in "".join(ElementTree.fromstring(text).itertext())}
        assert drawings
        assert {chr(code) for code in letters - have} == set(), chapter


def test_words_are_as_wide_in_the_browser_as_where_they_were_placed(site: Path, pages: Page) -> None:
    """So what does not overlap in matplotlib's layout does not overlap on the page."""
    look = """() => [...document.querySelectorAll(".drawing text:not(:has(tspan))")].filter((text) => text.checkVisibility())
      .map((text) => [text.textContent, parseFloat(getComputedStyle(text).fontSize), text.getComputedTextLength()])"""
    for chapter in CHAPTERS:
        for words, size, width in opened(pages, site, chapter).evaluate(look):
            placed, _, _ = text_to_path.get_text_width_height_descent(words, FontProperties(size=size), ismath=False)
            elsewhere = set(map(ord, words)) - SMALL  # signs from another font, which is not matplotlib's
            unkerned = 1.2  # points: matplotlib leaves pairs such as f) unkerned after a space
            wanted = pytest.approx(placed, rel=0.06 if elsewhere else 0.02, abs=unkerned)
            assert width == wanted, f"{chapter}: {words}"


def test_under_each_figure_are_the_data_that_it_shows_to_download(site: Path) -> None:
    found: dict[str, list[list[str]]] = {}
    for chapter in CHAPTERS:
        figures = re.findall(r'(?s)<div class="drawing".*?<figcaption', (site / chapter).read_text("utf-8"))
        found[chapter] = [re.findall(r'<a href="\.\./(results/\w+/\w+\.csv)">', figure) for figure in figures]
        assert any(found[chapter]), chapter
        assert all((site / file).is_file() for files in found[chapter] for file in files), chapter
    drawn = [files for figures in found.values() for files in figures]
    assert sum(map(bool, drawn)) > 0.8 * len(drawn)  # some show no result
    assert found["book/update_ratio.html"][:2] == [
        ["results/update_ratio/sweep.csv"],
        ["results/update_ratio/watch.csv"],
    ]


def test_a_result_notes_what_figures_look_at_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Found:
        curves: int
        runs: int
        mean: float

    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    result = noting_tables("a", Found(1, 2, 3.0), {"curves", "runs"})
    look = eval("lambda result: (result.curves, result.mean)", {"__name__": "figures.a"})
    assert (result.runs, *look(result)) == (2, 1, 3.0)
    assert data_shown() == ["results/a/curves.csv"]
    assert data_shown() == []
    assert replace(result, runs=4).runs == 4
    assert isinstance(result, Found)
