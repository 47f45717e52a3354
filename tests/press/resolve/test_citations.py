"""Citations are written out by citeproc, lead to one list of references, and only what is cited is in it."""

from __future__ import annotations

from press import pandoc_ast
from press.book import Page
from tests.press.conftest import MakeBook, found, pages_of

Pages = dict[str, Page]


def test_citations_print_author_and_year(fixture_pages: Pages) -> None:
    words = [pandoc_ast.words(node) for node in found(fixture_pages["chapters/circles.qmd"], "Cite")]
    assert words == [
        "(Euclid 1908)",
        "Gauss and Weber (1801)",
        "(see Noether 1921, 3; Gauss and Weber 1801)",
        "(Euclid 1908)",
    ]


def test_citations_lead_to_their_entry_on_the_references_page(fixture_pages: Pages) -> None:
    cited = {link["c"][2][0] for page in fixture_pages.values() for link in found(page, "Link", "cite")}
    entries = {pandoc_ast.triple(node)[0] for node in found(fixture_pages["references.qmd"], "Div", "csl-entry")}
    assert cited == {f"references.qmd#{entry}" for entry in entries}
    assert entries == {"ref-euclid300", "ref-gauss1801", "ref-noether1921"}


def test_only_what_is_cited_is_listed(make_book: MakeBook) -> None:
    page = pages_of(make_book({"one.qmd": "# One\n\nSays @gauss.\n"}))["references.qmd"]
    assert [pandoc_ast.triple(node)[0] for node in found(page, "Div", "csl-entry")] == ["ref-gauss"]


def test_chapters_have_no_list_of_their_own(fixture_pages: Pages) -> None:
    assert not found(fixture_pages["chapters/circles.qmd"], "Div", "refs")


def test_a_book_that_cites_nothing_has_an_empty_list(make_book: MakeBook) -> None:
    assert found(pages_of(make_book({}))["references.qmd"], "Div", "refs")[0]["c"][1] == []
