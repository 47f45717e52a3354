"""Numbers, anchors and references are those of Quarto, on this page and on others."""

from __future__ import annotations

import pytest

from press import pandoc_ast
from press.book import Page
from tests.press.conftest import MakeBook, found, pages_of

Pages = dict[str, Page]


def references(page: Page) -> list[tuple[str, str]]:
    """Return text and target of a page's references, in order."""
    return [(pandoc_ast.words(link["c"][1]), link["c"][2][0]) for link in found(page, "Link", "xref")]


def test_references_say_kind_and_number_and_lead_to_the_label(fixture_pages: Pages) -> None:
    chapter = "chapters/circles.qmd"
    assert references(fixture_pages[chapter])[:11] == [
        ("Equation\u00a01.1", f"{chapter}#eq-circles-area"),
        ("Table\u00a01.1", f"{chapter}#tbl-areas"),
        ("Figure\u00a01.1", f"{chapter}#fig-circle"),
        ("Figure\u00a01.2", f"{chapter}#fig-square"),
        ("Exercise\u00a01.1", f"{chapter}#exr-circles-half"),
        ("Chapter 2", "chapters/counting.qmd"),  # Quarto leads to another chapter's page, not to its heading
        ("Section 1.1", f"{chapter}#sec-circles-area"),
        ("Appendix A", "chapters/notation.qmd"),
        ("Figure\u00a01.1", f"{chapter}#fig-circle"),
        ("Figure\u00a01.2", f"{chapter}#fig-square"),
        ("1.1", f"{chapter}#fig-circle"),
    ]
    assert references(fixture_pages[chapter])[11][0] == "Fig.\u00a01.1"


def test_labels_of_appendices_begin_with_a_letter(fixture_pages: Pages) -> None:
    page = fixture_pages["chapters/notation.qmd"]
    assert [words for words, _ in references(page)] == ["Table\u00a0A.1", "Section A.1", "Equation\u00a0A.1"]
    assert found(page, "Div", "tbl-symbols")[0]["c"][0][1] == ["table"]


def sections(page: Page) -> list[tuple[int, str, str]]:
    """Return level, number and anchor of a page's headings."""
    return [(node["c"][0], pandoc_ast.get(node, "number"), node["c"][1][0]) for node in found(page, "Header")]


def test_sections_are_numbered(fixture_pages: Pages) -> None:
    assert sections(fixture_pages["chapters/circles.qmd"]) == [
        (2, "1.1", "sec-circles-area"),
        (3, "1.1.1", "two-circles"),
        (2, "", "code"),
        (2, "1.2", "exercises"),
    ]


def test_a_page_has_its_title_and_only_a_written_identifier(fixture_pages: Pages) -> None:
    circles, preface = fixture_pages["chapters/circles.qmd"], fixture_pages["index.qmd"]
    assert (circles.title_text, circles.ident) == ("What is a circle?", "sec-circles")
    assert (preface.title_text, preface.ident) == ("Preface", "")
    assert not [node for node in circles.blocks if node["t"] == "Header" and node["c"][0] == 1]


def test_headings_of_one_name_get_different_anchors_as_pandoc_gives_them(make_book: MakeBook) -> None:
    page = pages_of(make_book({"one.qmd": "# Start\n\n## Start\n\n## Start\n\n## A 2nd, *odd* `name`!\n"}))["one.qmd"]
    # The chapter's own heading is a title in Quarto and takes no anchor away.
    assert [ident for _, _, ident in sections(page)] == ["start", "start-1", "a-2nd-odd-name"]


def test_unnumbered_headings_are_not_counted(make_book: MakeBook) -> None:
    text = "# One\n\n## A\n\n## B {.unnumbered}\n\n## C\n\n### D\n\n#### E\n\n## F\n\n#### G\n"
    page = pages_of(make_book({"one.qmd": text}))["one.qmd"]
    numbers = {pandoc_ast.words(node["c"][2]): pandoc_ast.get(node, "number") for node in found(page, "Header")}
    assert numbers == {"A": "1.1", "B": "", "C": "1.2", "D": "1.2.1", "E": "1.2.1.1", "F": "1.3", "G": "1.3.0.1"}


def test_figures_of_an_unnumbered_page_are_numbered_without_a_chapter(make_book: MakeBook) -> None:
    text = "# Preface {.unnumbered}\n\n::: {#fig-a}\nPicture.\n\nCaption.\n:::\n\nSee @fig-a.\n"
    page = pages_of(make_book({"index.qmd": text}))["index.qmd"]
    assert references(page) == [("Figure\u00a01", "index.qmd#fig-a")]


def test_each_kind_counts_for_itself(make_book: MakeBook) -> None:
    text = "# One\n\n" + "".join(
        f"::: {{#{kind}-{name}}}\nText.\n\nCaption.\n:::\n\n" for kind in ("fig", "thm", "exr") for name in "ab"
    )
    page = pages_of(make_book({"one.qmd": text}))["one.qmd"]
    assert [pandoc_ast.get(node, "number") for node in found(page, "Div") if pandoc_ast.get(node, "number")] == [
        "1.1",
        "1.2",
    ] * 3


def test_a_figure_has_its_caption_last_and_its_alt_text_on_the_image(fixture_pages: Pages) -> None:
    figure = found(fixture_pages["chapters/circles.qmd"], "Div", "fig-circle")[0]
    assert (pandoc_ast.get(figure, "number"), pandoc_ast.get(figure, "label")) == ("1.1", "Figure")
    assert pandoc_ast.triple(figure["c"][1][-1])[1] == ["caption"]
    assert pandoc_ast.words(figure["c"][1][-1]).startswith("A circle of radius 2.0, as Equation\u00a01.1 has it.")
    [image] = [node for node in pandoc_ast.every(figure) if node["t"] == "Image"]
    assert pandoc_ast.words(image["c"][1]) == "A diamond that stands for a circle."
    assert pandoc_ast.get(image, "width").endswith("in") and pandoc_ast.get(image, "height").endswith("in")


def test_an_equation_carries_label_and_number_and_keeps_its_formula(fixture_pages: Pages) -> None:
    [equation] = found(fixture_pages["chapters/counting.qmd"], "Span", "eq-counting-factorial")
    assert pandoc_ast.triple(equation) == ["eq-counting-factorial", ["equation"], [["number", "2.1"]]]
    assert equation["c"][1][0]["c"][1].strip() == r"n! = n \cdot (n - 1)!"


@pytest.mark.parametrize(
    ("start", "title"),
    [
        ('::: {.callout-tip title="Mind the **gap**"}\n', "Mind the gap"),
        ("::: {.callout-tip}\n## Mind the **gap**\n", "Mind the gap"),
        ("::: {.callout-tip}\n", "Tip"),
        ("::: callout-important\n", "Important"),
    ],
)
def test_a_callout_has_a_title_from_wherever_it_is_given(make_book: MakeBook, start: str, title: str) -> None:
    page = pages_of(make_book({"one.qmd": f"# One\n\n{start}Text.\n:::\n\n## Next\n"}))["one.qmd"]
    [callout] = found(page, "Div", "callout")
    head, body = callout["c"][1]
    assert (pandoc_ast.triple(head)[1], pandoc_ast.words(head), pandoc_ast.words(body)) == (["title"], title, "Text.")
    assert [number for _, number, _ in sections(page)] == ["1.1"]  # the title is no section


def test_a_theorem_has_a_title_and_unnumbered_headings(fixture_pages: Pages) -> None:
    half, untitled = (
        found(fixture_pages["chapters/circles.qmd"], "Div", f"exr-circles-{n}")[0] for n in ("half", "none")
    )
    assert pandoc_ast.triple(half)[1] == ["theorem", "exercise"]
    assert pandoc_ast.words(half["c"][1][0]) == "Half a circle"
    assert [pandoc_ast.get(node, "number") for node in (half, untitled)] == ["1.1", "1.2"]


def test_links_between_chapters_and_to_files_are_paths_from_the_root(fixture_pages: Pages) -> None:
    targets = {link["c"][2][0] for link in found(fixture_pages["index.qmd"], "Link")}
    assert {"chapters/counting.qmd", "data/circles.csv", "chapters/counting.qmd#sec-counting-by-hand"} <= targets
    [file] = found(fixture_pages["index.qmd"], "Link", "file")
    assert file["c"][2][0] == "data/circles.csv"


def test_a_fragment_leads_to_the_page_that_has_it(make_book: MakeBook) -> None:
    text = "# One\n\n[here](#here) and [there](#sec-two).\n\n## Here\n"
    page = pages_of(make_book({"one.qmd": text}))["one.qmd"]
    assert [link["c"][2][0] for link in found(page, "Link")] == ["#here", "two.qmd#sec-two"]
