"""What the book needs to come out of Quarto as it is meant, where Quarto is not there to show it.

Each was a fault in what Quarto 1.10.18 made of the book when it was run from its source.  Its rules are quoted from that version.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient import NotebookClient
from playwright.sync_api import Page, sync_playwright

from press.html.maths import spaced
from press.pandoc import program

ROOT = Path(__file__).resolve().parents[1]
THEME = ROOT / "book/theme"
SOURCES = [ROOT / "index.qmd", *sorted((ROOT / "book").glob("*.qmd"))]

# What stands before the book's style sheet: _bootstrap-rules.scss and _quarto-rules.scss, and darkly's box around code.
QUARTO = """
.table a { word-break: break-word }
.quarto-figure-center > figure > div { text-align: center }
figure.quarto-float-tbl figcaption.quarto-float-caption-top { text-align: center }
p code:not(.sourceCode), code { background-color: #f8f9fa; color: #9753b8 }
#title-block-header { margin-block-end: 1rem }
@media(max-width: 991.98px) { body.nav-sidebar #title-block-header { margin-block-end: 0 } }
"""
TABLE = """<div class="quarto-float quarto-figure quarto-figure-center"><figure class="quarto-float quarto-float-tbl figure">
<figcaption class="quarto-float-caption-top quarto-float-caption quarto-float-tbl">Table 1: By <code>f</code>.</figcaption><div>
<table class="table"><colgroup><col style="width: 88%"><col style="width: 12%"></colgroup><tbody><tr><td>Claim</td>
<td style="text-align: left"><a href="#">surroundingsurroundings</a></td><td><span class="verdict-holds">holds</span></td></tr>
</tbody></table></div></figure></div>"""
FORMULAS = [
    r"2 \ln 27",
    r"\tanh^2 u",
    r"\ln(x)",
    r"\eta \ln x_1 =",
    "x =",
    r"\tanh^2",
    r"1/\sqrt{n}",
    r"\sqrt{12}",
    r"a = b",
]
MARKDOWN = "\n\n".join(
    f"[${formula}$ 5]{{style='display: inline-block; font-size: 100px; white-space: nowrap'}}" for formula in FORMULAS
)
LONG = "$$" + " + ".join(["x"] * 60) + "$$"


@pytest.fixture(scope="module")
def window() -> Iterator[Page]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium.new_page(viewport={"width": 390, "height": 800})
        chromium.close()


def page(window: Page, folder: Path, body: str, css: str, scheme: str = "light") -> Page:
    """Show a body between Quarto's rules and the book's."""
    text = (
        f"<!DOCTYPE html><meta charset=utf-8><base href='{THEME.as_uri()}/'><style>{QUARTO}</style><style>{css}</style>"
    )
    file = folder / "page.html"
    file.write_text(
        f'{text}<body class="nav-sidebar quarto-{scheme}"><main class="content">{body}</main>', encoding="utf-8"
    )
    window.goto(file.as_uri())
    window.evaluate("document.fonts.ready")
    return window


@pytest.fixture(scope="module")
def css() -> str:
    return (THEME / "book.css").read_text(encoding="utf-8")


def mathml(formulas: str) -> str:
    command = [program(), "-f", "markdown", "-t", "html", "--mathml"]
    return subprocess.run(command, input=formulas, capture_output=True, text=True, check=True).stdout


def boxes(window: Page, folder: Path, html: str, css: str) -> dict[str, tuple[float, float]]:
    """Return, for each formula, the width of the text that holds it and how far it reaches below, in hundredths of an em."""
    measured = """[...document.querySelectorAll("math")].map((formula) => {
      const text = formula.parentElement.getBoundingClientRect(), own = formula.getBoundingClientRect();
      return [text.width, own.bottom - text.bottom];
    })"""
    found = page(window, folder, html, css).evaluate(measured)
    return {formula: (pair[0], pair[1]) for formula, pair in zip(FORMULAS, found, strict=True)}


def test_formulas_are_set_under_quarto_as_under_press(window: Page, tmp_path: Path, css: str) -> None:
    html = mathml(MARKDOWN)
    wanted = boxes(window, tmp_path, spaced(html), css)
    for formula, box in boxes(window, tmp_path, html, css).items():
        assert box == pytest.approx(wanted[formula], abs=3), formula


@pytest.mark.parametrize(
    ("rule", "formula"),
    [
        ("margin-right: .167em", r"\tanh^2 u"),
        ("margin-left: .167em", r"\eta \ln x_1 ="),
        ("margin-right: -.278em", "x ="),
        ("padding-top: .31em", r"1/\sqrt{n}"),
        ("padding-top: .12em", r"\sqrt{12}"),
    ],
)
def test_without_the_rule_a_formula_differs(window: Page, tmp_path: Path, css: str, rule: str, formula: str) -> None:
    assert rule in css
    html = mathml(MARKDOWN)
    wanted = boxes(window, tmp_path, spaced(html), css)
    assert boxes(window, tmp_path, html, css.replace(rule, ""))[formula] != pytest.approx(wanted[formula], abs=3)


def test_links_in_tables_do_not_break_within_words_and_nothing_is_centred(
    window: Page, tmp_path: Path, css: str
) -> None:
    look = """() => [document.querySelector("td a").getClientRects().length > 1,
      ...["figcaption", "tr"].map((name) => getComputedStyle(document.querySelector(name)).textAlign)]"""
    assert page(window, tmp_path, TABLE, "").evaluate(look) == [True, "center", "center"]
    assert page(window, tmp_path, TABLE, css).evaluate(look) == [False, "left", "left"]


def test_a_title_stands_apart_from_what_follows(window: Page, tmp_path: Path, css: str) -> None:
    body = "<header id=title-block-header><h1 style='margin: 0'>Title</h1></header><p style='margin: 0'>Text.</p>"
    gap = """document.querySelector("p").getBoundingClientRect().top
      - document.querySelector("h1").getBoundingClientRect().bottom"""
    assert page(window, tmp_path, body, "").evaluate(gap) == 0
    assert page(window, tmp_path, body, css).evaluate(gap) > 15


def test_a_table_of_prose_is_stacked_on_a_phone_also_where_quarto_drops_its_widths(
    window: Page, tmp_path: Path, css: str
) -> None:
    display = """getComputedStyle(document.querySelector("td")).display"""
    bare = TABLE.replace(TABLE[TABLE.index("<colgroup>") : TABLE.index("<tbody>")], "")
    numbers = bare.replace("text-align: left", "text-align: right")
    for body, wanted in ((TABLE, "block"), (bare, "block"), (numbers, "table-cell")):
        assert page(window, tmp_path, body, css).evaluate(display) == wanted


def test_only_the_tally_of_the_whole_book_stands_between_rules(window: Page, tmp_path: Path, css: str) -> None:
    body = "<div class=tally><p>66 hold</p></div><div class=chapter><p><a href='#'>One</a> <span class=tally>5 hold</span></p></div>"
    rules = """[...document.querySelectorAll(".tally")].map((tally) => getComputedStyle(tally).borderTopWidth)"""
    assert page(window, tmp_path, body, css).evaluate(rules) == ["1px", "0px"]


def test_what_is_wide_scrolls_by_itself_on_a_phone_or_is_broken(window: Page, tmp_path: Path, css: str) -> None:
    wide = TABLE.replace("Claim", "x" * 90)
    for body in (
        mathml(LONG),
        f"<p>So <span id=eq-a>{mathml(LONG)[3:-5]}</span> ends.</p>",
        wide,
        f"<p>{'x' * 90}</p>",
    ):
        across = "document.documentElement.scrollWidth"
        assert page(window, tmp_path, body, "").evaluate(across) > 390
        assert page(window, tmp_path, body, css).evaluate(across) <= 390


def test_code_in_a_caption_can_be_read_in_the_dark(window: Page, tmp_path: Path, css: str) -> None:
    ground = """getComputedStyle(document.querySelector("figcaption code")).backgroundColor"""
    assert page(window, tmp_path, TABLE, css, "dark").evaluate(ground) == "rgb(31, 36, 41)"


def test_the_themes_fetch_no_fonts() -> None:
    theme = yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))["format"]["html"]["theme"]
    assert {name: parts[-1] for name, parts in theme.items()} == dict.fromkeys(
        ("light", "dark"), "book/theme/quarto.scss"
    )
    assert "$web-font-path: false;" in (THEME / "quarto.scss").read_text(encoding="utf-8")


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_no_bracket_has_a_size_by_name(source: Path) -> None:
    r"""pandoc turns \Bigl\lceil into #scale(...)[ceil.l], and the PDF says "ceil.l"."""
    assert not re.search(r"\\[bB]igg?[lmr]?\b", source.read_text(encoding="utf-8"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_no_norm_is_written_with_signs_that_have_no_sides(source: Path) -> None:
    r"""pandoc turns \| into a relation for Typst: apart from what it holds, with its exponent on top.  \lVert and \rVert have sides."""
    assert r"\|" not in re.sub(r"(?m)^\|.*", "", source.read_text(encoding="utf-8"))


def test_the_home_pages_heading_has_an_address_of_its_own() -> None:
    """Where it has none, Quarto makes one of its words, and press calls it the preface."""
    assert re.search(r"^# .+ \{#sec-[a-z]+ \.unnumbered\}$", SOURCES[0].read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_displayed_formula_has_a_label(source: Path) -> None:
    """Quarto's PDF counts those without one as well, and all numbers after them differ from the site's."""
    ends = re.findall(r"\$\$[^$]+\$\$(.*)", source.read_text(encoding="utf-8"))
    assert all(end.startswith(" {#eq-") for end in ends), ends


def test_nothing_that_quarto_leaves_behind_is_untracked(tmp_path: Path) -> None:
    """Seen after whole renders, single chapters and renders that failed, and while one is under way."""
    left = ("_book/index.html", "_freeze/book/a/execute-results/html.json", ".quarto/idx/a.json", "book/a.quarto_ipynb")
    left += (
        "book/a_files/figure-typst/b.svg",
        "index_files/a.svg",
        "index.typ",
        "index.html",
        "book/a.html",
        "site_libs/a.js",
        ".lab/reads/a.jsonl",
    )
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for name in left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    seen = subprocess.run(
        ["git", "status", "--short", "-uall"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert seen.stdout == "?? .gitignore\n"


# In Quarto 1.10.18, core/jupyter/widgets.ts: an output in text/html has require.js and jQuery loaded from another host with the page;
# core/jupyter/display-data.ts: pages take text/html, then text/markdown, then pictures; a PDF takes text/markdown, then pictures.
@pytest.mark.parametrize(
    ("to", "shown"),
    [("html", {"text/markdown", "image/svg+xml"}), ("typst", {"image/svg+xml"}), ("", {"text/html", "image/svg+xml"})],
)
def test_a_figure_is_no_widget_to_quarto_and_a_file_in_its_pdf(tmp_path: Path, to: str, shown: set[str]) -> None:
    info = tmp_path / "info.json"
    info.write_text(json.dumps({"document-path": "book/one.qmd", "format": {"pandoc": {"to": to}}}))
    cell = nbformat.v4.new_code_cell(
        "from matplotlib_inline.backend_inline import set_matplotlib_formats; set_matplotlib_formats('svg')\n"
        "from figures import style\nfigure, axes = style.canvas()\nfigure"
    )
    asked = {"QUARTO_EXECUTE_INFO": str(info)} if to else {}
    client = NotebookClient(nbformat.v4.new_notebook(cells=[cell]), resources={"metadata": {"path": str(ROOT)}})
    client.execute(env=os.environ | asked)
    (shown_data,) = [output.data for output in cell.outputs if "data" in output]
    assert {*shown_data} - {"text/plain"} == shown
    if to == "html":
        assert re.fullmatch(
            r"```\{=html\}\n<div class=\"drawing\".*</div>\n```", shown_data["text/markdown"], re.DOTALL
        )


def test_one_version_of_quarto_is_said_to_have_been_tried() -> None:
    said = {
        name: (ROOT / name).read_text(encoding="utf-8")
        for name in ("README.md", "Makefile", ".github/workflows/publish.yml")
    }
    found = {name: set(re.findall(r"1\.\d+\.\d+", text)) for name, text in said.items()}
    assert found["README.md"] == found["Makefile"] and len(found["README.md"]) == 1, found
    assert found["README.md"] <= found[".github/workflows/publish.yml"], found
