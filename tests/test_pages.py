"""Every page of the site in a browser: nothing for axe to find, light enough to load, and the ledger's filters."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from press.book import Chapter
from press.read.project import read_project

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = read_project(ROOT).chapters
MOST = 500 * 1024  # bytes of a page as sent, its figures aside


@pytest.fixture
def ledger(browser: Browser, site: Path) -> Iterator[Page]:
    """The ledger, opened."""
    page = browser.new_page()
    page.goto((site / "book/ledger.html").as_uri())
    yield page
    page.close()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.path.stem)
def test_axe_finds_nothing(browser: Browser, site: Path, chapter: Chapter) -> None:
    for width, scheme in ((390, "dark"), (1280, "light")):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.goto((site / chapter.html).as_uri())
        page.evaluate("document.fonts.ready")
        found = Axe().run(page, options={"preload": False})  # of style sheets, which no page may read from files
        page.close()
        assert found.violations_count == 0, f"{width} px, {scheme}: {found.generate_report()}"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.path.stem)
def test_a_page_without_its_figures_is_lighter_than_500_kib(browser: Browser, site: Path, chapter: Chapter) -> None:
    page = browser.new_page()
    loaded: set[str] = set()
    page.on("request", lambda request: loaded.add(urlsplit(request.url).path))
    page.goto((site / chapter.html).as_uri())
    page.evaluate("document.fonts.ready")
    page.close()
    files = [Path(unquote(path)) for path in loaded]
    packed = [file for file in files if file.suffix in (".html", ".css", ".js")]
    fonts = [file for file in files if file.suffix == ".woff2"]  # packed already
    assert len(packed) > 3 and fonts
    sizes = {file.name: len(gzip.compress(file.read_bytes())) for file in packed}
    sizes |= {file.name: file.stat().st_size for file in fonts}
    assert sum(sizes.values()) < MOST, sizes


def _rows(page: Page) -> list[str]:
    """Return the words of the rows that are shown, in order."""
    return [row.inner_text() for row in page.locator("table tbody tr:visible").all()]


def test_the_ledger_is_filtered_by_verdict_part_and_words(ledger: Page) -> None:
    claims = json.loads(ledger.locator(".ledger script").text_content() or "")
    said = ledger.locator(".ledger-controls output")
    expect(said).to_have_text(f"{len(claims)} of {len(claims)} claims")
    for tick in ledger.locator(".ledger-controls input[type=checkbox]").all()[1:]:
        tick.focus()
        tick.press("Space")
    kept = ledger.locator(".ledger-controls input[type=checkbox]").first.get_attribute("value")
    wanted = sum(claim["verdict"] == kept for claim in claims)
    expect(said).to_have_text(f"{wanted} of {len(claims)} claims")
    assert len(_rows(ledger)) == wanted
    assert ledger.locator(f"table tr:visible .verdict-{str(kept).lower()}").count() == wanted

    ledger.reload()
    ledger.get_by_role("combobox", name="Part").select_option("Optimisers")
    assert len(_rows(ledger)) == sum(claim["part"] == "Optimisers" for claim in claims) > 0
    ledger.get_by_label("Words").fill("Momentum  zzzz")
    expect(said).to_have_text(f"0 of {len(claims)} claims")
    ledger.get_by_label("Words").fill("AVERAGE")
    assert _rows(ledger) and all("average" in row.lower() for row in _rows(ledger))


def test_the_ledger_shows_what_failed_first_or_the_order_of_the_book(ledger: Page) -> None:
    def order() -> list[str]:
        ids: list[str] = ledger.eval_on_selector_all("[id^=ledger-claim]", "all => all.map(one => one.id.slice(7))")
        return ids

    claims = json.loads(ledger.locator(".ledger script").text_content() or "")
    before = order()
    assert before == [claim["anchor"] for claim in claims]
    assert claims[0]["verdict"] == "FAILS" and claims[-1]["verdict"] == "HOLDS"
    ledger.get_by_role("combobox", name="Order").select_option("book")
    assert order() == [claim["anchor"] for claim in sorted(claims, key=lambda claim: claim["place"])] != before
    ledger.get_by_role("combobox", name="Order").select_option("failed")
    assert order() == before


def test_each_claim_of_the_ledger_has_an_address_of_its_own(ledger: Page) -> None:
    claims = json.loads(ledger.locator(".ledger script").text_content() or "")
    links = ledger.locator("a.ledger-link")
    assert [link.get_attribute("href") for link in links.all()] == [f"#ledger-{claim['anchor']}" for claim in claims]
    links.last.click()
    assert ledger.url.endswith(f"#ledger-{claims[-1]['anchor']}")
    expect(ledger.locator("table tbody tr").last).to_be_in_viewport()


def test_the_ledgers_filters_fit_a_phone_and_without_script_it_is_a_plain_table(browser: Browser, site: Path) -> None:
    address = (site / "book/ledger.html").as_uri()
    phone = browser.new_page(viewport={"width": 390, "height": 800}, has_touch=True)
    phone.goto(address)
    for control in phone.locator(".ledger-controls :is(input, select)").all():
        box = control.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
    shown = len(_rows(phone))
    phone.locator(".ledger-controls label:has(input[type=checkbox])").first.tap()
    assert 0 < len(_rows(phone)) < shown
    phone.close()

    plain = browser.new_page(java_script_enabled=False)
    plain.goto(address)
    assert not plain.locator(".ledger").is_visible()
    assert plain.locator("table tbody tr:visible").count() == shown
    plain.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_a_page_keeps_its_place_when_its_fonts_arrive(browser: Browser, site: Path, width: int) -> None:
    """What moves is counted as browsers do: the share of the window that moves, times how far.  The best of a few loads: a busy
    machine may hand the fonts over late, and then a word or two change lines."""
    count = """window.moved = 0;
      new PerformanceObserver((list) => list.getEntries().forEach((entry) => { window.moved += entry.value; }))
        .observe({ type: "layout-shift", buffered: true });"""
    moved = {}
    for chapter in CHAPTERS:
        for _ in range(4):
            page = browser.new_page(viewport={"width": width, "height": 850})
            page.add_init_script(count)
            page.goto((site / chapter.html).as_uri())
            page.evaluate("document.fonts.ready")
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            moved[chapter.path.stem] = page.evaluate("window.moved")
            page.close()
            if moved[chapter.path.stem] < 0.05:
                break
    moved["ledger"] -= 0.03  # whose filters are put in by the script, above the table
    assert {name: share for name, share in moved.items() if share >= 0.05} == {}
