"""The site in a real browser: searching, reading in the dark, on a phone, by keyboard, on paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

PAGES = ["index", "references", *(f"chapters/{name}" for name in ("circles", "counting", "looks", "notation"))]
LOOKS = "chapters/looks.html"
Open = Callable[..., Page]

# The lowest contrast between text and what is behind it, over all elements with words of their own.
CONTRAST = """(selector) => {
  const rgba = (colour) => {
    const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
    context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = rgba(colour).slice(0, 3).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
      if (rgba(colour)[3] > 0) throw new Error("half-transparent ground: " + e.className);
    }
    return "white";
  };
  const found = [];
  for (const element of document.querySelectorAll(selector)) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility({ visibilityProperty: true })) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(ground(element))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), element.tagName + "." + element.className + ": " + element.textContent.slice(0, 20)]);
  }
  return found.sort((x, y) => x[0] - y[0]);
}"""

expect.set_options(timeout=60_000)  # milliseconds: the machine may be busy


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Open]:
    """Open pages of the site, each in a window of its own; what the console says against them fails the test."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_(page: str = LOOKS, width: int = 1280, height: int = 900, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        window = context.new_page()
        window.set_default_timeout(60_000)
        window.on(
            "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
        )
        window.on("pageerror", lambda error: complaints.append(str(error)))
        window.on(
            "request",
            lambda request: None if request.url.startswith((address, "data:")) else complaints.append(request.url),
        )
        window.goto(page if page.startswith("file:") else address + page)
        return window

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def test_search_finds_a_word_and_enter_opens_its_place(open_page: Open) -> None:
    page = open_page("index.html")
    page.keyboard.press("/")
    expect(page.locator("#search-input")).to_be_focused()
    page.keyboard.type("sphericity")
    expect(page.locator("#search-results mark").first).to_contain_text("sphericity")
    page.keyboard.press("Enter")
    page.wait_for_url("**/chapters/looks.html*")
    expect(page.locator("#search")).not_to_be_visible()


def test_search_results_can_be_walked_and_escape_closes(open_page: Open) -> None:
    page = open_page("index.html")
    page.click("#search-button")
    page.keyboard.type("circle")
    expect(page.locator("#search-results a").nth(1)).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#search-results a").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#search-input")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#search")).not_to_be_visible()


@pytest.mark.parametrize("as_file", [False, True])
def test_a_script_that_got_into_a_page_does_not_run(browser: Browser, address: str, built: Path, as_file: bool) -> None:
    """Whatever way markup takes into a page: the page's own scripts run, and no other."""
    attacks = """<script>document.title = "attacked"</script><img src="x:" onerror='document.title = "attacked"'>
    <a id="attack" href='javascript:document.title = "attacked"'>x</a><script src="data:,document.title='attacked'"></script>
    <svg onload='document.title = "attacked"'></svg><base href="https://example.org/">"""
    file = built / "attacked.html"
    file.write_text((built / "index.html").read_text().replace("</main>", f"{attacks}</main>"))
    try:
        page = browser.new_page(color_scheme="dark")
        page.goto(file.as_uri() if as_file else f"{address}attacked.html", wait_until="load")
        page.evaluate("document.getElementById('attack').click()")
        expect(page.locator("body")).to_have_class("quarto-dark")  # the inline script of the theme
        page.click("#theme-button")
        expect(page.locator("body")).to_have_class("quarto-light")
        assert page.title() != "attacked" and page.evaluate("document.baseURI").startswith(("file:", address))
        if not as_file:
            page.click("#search-button")
            page.keyboard.type("circle")
            expect(page.locator("#search-results a").first).to_be_visible()
        page.close()
    finally:
        file.unlink()


def test_search_says_when_there_is_nothing(open_page: Open) -> None:
    page = open_page("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("xyzzyq")
    expect(page.locator("#search-status")).to_have_text("Nothing found for “xyzzyq”.")


def test_search_says_when_it_has_only_the_beginning_of_a_word(open_page: Open) -> None:
    page = open_page("index.html")
    page.keyboard.press("/")
    page.fill("#search-input", "circlewise")  # an ending more is the same word
    expect(page.locator("#search-status")).to_have_text(re.compile(r"^\d+ pages?$"))
    page.fill("#search-input", "circlzzqqxy")
    expect(page.locator("#search-status")).to_have_text(
        "No page has “circlzzqqxy”; these have words that begin like it."
    )
    expect(page.locator("#search-results mark").first).to_be_visible()


def test_search_does_not_find_the_tex_of_formulas(open_page: Open) -> None:
    page = open_page("index.html")
    page.keyboard.press("/")
    page.keyboard.type("mathrm")
    expect(page.locator("#search-status")).to_contain_text("Nothing found")


def test_opened_as_a_file_the_page_is_whole_and_search_says_why_not(
    built: Path, open_page: Open, address: str, browser: Browser
) -> None:
    window = browser.new_page()
    window.goto((built / LOOKS).as_uri())
    assert window.evaluate("document.fonts.ready.then(() => document.fonts.check('16px \"Notes Serif\"'))")
    assert "Notes Serif" in window.evaluate("getComputedStyle(document.querySelector('main')).fontFamily")
    window.click("#search-button")
    expect(window.locator("#search-status")).to_have_text(
        "Search works when the site is served, not when a page is opened as a file."
    )
    window.keyboard.press("Escape")
    window.hover("main a[href='#tbl-looks-claims']")
    expect(window.locator("#preview table")).to_be_visible()
    window.close()


def dark(page: Page) -> bool:
    return bool(page.evaluate("document.body.classList.contains('quarto-dark')"))


def test_the_theme_follows_the_system(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    assert dark(page)
    page.emulate_media(color_scheme="light")
    page.wait_for_selector("body.quarto-light")


def test_a_chosen_theme_is_remembered_on_every_page_whatever_the_system_says(open_page: Open, address: str) -> None:
    page = open_page(color_scheme="light")
    page.click("#theme-button")
    assert dark(page)
    assert page.get_attribute("#theme-button", "aria-pressed") == "true"
    page.goto(address + "chapters/counting.html")
    assert dark(page)
    page.emulate_media(color_scheme="dark")
    page.click("#theme-button")
    page.goto(address + "index.html")
    assert not dark(page)


def test_figures_are_turned_around_in_the_dark_and_only_there(open_page: Open) -> None:
    read = "getComputedStyle(document.querySelector('#fig-circle img')).filter"
    page = open_page("chapters/circles.html", color_scheme="dark")
    assert page.evaluate(read) == "invert(1) hue-rotate(180deg)"
    page.emulate_media(color_scheme="light")
    page.wait_for_selector("body.quarto-light")
    assert page.evaluate(read) == "none"
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate(read) == "none"


def test_hovering_a_reference_shows_what_it_points_at(open_page: Open) -> None:
    page = open_page()
    for words, shown in {
        "Table 3.1": "What was claimed about shapes.",
        "Equation 1.1": "(1.1)",
        "Figure 1.1": "A circle of radius 2.0",
        "Exercise 1.1": "What is the area of half a circle?",
        "Section 1.1": "Area",
        "Euclid 1908": "Alexandria Press",
    }.items():
        page.locator("main > p a, main section > p a", has_text=re.compile(words.replace(" ", r"\s"))).first.hover()
        expect(page.locator("#preview")).to_contain_text(shown)
        if words.startswith("Figure"):
            page.wait_for_function("document.querySelector('#preview img').naturalWidth > 0")
        page.mouse.move(2, 2)
        expect(page.locator("#preview")).to_have_count(0)


def test_focus_shows_a_preview_and_escape_takes_it_away(open_page: Open) -> None:
    page = open_page()
    page.locator("main a.footnote-ref").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#preview")).to_contain_text("The note at the foot.")
    assert page.get_attribute("main a.footnote-ref", "aria-describedby") == "preview"
    page.keyboard.press("Escape")
    expect(page.locator("#preview")).to_have_count(0)


def test_the_first_tap_shows_and_the_second_goes(open_page: Open) -> None:
    page = open_page(width=390, height=800, has_touch=True, is_mobile=True)
    link = page.locator("main a", has_text="Figure\u00a01.1")
    link.tap()
    expect(page.locator("#preview .go")).to_be_visible()
    page.locator("#preview .go").tap()
    page.wait_for_url("**/chapters/circles.html#fig-circle")


def test_the_copy_button_copies_the_code(open_page: Open) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    box = page.locator(".code-box", has_text="decorated")
    box.hover()
    box.locator(".copy").click()
    expect(box.locator(".copy")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith('@decorated\ndef count(things: list[str], start: int = 0) -> float:\n    """Count')
    assert copied.endswith("or None")


def test_what_a_cell_printed_has_no_copy_button(open_page: Open) -> None:
    page = open_page("chapters/circles.html")
    assert page.locator(".cell-output-stdout").count()
    assert page.locator(".cell-output-stdout .copy").count() == 0


@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways_at_any_width(name: str, open_page: Open) -> None:
    page = open_page(f"{name}.html")
    for width in (360, 700, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        # A script sees to formulas that are too wide, a moment later.
        page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width)


def test_wide_tables_and_formulas_scroll_inside_and_by_keyboard_and_code_goes_on_below(open_page: Open) -> None:
    page = open_page(width=390)
    code = page.locator("main pre.python").first
    assert code.evaluate("box => box.scrollWidth <= box.clientWidth + 1")
    lines = code.locator("code > span")
    heights = lines.evaluate_all("all => all.map((line) => line.getBoundingClientRect().height)")
    assert max(heights) > 1.8 * min(height for height in heights if height)  # one of them is too long for the page
    for name in (".table-scroll:has-text('sixth')", "#eq-looks-wide .math-scroll"):
        box = page.locator(f"main {name}").first
        assert box.evaluate("box => box.scrollWidth > box.clientWidth + 1"), name
        box.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("box => box.scrollLeft > 0", arg=box.element_handle())


def test_a_formula_in_a_line_scrolls_only_while_the_line_is_too_narrow(open_page: Open) -> None:
    page = open_page(width=390)
    expect(page.locator("main p .math-scroll.too-wide")).to_have_count(1)
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(page.locator("main p .math-scroll.too-wide")).to_have_count(0)
    assert page.locator("main p > math, main p > .together > math").count() > 3


def test_tables_of_prose_are_stacked_on_a_phone_and_stay_tables(open_page: Open) -> None:
    page = open_page(width=390)
    cells = page.locator("#tbl-looks-claims tbody tr").first.locator("td")
    claim, line, verdict, number = (cells.nth(place).bounding_box() or {} for place in range(4))
    assert claim["width"] > 300
    assert line["y"] >= claim["y"] + claim["height"]
    assert abs(verdict["y"] - number["y"]) < 8
    expect(page.get_by_role("cell", name="Squares are round.")).to_be_visible()
    page.set_viewport_size({"width": 700, "height": 900})
    claim, number = (cells.nth(place).bounding_box() or {} for place in (0, 3))
    assert abs(claim["y"] - number["y"]) < 8


def _insert(page: Page, table: str) -> None:
    page.locator("main.content section").first.evaluate(
        "(section, table) => section.insertAdjacentHTML('afterbegin', table)",
        f'<table class="table" id="new">{table}</table>',
    )


def test_on_a_phone_every_unit_of_the_notation_is_called_one(open_page: Open) -> None:
    """Of symbols that have a name in the code, and of those that have none."""
    page = open_page(width=390)
    rows = "".join(
        f"<tr><td>l</td><td>{name}</td><td>loss</td><td>nats</td></tr>" for name in ("<code>loss</code>", "")
    )
    _insert(page, f"<colgroup>{'<col>' * 4}</colgroup><tbody>{rows}</tbody>")
    units = page.locator("#new td:last-child").evaluate_all(
        "all => all.map(td => getComputedStyle(td, '::before').content)"
    )
    assert units == ['"unit: "'] * 2


@pytest.mark.parametrize("width", [1280, 390])
def test_columns_of_numbers_are_as_wide_as_the_numbers_and_words_stay_whole(open_page: Open, width: int) -> None:
    """Whatever widths pandoc made up; a head that is cut to two lines is not cut inside a word."""
    page = open_page(width=width)
    right = "style='text-align: right;'"
    head = f"<tr><th>start</th><th {right}>no normalisation (units)</th></tr>"
    row = f"<tr><td>as drawn</td><td {right}>1 min 46 s</td></tr>"
    widths = "<col style='width: 85%'><col style='width: 15%'>"
    _insert(page, f"<colgroup>{widths}</colgroup><thead>{head}</thead><tbody>{row}</tbody>")
    start, number = (page.locator("#new td").nth(place).bounding_box() or {} for place in (0, 1))
    assert start["width"] < 1.5 * number["width"]
    assert number["height"] < 40
    assert not page.locator("#new th").last.evaluate("""head => {
      const word = document.createRange(), at = head.firstChild.data.indexOf("normalisation");
      word.setStart(head.firstChild, at); word.setEnd(head.firstChild, at + "normalisation".length);
      return word.getClientRects().length > 1;
    }""")


def test_a_verdict_is_a_colour_a_word_and_a_mark(open_page: Open) -> None:
    page = open_page()
    read = "e => [getComputedStyle(e).color, e.textContent, getComputedStyle(e, '::before').content.split(' ')[0]]"
    seen = [page.locator(f"main .verdict-{name}").evaluate(read) for name in ("holds", "caveat", "fails", "undecided")]
    for channel in zip(*seen, strict=True):
        assert len(set(channel)) == 4


def test_the_skip_link_is_first_and_leads_to_the_text(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    assert page.evaluate("document.activeElement.getBoundingClientRect().top >= 0")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_focus_can_be_seen_wherever_it_goes(open_page: Open) -> None:
    page = open_page()
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        tag, name, style, width = page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.tagName, e.textContent.trim().slice(0, 20), s.outlineStyle, parseFloat(s.outlineWidth)] })()"
        )
        if tag == "BODY":
            break
        assert style != "none", f"{tag} {name}"
        assert width >= 2, f"{tag} {name}"
        seen.add(tag)
    assert seen >= {"A", "BUTTON", "SUMMARY"}


def test_the_drawer_opens_by_keyboard_and_escape_gives_the_focus_back(open_page: Open) -> None:
    page = open_page(width=390, height=800)
    expect(page.locator("#quarto-sidebar")).not_to_be_visible()
    page.locator("#menu").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#quarto-sidebar a[aria-current]")).to_be_focused()
    assert page.get_attribute("#menu", "aria-expanded") == "true"
    page.keyboard.press("Escape")
    expect(page.locator("#quarto-sidebar")).not_to_be_visible()
    expect(page.locator("#menu")).to_be_focused()


def test_a_tap_beside_the_drawer_closes_it(open_page: Open) -> None:
    page = open_page(width=390, height=800, has_touch=True, is_mobile=True)
    page.tap("#menu")
    expect(page.locator("#quarto-sidebar")).to_be_visible()
    page.touchscreen.tap(370, 600)
    expect(page.locator("#quarto-sidebar")).not_to_be_visible()


def test_headings_link_to_themselves(open_page: Open) -> None:
    page = open_page()
    heading = page.locator("h2", has_text="Code in all its colours")
    heading.hover()
    heading.locator(".anchorjs-link").click()
    assert page.url.endswith("#code-in-all-its-colours")


def test_the_contents_show_where_one_is(open_page: Open) -> None:
    page = open_page(height=500)
    page.locator("#TOC a", has_text="A table without heads").click()
    expect(page.locator("#TOC a[aria-current]")).to_contain_text("A table without heads")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_code_stand_out_from_their_ground(open_page: Open, address: str, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true })")
    found = page.evaluate(CONTRAST, "body *:not(.copy, .screen-reader-only, .screen-reader-only *)")
    assert len(found) > 120
    kinds = page.evaluate("[...new Set([...document.querySelectorAll('code span[class]')].map((e) => e.className))]")
    assert {"co", "kw", "st", "dv"} <= set(kinds)
    assert found[0][0] >= 4.5, found[:5]


def test_on_paper_only_the_text_is_left_and_solutions_are_open(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    for hidden in ("#quarto-sidebar", ".top", ".copy", ".page-navigation", "#quarto-margin-sidebar"):
        expect(page.locator(hidden).first).not_to_be_visible()
    expect(page.get_by_text("the word for it is sphericity")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(CONTRAST, "main *:not(.screen-reader-only, .screen-reader-only *)")[0][0] >= 4.5
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.querySelector('main details').open") is False


def test_on_a_phone_a_figure_can_be_enlarged_and_then_scrolls_by_keyboard(open_page: Open) -> None:
    page = open_page("chapters/circles.html", width=390)
    figure = page.locator("#fig-circle")
    box, button = figure.locator(".figure-box"), figure.get_by_role("button", name="Enlarge")
    before = figure.locator("img").bounding_box()
    button.press("Enter")
    after = figure.locator("img").bounding_box()
    assert before and after and before["width"] <= 390 < after["width"]
    assert box.get_attribute("tabindex") == "0" and box.get_attribute("aria-label") == "Figure, scrolls sideways"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    figure.get_by_role("button", name="Whole figure").click()
    whole = figure.locator("img").bounding_box()
    assert whole and whole["width"] == before["width"]
    assert box.get_attribute("tabindex") is None and box.get_attribute("role") is None


def test_on_a_wide_screen_figures_need_no_enlarging(open_page: Open) -> None:
    page = open_page("chapters/circles.html")
    expect(page.locator(".enlarge").first).not_to_be_visible()


def test_the_text_is_set_in_the_fonts_that_are_shipped(open_page: Open) -> None:
    page = open_page()
    page.evaluate("document.fonts.ready")
    loaded = page.evaluate("[...document.fonts].filter((font) => font.status === 'loaded').map((font) => font.family)")
    assert {name.strip('"') for name in loaded} >= {"Notes Serif", "Notes Code", "STIX Two Math"}


def test_a_root_leaves_no_gap_after_it(open_page: Open) -> None:
    """A browser makes room for a root's widest form; in the shipped font it is hardly wider than the plain one."""
    page = open_page()
    gap = page.evaluate(
        """async () => {
          await document.fonts.ready;
          const box = document.createElement("p");
          box.style.fontSize = "100px";
          box.innerHTML = "<math><msqrt><mi>n</mi></msqrt></math>";
          document.querySelector("main").append(box);
          const root = box.querySelector("msqrt").getBoundingClientRect();
          return root.right - box.querySelector("mi").getBoundingClientRect().right;
        }"""
    )
    assert gap < 10  # hundredths of an em; 36 in the font as its makers ship it
