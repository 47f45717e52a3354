"""What pages say to the world around them, before and after the book is published."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

import press
from press.errors import SourceError
from tests.press.conftest import CHAPTERS, SETTINGS, MakeBook

FIGURE = "# One {#sec-one}\n\nFirst words of one.\n\n```{python}\n#| fig-alt: A dot.\nfrom matplotlib.figure import Figure\nfigure = Figure()\nfigure.add_subplot().plot([1], 'o')\nfigure\n```\n"
WISHES = "  repo-actions: [edit, source, issue]\n  open-graph: true\n  twitter-card: true\n"
PUBLISHED = "  site-url: https://e.org/notes\n  repo-url: https://g.org/us/notes/\n  repo-branch: trunk\n"


def _settings(more: str) -> str:
    return SETTINGS.replace("  output-file:", more + "  output-file:")


def test_before_it_is_published_a_page_has_a_card_and_no_links_that_lead_nowhere(make_book: MakeBook) -> None:
    root = make_book({"_quarto.yml": _settings(WISHES)})
    press.render(root, ["html"], keys=lambda path: "key")
    page = (root / "_book/one.html").read_text(encoding="utf-8")
    assert '<meta property="og:title" content="1&#160; One">'.replace("&#160;", "\u00a0") in page
    assert "og:url" not in page and "page-actions" not in page
    assert not (root / "_book/sitemap.xml").exists()
    text = (root / "_book/llms.txt").read_text(encoding="utf-8")
    assert text.startswith("# A book\n") and "- [One](one.html): Text." in text


def test_once_it_is_published_every_page_says_where_it_is_and_where_it_is_made(make_book: MakeBook) -> None:
    root = make_book({"_quarto.yml": _settings(WISHES + PUBLISHED), "one.qmd": FIGURE})
    press.render(root, ["html"], keys=lambda path: "key")
    page = (root / "_book/one.html").read_text(encoding="utf-8")
    for address in (
        "https://g.org/us/notes/edit/trunk/one.qmd",
        "https://g.org/us/notes/blob/trunk/one.qmd",
        "https://g.org/us/notes/issues/new",
    ):
        assert f'<a href="{address}">' in page
    assert '<link rel="canonical" href="https://e.org/notes/one.html">' in page
    assert '<meta property="og:url" content="https://e.org/notes/one.html">' in page
    assert '<meta property="og:description" content="First words of one.">' in page
    picture = re.findall(r'<meta name="twitter:image" content="https://e.org/notes/(.*?)">', page)[0]
    drawn = (root / "_book" / picture).read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert (int.from_bytes(drawn[16:20]), int.from_bytes(drawn[20:24])) == (1200, 630)
    other = (root / "_book/two.html").read_text(encoding="utf-8")
    assert "og:image" not in other and 'content="summary"' in other  # it has no figure
    sites = [entry.text for entry in ElementTree.parse(root / "_book/sitemap.xml").iter() if entry.tag.endswith("loc")]
    assert sites[:2] == ["https://e.org/notes/index.html", "https://e.org/notes/one.html"]
    assert len(sites) == len([name for name in CHAPTERS if name.endswith(".qmd")])
    assert {path.name for path in (root / "_book/site/cards").iterdir()} == {"one.png"}


def test_issues_go_where_the_settings_say(make_book: MakeBook) -> None:
    root = make_book(
        {"_quarto.yml": _settings("  repo-actions: issue\n  issue-url: https://e.org/tell\n"), "two.qmd": "# Two\n"}
    )
    press.render(root, ["html"], keys=lambda path: "key")
    assert '<a href="https://e.org/tell">Report an issue</a>' in (root / "_book/two.html").read_text(encoding="utf-8")


def test_an_action_that_nobody_knows_is_refused(make_book: MakeBook) -> None:
    root = make_book({"_quarto.yml": _settings("  repo-actions: [buy]\n")})
    with pytest.raises(SourceError, match=r"_quarto.yml:7: press cannot honour book.repo-actions: \['buy'\]"):
        press.render(root, ["html"], keys=lambda path: "key")
