"""The files of a site: what links, is named, is numbered, and comes from nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import press
from press import SourceError
from press.html.maths import spaced
from tests.press.conftest import MakeBook
from tests.site_pages import SitePage, dangling, fetched_from_elsewhere, outside_links, read

Pages = dict[str, SitePage]
MATHS = '<math display="inline" xmlns="http://www.w3.org/1998/Math/MathML">{}</math>'
TANH = '<mrow><mi mathvariant="normal">tanh</mi><mo>&#8289;</mo></mrow>'


def html(site: Path, page: str) -> str:
    return (site / page).read_text(encoding="utf-8")


def test_every_internal_link_and_fragment_resolves(built: Path, pages: Pages) -> None:
    assert len(pages) == 6
    assert sum(len(page.targets) for page in pages.values()) > 150
    assert dangling(built, pages) == []


def test_a_broken_link_would_be_found(built: Path, pages: Pages, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html">b</a><a href="#no">no</a><p id="yes"><a href="a.html#yes">x</a>')
    wrong = dangling(tmp_path, read(tmp_path))
    assert [line.partition(": ")[2] for line in wrong] == [
        "href=b.html: no file b.html",
        "href=#no: no such place in a.html",
    ]


def test_nothing_is_fetched_from_another_host(built: Path, pages: Pages) -> None:
    assert fetched_from_elsewhere(built, pages) == []
    assert outside_links(pages) == [("index.html", "https://www.example.org/")]


def test_what_would_be_fetched_from_another_host_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<script src="https://cdn.example.org/x.js"></script><img src="//example.org/i.png">'
    )
    (tmp_path / "a.css").write_text(
        "@import 'https://fonts.example.org/css'; p { background: url(//example.org/a.png) }"
    )
    (tmp_path / "a.js").write_text('fetch("https://example.org/data")  // a comment about http://example.org')
    assert len(fetched_from_elsewhere(tmp_path, read(tmp_path))) == 5


def test_ids_are_unique(pages: Pages) -> None:
    for page in pages.values():
        assert len(page.ids) == len(set(page.ids)), page.path


def test_every_image_has_alt_text_that_is_words(pages: Pages) -> None:
    images = [image for page in pages.values() for image in page.images]
    assert len(images) == 4
    assert all(re.search(r"\w+ \w+", image["alt"]) for image in images)


def test_pages_have_language_title_description_and_icon(built: Path, pages: Pages) -> None:
    for name in pages:
        text = html(built, name)
        assert '<html lang="en-GB">' in text
        assert re.search(r'<meta name="description" content="[^"]{5,}">', text)
        icon = re.search(r'<link rel="icon" href="(.+?)">', text)
        assert icon and "<svg" in (built / name).parent.joinpath(icon[1]).read_text()
        assert text.count("<h1") == 1
    assert "<title>Everything press supports</title>" in html(built, "index.html")
    assert "<title>1\u00a0 What is a circle? – Everything press supports</title>" in html(
        built, "chapters/circles.html"
    )


def test_the_sidebar_has_parts_chapters_and_the_pdf(built: Path) -> None:
    sidebar = html(built, "chapters/circles.html").partition('<nav id="quarto-sidebar"')[2].partition("</nav>")[0]
    parts = re.findall(r'<h2 class="part"[^>]*>(.*?)</h2>', sidebar)
    assert parts == ["Shapes", "Numbers", "Appendices"]
    assert re.findall(r'<a href="([^"]+)"', sidebar) == [
        "../index.html", "circles.html", "counting.html", "looks.html", "../references.html", "notation.html",
        "../everything.pdf",
    ]  # fmt: skip
    assert re.findall(r'<a href="([^"]+)" aria-current="page"', sidebar) == ["circles.html"]
    assert (built / "everything.pdf").read_bytes().startswith(b"%PDF")


def test_previous_and_next_lead_through_the_whole_book(built: Path) -> None:
    page, seen = "index.html", ["index.html"]
    while after := re.search(r'class="nav-page-next" rel="next" href="([^"]+)"', html(built, page)):
        page = str((built / page).parent.joinpath(after[1]).resolve().relative_to(built.resolve()))
        assert re.search(r'class="nav-page-previous"', html(built, page))
        seen.append(page)
    assert len(seen) == 6
    assert seen[-1] == "chapters/notation.html"


def test_the_contents_of_a_page_are_its_sections(built: Path) -> None:
    contents = html(built, "chapters/circles.html").partition('<nav id="TOC"')[2].partition("</nav>")[0]
    assert re.findall(r'href="#([\w-]+)"', contents) == ["sec-circles-area", "two-circles", "code", "exercises"]


def test_references_say_what_and_which(pages: Pages) -> None:
    words = [text for _, text in pages["chapters/looks.html"].references]
    assert words == [
        "Chapter 3", "Table 3.1", "Equation 3.1", "Figure 1.1", "Exercise 1.1", "Equation 1.1", "Section 1.1",
    ]  # fmt: skip


def test_citations_lead_to_the_references(built: Path) -> None:
    text = html(built, "chapters/looks.html")
    assert re.search(r'<a href="\.\./references\.html#ref-euclid300"[^>]* role="doc-biblioref"', text)
    assert 'id="ref-euclid300"' in html(built, "references.html")


def test_formulas_are_mathml_and_need_no_script(built: Path, pages: Pages) -> None:
    text = "".join(html(built, name) for name in pages)
    assert text.count("<math ") > 10
    assert not re.search(r"(?i)mathjax|katex|<merror|math inline", text)
    assert re.findall(r'<script[^>]* src="([^"]+)"', html(built, "index.html")) == [
        f"./site/{name}.js" for name in ("site", "preview", "search")
    ]


def test_a_table_without_heads_has_no_empty_head(built: Path) -> None:
    section = html(built, "chapters/looks.html").partition('id="a-table-without-heads"')[2]
    table = section[: section.index("</table>")]
    assert "Result" in table
    assert "<thead" not in table
    assert "<th" not in table


def test_a_solution_is_folded_and_its_exercise_is_not(built: Path) -> None:
    text = html(built, "chapters/looks.html")
    assert re.search(r'<details class="callout callout-note[^"]*">\s*<summary[^>]*>.*Solution.*</summary>', text)
    assert re.search(
        r'<div id="exr-looks" class="theorem exercise">\s*<p><span class="theorem-title"><strong>Exercise 3\.1', text
    )


def test_the_footer_has_curly_quotes(pages: Pages, built: Path) -> None:
    assert '<footer class="page-footer">The reader’s own risk.</footer>' in html(built, "index.html")


def test_only_what_search_needs_is_shipped(built: Path) -> None:
    names = {re.sub(r"[._-].*", "", file.name) for file in (built / "pagefind").iterdir() if file.is_file()}
    assert names == {"pagefind", "wasm"}
    assert not list((built / "pagefind").glob("*ui*"))


def test_unknown_tex_names_file_and_line(make_book: MakeBook) -> None:
    root = make_book({"one.qmd": "# One {#sec-one}\n\nWords.\n\nA sum: $\\nonsense{x}$.\n"})
    with pytest.raises(SourceError) as error:
        press.render(root, ("html",), keys=lambda path: "key")
    assert (error.value.file, error.value.line, error.value.what) == ("one.qmd", 5, r"unknown TeX: \nonsense{x}")


def test_unknown_tex_in_a_title_names_file_and_line(make_book: MakeBook) -> None:
    root = make_book({"one.qmd": "# One $\\nonsense{x}$ {#sec-one}\n\nWords.\n"})
    with pytest.raises(SourceError, match=r"one\.qmd:1: unknown TeX"):
        press.render(root, ("html",), keys=lambda path: "key")


def test_brackets_stay_with_what_they_belong_to(built: Path) -> None:
    text = html(built, "chapters/looks.html")
    assert re.search(r'bracketed\s<span class="together">\(<math', text)
    assert "</math>),</span> grows" in text


def _kinds(formula: str) -> list[str]:
    return re.findall(r"<(mspace|mi|mn|mo|msup|mrow)\b", spaced(MATHS.format(formula)))


def test_a_function_has_thin_spaces_around_it_as_in_tex() -> None:
    assert _kinds(f"<mrow><mn>2</mn>{TANH}<mi>x</mi></mrow>") == [
        "mrow",
        "mn",
        "mspace",
        "mrow",
        "mi",
        "mo",
        "mspace",
        "mi",
    ]


def test_a_function_before_a_bracket_and_within_a_power_has_none() -> None:
    assert "mspace" not in _kinds(f"<mrow>{TANH}<mo>(</mo><mi>x</mi></mrow>")
    assert "mspace" not in _kinds(f"<msup>{TANH}<mi>k</mi></msup>")


def test_a_relation_that_ends_a_formula_leaves_no_space_after_it() -> None:
    done = spaced(MATHS.format("<semantics><mrow><mi>g</mi><mo>=</mo></mrow><annotation>g =</annotation></semantics>"))
    assert '<mo rspace="0">=</mo>' in done
