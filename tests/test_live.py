"""What moves on a page, in a real browser: figures, the lines of verdicts, the glossary's notes; alone, and in the book."""

from __future__ import annotations

import csv
import html
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pypandoc
import pytest
from axe_playwright_python.sync_playwright import Axe
from fontTools.ttLib import TTFont
from playwright.sync_api import Browser, Page, expect

from lab.claims import Above, All, Below, Caveat, Equals, Rule, Verdict, Within
from lab.claims import Any as AnyOf
from lab.errors import LabError
from lab.keys.experiments import load, names
from lab.live import Axis, Curve, Frame, Live, Slider, data, explore
from lab.read import read

ROOT = Path(__file__).resolve().parents[1]
THEME = ROOT / "book/theme"
QUESTIONS = [name for name in names(ROOT) if (ROOT / f"book/{name}.qmd").exists()]
WITH_LINES = [name for name in QUESTIONS if "strip(" in (ROOT / f"book/{name}.qmd").read_text(encoding="utf-8")]
MOVING = [name for name in QUESTIONS if "explore(" in (ROOT / f"book/{name}.qmd").read_text(encoding="utf-8")]
Open = Callable[..., Page]
INVISIBLE = {
    0x2060,
    0x2061,
    0x2062,
    0x200B,
    0xAD,
    0xFE0E,
}  # joiners, spaces, applied functions, and how a sign is drawn

EXAMPLE = Live(
    title="Move the <gain> & see",
    x=Axis("layer"),
    y=Axis("RMS", log=True),
    controls=[
        Slider("gain", ["0.5", "1", "2"], start=1),
        Slider("bias", ["without", "with"], switch=True),
    ],
    frames=[
        Frame(
            f"Gain {gain}{', with a bias' * bias}: after {{x}} layers the RMS is {{0}}.",
            [Curve("measured", [1, 2, 3, 4], [gain**n + bias for n in range(1, 5)], low=[0.01] * 4, high=[30] * 4)],
        )
        for gain, bias in itertools.product((0.5, 1.0, 2.0), (0, 1))
    ],
    fixed=[Curve("theory", [1, 2, 3], [1, 1, math.nan], meaning="predicted")],
    position="layer",
)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open pages from files; what the console says against them fails the test."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_(file: Path, width: int = 1280, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda it: complaints.append(it.text) if it.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A page with one figure to move and nothing else."""
    return _page(tmp_path, _html(explore(EXAMPLE).data))


def _html(markdown: str) -> str:
    (found,) = re.findall(r"(?s)```\{=html\}\n(.*)\n```", markdown)
    return str(found)


def _page(folder: Path, inside: str) -> Path:
    (folder / "theme").symlink_to(THEME)
    page = folder / "page.html"
    page.write_text(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A page</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="theme/book.css"></head><body class="quarto-light"><main class="content"><h1>A page</h1>{inside}</main></body></html>',
        encoding="utf-8",
    )
    return page


# ---- the figure ----


def test_the_keyboard_moves_the_figure_and_the_sentence_follows(open_page: Open, example: Path) -> None:
    page = open_page(example)
    gain = page.get_by_label("gain", exact=True)
    sentence = page.locator(".live-sentence")
    expect(sentence).to_have_text("Gain 1.0: after 4 layers the RMS is 1.")
    gain.focus()
    page.keyboard.press("ArrowRight")
    expect(gain).to_have_attribute("aria-valuetext", "2")
    expect(sentence).to_have_text("Gain 2.0: after 4 layers the RMS is 16.")
    page.get_by_label("bias").press("Space")
    expect(sentence).to_have_text("Gain 2.0, with a bias: after 4 layers the RMS is 17.")
    page.get_by_label("layer", exact=True).press("Home")
    expect(sentence).to_have_text("Gain 2.0, with a bias: after 1 layers the RMS is 3.")
    page.get_by_role("button", name="Start again").click()
    expect(sentence).to_have_text("Gain 1.0: after 4 layers the RMS is 1.")
    assert sentence.evaluate("e => e.tagName") == "OUTPUT"  # read aloud when it changes


def test_every_point_tells_its_value_and_interval_to_pointer_and_keyboard(open_page: Open, example: Path) -> None:
    page = open_page(example)
    dots = page.locator(".live-dot")
    assert [dot.get_attribute("aria-label") for dot in dots.all()][:3] == [
        "theory: layer 1, RMS 1",
        "theory: layer 2, RMS 1",
        "measured: layer 1, RMS 1 (0.01 to 30)",
    ]  # the third of the theory is NaN: no point
    assert page.locator(".live-dot[tabindex='0']").count() == 1  # one stop for the tab key, arrows from there
    page.locator(".live-dot[tabindex='0']").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".live-note")).to_have_text("theory: layer 2, RMS 1")
    last = dots.last
    last.evaluate("e => e.scrollIntoView({block: 'center'})")
    box = last.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    expect(page.locator(".live-note")).to_contain_text("layer 4")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(
    open_page: Open, example: Path, width: int, dark: bool
) -> None:
    page = open_page(example, width)
    if dark:
        page.evaluate("document.body.className = 'quarto-dark'; document.body.style.background = '#15191e'")
    found = Axe().run(page, options={"preload": False})  # of style sheets, which no page may read from files
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_script_and_on_paper_there_is_no_figure_to_move(open_page: Open, example: Path) -> None:
    assert not open_page(example, java_script_enabled=False).locator(".live").is_visible()
    page = open_page(example)
    page.emulate_media(media="print")
    assert not page.locator(".live").is_visible()


def test_a_figure_that_does_not_add_up_is_refused() -> None:
    with pytest.raises(LabError, match="2 frames for 3 settings"):
        Live("Move", Axis("x"), Axis("y"), [Slider("gain", ["1", "2", "3"])], [Frame("a"), Frame("b")])
    with pytest.raises(LabError, match=r"x, y, low and high have \[1, 2\] points"):
        Curve("measured", [1, 2], [1])
    with pytest.raises(LabError, match="both low and high"):
        Curve("measured", [1], [1], low=[0])
    with pytest.raises(LabError, match="no meaning 'blue'"):
        Curve("measured", [1], [1], meaning="blue")


def test_no_text_of_a_figure_ends_its_data() -> None:
    assert "</script>" not in data({"sentence": "</script><b>"}).removesuffix("</script>")
    assert json.loads(re.findall(r">(.*)<", data("</script>"))[0]) == "</script>"


# ---- the lines ----

ENDS = [-math.inf, -1.0, 0.0, 0.5, 1.0, 1.0000000000000002, 2.0, math.inf, math.nan]


def _rules() -> Iterator[Rule[int]]:
    """Rules on intervals of all kinds, those with swapped ends among them: as the page gets them, not sorted."""
    for low, high in itertools.product(ENDS, ENDS):
        ends = (low, high)
        yield Above("it", lambda r, e=ends: e, 1.0)
        yield Below("it", lambda r, e=ends: e, 1.0)
        yield Within("it", lambda r, e=ends: e, 0.5, 1.0)
        yield Equals("it", lambda r, e=ends: e, 1.0, 0.5)
    some = [Above("it", lambda r, e=ends: e, 1.0) for ends in [(2.0, 3.0), (0.0, 0.5), (0.5, 2.0), (math.nan, 2.0)]]
    yield Above("none", lambda r: [], 1.0)
    yield Above("several", lambda r: [(2.0, 3.0), (0.5, 2.0)], 1.0)
    for one, other in itertools.product(some, some):
        both: list[Rule[int]] = [All(one, other), AnyOf(one, other), Caveat(one, other)]
        yield from both
        yield from (Caveat(one, inner) for inner in both)
        yield from (All(inner, other) for inner in both)
        yield from (AnyOf(inner, other) for inner in both)


def test_the_page_evaluates_every_kind_of_rule_as_python_does(open_page: Open, example: Path) -> None:
    page = open_page(example)
    rules = list(_rules())
    found = page.evaluate("rules => rules.map(notesMeasured.verdict)", [rule.packed(0) for rule in rules])
    wanted = [rule.verdict(0).name for rule in rules]
    assert set(wanted) == {verdict.name for verdict in Verdict}
    wrong = [(rule.packed(0), f, w) for rule, f, w in zip(rules, found, wanted, strict=True) if f != w]
    assert wrong == []
    swapped = page.evaluate("notesMeasured.verdict({kind: 'above', thresholds: [1], intervals: [[3, 2]]})")
    assert swapped == "HOLDS"


def _unpacked(rule: dict[str, Any]) -> Rule[int]:
    """Return a rule from its JSON."""
    if "rules" in rule:
        joined = {"all": All, "any": AnyOf, "caveat": Caveat}[rule["kind"]]
        return joined(*(_unpacked(one) for one in rule["rules"]))
    ends = [(float(low), float(high)) for low, high in rule["intervals"]]
    lines = [float(line) for line in rule["thresholds"]]
    if len(lines) == 2:
        return Within("", lambda r: ends, *lines)
    return {"above": Above, "below": Below}[rule["kind"]]("", lambda r: ends, *lines)


def _leaves(rule: dict[str, Any]) -> list[dict[str, Any]]:
    return [leaf for one in rule["rules"] for leaf in _leaves(one)] if "rules" in rule else [rule]


def _moved(rule: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rule with one of its lines put on each end of what was measured, and just beside it."""
    for k, leaf in enumerate(_leaves(rule)):
        for t, end in itertools.product(
            range(len(leaf["thresholds"])), {e for pair in leaf["intervals"] for e in pair}
        ):
            value = float(end)
            for line in (math.nextafter(value, -math.inf), value, math.nextafter(value, math.inf)):
                if math.isfinite(line):
                    other = json.loads(json.dumps(rule))
                    _leaves(other)[k]["thresholds"][t] = line
                    yield other


@pytest.mark.parametrize("name", WITH_LINES)
def test_on_and_beside_each_line_the_page_and_python_agree(open_page: Open, site: Path, name: str) -> None:
    page = open_page(site / f"book/{name}.html")
    claims = json.loads(page.locator(".lines script").text_content() or "")
    experiment = load(name, ROOT)
    result = read(experiment)
    assert [c["anchor"].removeprefix(f"claim-{name.replace('_', '-')}-") for c in claims] == [
        claim.name for claim in experiment.CLAIMS
    ]
    assert [c["verdict"] for c in claims] == [claim.verdict(result).name for claim in experiment.CLAIMS]
    rules = [c["rule"] for c in claims if all(leaf["kind"] != "judged" for leaf in _leaves(c["rule"]))]
    tried = [moved for rule in rules for moved in (rule, *_moved(rule))]
    assert page.evaluate("rules => rules.map(notesMeasured.verdict)", tried) == [
        _unpacked(rule).verdict(0).name for rule in tried
    ]


@pytest.mark.parametrize("name", WITH_LINES)
def test_a_moved_line_changes_the_readers_verdict_and_never_the_books(open_page: Open, site: Path, name: str) -> None:
    page = open_page(site / f"book/{name}.html")
    claims = json.loads(page.locator(".lines script").text_content() or "")
    printed = [page.locator(f"tr:has(#{claim['anchor']}) td").nth(2).text_content() for claim in claims]
    panels = page.locator("details.line")
    assert panels.count() == len(claims)
    tally = page.locator(".line-tally")
    assert not tally.is_visible()
    assert not panels.first.is_visible()  # what decides a claim is for those who ask
    page.get_by_role("button", name="Show when each claim holds").click()
    changed = 0
    for panel in panels.all():
        panel.locator("summary").click()
        for slider in panel.locator("input").all():
            mine = panel.locator(".line-verdict > span").first
            before = mine.inner_text()
            for key in ("Home", "End"):
                slider.press(key)
                changed += mine.inner_text() != before
            assert tally.is_visible()
            panel.get_by_role("button", name="Reset").click()
            assert mine.inner_text() == before
    assert changed  # some line can be moved so far that a verdict turns
    assert not tally.is_visible()
    assert printed == [page.locator(f"tr:has(#{claim['anchor']}) td").nth(2).text_content() for claim in claims]


# ---- every figure to move in the book ----


@pytest.mark.parametrize("name", MOVING)
def test_the_points_of_a_figure_to_move_are_those_of_the_data(open_page: Open, site: Path, name: str) -> None:
    page = open_page(site / f"book/{name}.html")
    known = {float(f"{number:.5g}") for file in (ROOT / "results" / name).glob("*.csv") for number in _numbers(file)}
    for figure in page.locator(".live > script").all():
        live = json.loads(figure.text_content() or "")
        curves = [*live.get("fixed", []), *(curve for frame in live["frames"] for curve in frame.get("curves", []))]
        assert curves
        for curve in curves:
            if curve["meaning"] == "measured":
                points = [*curve["y"], *curve.get("low", []), *curve.get("high", [])]
                strange = [value for value in points if value is not None and value not in known]
                assert strange == [], f"{curve['name']}: not in the data to download"


def _numbers(file: Path) -> Iterator[float]:
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            for cell in row:
                try:
                    number = float(cell)
                except ValueError:
                    continue
                if math.isfinite(number):
                    yield number


@pytest.mark.parametrize("name", MOVING)
def test_a_figure_to_move_answers_to_the_keyboard_on_a_phone(open_page: Open, site: Path, name: str) -> None:
    page = open_page(site / f"book/{name}.html", 390, color_scheme="dark")
    for figure in page.locator(".live").all():
        sentence = figure.locator(".live-sentence")
        seen = {sentence.inner_text()}
        for slider in figure.locator("input[type=range]").all():
            for key in ("Home", "End"):
                slider.press(key)
                seen.add(sentence.inner_text())
        for switch in figure.locator("input[type=checkbox]").all():
            switch.press("Space")
            seen.add(sentence.inner_text())
        assert len(seen) > 1
        assert not [words for words in seen if re.search(r"nan|undefined|\{", words, re.IGNORECASE)]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    found = Axe().run(page, context=".live", options={"preload": False})
    assert found.violations_count == 0, found.generate_report()


# ---- the glossary ----

PROSE = """# Nats and seeds

::: {.strip}
One claim
:::

The loss is 2 nats (over 4 seeds), and *nats* again; "Batch norm" has a learning
rate, an RMS, no rms, and `nats` in code.

::: {#fig-x}
![](x.svg)

A caption with logits.
:::

## Another section

Nats once more.
"""


def _terms(text: str, to: str = "html") -> list[str]:
    """The words that the filter links to the glossary."""
    found = pypandoc.convert_text(text, to, "markdown", extra_args=["-L", str(THEME / "glossary.lua")])
    return re.findall(r'(?s)<a\s[^>]*class="term"[^>]*>(.*?)</a>', found)


def test_the_first_use_of_a_term_in_a_section_is_linked_and_no_other() -> None:
    linked = [" ".join(words.split()) for words in _terms(PROSE)]
    assert linked == ["nats", "seeds", "Batch norm", "learning rate", "RMS", "Nats"]


def test_only_chapters_have_terms_and_paper_has_none() -> None:
    assert _terms(PROSE.replace("{.strip}", "{.other}")) == []
    assert _terms(PROSE, "typst") == []


def test_every_term_and_form_is_there_once_and_in_order() -> None:
    page = pypandoc.convert_text(
        "::: {#glossary}\n:::", "html", "markdown", extra_args=["-L", str(THEME / "glossary.lua")]
    )
    terms = re.findall(r'id="(term-[\w-]+)" class="term-name">(.*?)<', " ".join(page.split()))
    assert len(terms) > 30
    assert [name for _, name in terms] == sorted((name for _, name in terms), key=str.lower)
    assert len({anchor for anchor, _ in terms}) == len(terms)
    source = (THEME / "glossary.lua").read_text(encoding="utf-8")
    forms = [form for line in re.findall(r"(?m)^  \{(.*?\})", source) for form in re.findall(r'"([^"]*)"', line)]
    assert len(forms) > len(terms)
    assert len({form.lower() for form in forms}) == len(forms)


@pytest.mark.parametrize("name", WITH_LINES[:1])
def test_a_terms_sentence_shows_on_hovering_by_keyboard_and_on_the_first_tap(
    open_page: Open, site: Path, name: str
) -> None:
    page = open_page(site / f"book/{name}.html")
    term, note = page.locator("a.term").first, page.locator("#term-note")
    sentence = term.get_attribute("data-term")
    assert sentence
    assert term.get_attribute("title") is None  # or the browser would show it a second time
    term.hover()
    expect(note).to_have_text(sentence)
    page.keyboard.press("Escape")
    expect(note).to_be_hidden()
    page.locator("a.term").nth(1).focus()
    expect(note).to_be_visible()
    expect(page.locator("a.term").nth(1)).to_have_attribute("aria-describedby", "term-note")

    phone = open_page(site / f"book/{name}.html", 390, has_touch=True)
    term, note = phone.locator("a.term").first, phone.locator("#term-note")
    term.tap()
    expect(note).to_be_visible()
    assert phone.url.endswith(f"{name}.html")
    term.tap()
    phone.wait_for_url("**/notation.html#term-*")


def test_every_term_has_its_place_in_the_appendix(site: Path) -> None:
    appendix = (site / "book/notation.html").read_text(encoding="utf-8")
    for name in WITH_LINES:
        chapter = (site / f"book/{name}.html").read_text(encoding="utf-8")
        for anchor in set(re.findall(r'href="notation.html#(term-[\w-]+)"', chapter)):
            assert f'id="{anchor}"' in appendix


def test_the_fonts_have_every_character_of_every_formula_and_word(site: Path) -> None:
    fonts = [TTFont(file).getBestCmap() for file in (THEME / "fonts").glob("*.woff2")]
    mathematical = TTFont(THEME / "fonts/stix-two-math.woff2").getBestCmap()
    for page in [site / "index.html", *(site / "book").glob("*.html")]:
        text = page.read_text(encoding="utf-8")
        formulas = "".join(re.findall(r"(?s)<math.*?</math>", text))
        signs = set(html.unescape(re.sub(r"(?s)<annotation.*?</annotation>|<[^>]*>|\s", "", formulas)))
        assert {sign for sign in signs if ord(sign) not in mathematical and ord(sign) not in INVISIBLE} == set(), page
        (main,) = re.findall(r"(?s)<main.*</main>", text)
        words = set(
            html.unescape(re.sub(r"(?s)<script.*?</script>|<math.*?</math>|<svg.*?</svg>|<[^>]*>|\s", "", main))
        )
        missing = {sign for sign in words if not any(ord(sign) in font for font in fonts)}
        assert {sign for sign in missing if ord(sign) not in INVISIBLE} == set(), page
