"""What press does not support, or what is wrong, is refused with file and line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from press import SourceError
from tests.press.conftest import CHAPTERS, SETTINGS, MakeBook, pages_of

HEAD = "# One {#sec-one}\n\n"  # every text below starts on line 3
REFUSED = {
    "an unclosed div": ("::: {.callout-tip}\nText.\n", 3, "not closed"),
    "an unclosed inner div": ("::: {.callout-tip}\n\n::: {.callout-note}\nText.\n:::\n", 3, "not closed"),
    "a closing without a div": ("Text.\n\n:::\n", 5, "without an open div"),
    "a div glued to text": ("Text.\n::: {.callout-tip}\nText.\n:::\n", 4, "blank line"),
    "an unclosed code block": ("```python\nx = 1\n", 3, "not closed"),
    "a shortcode": ("Text.\n\n{{< include x.qmd >}}\n", 5, "unknown shortcode {{< include >}}"),
    "a cell of another language": ("```{r}\nx\n```\n", 3, "press runs {python} only"),
    "a cell with options in its fence": ("```{python, echo=FALSE}\nx\n```\n", 3, "as #| lines"),
    "inline code of another language": ("Now `{r} x`.\n", 3, "inline code in r"),
    "an unknown cell option": ("```{python}\n#| label: a\n#| ehco: true\nx = 1\n```\n", 5, "did you mean echo?"),
    "an option for figures": ("```{python}\n#| fig-width: A\nx = 1\n```\n", 4, "unknown setting fig-width"),
    "a wrong value of an option": ("```{python}\n#| echo: fenced\nx = 1\n```\n", 4, "true"),
    "broken YAML in options": ("```{python}\n#| echo: true\n#| label: [a\nx = 1\n```\n", 5, "broken YAML"),
    "a label of several words": ("```{python}\n#| label: two words\nx = 1\n```\n", 4, "letters and hyphens"),
    "options that are no settings": ("```{python}\n#| echo\nx = 1\n```\n", 4, "write name: value"),
    "an option that is no option's kind": ("```{python}\n#| eval: 1\nx = 1\n```\n", 4, "it should be true or false"),
    "settings in the middle": ("Text.\n\n---\necho: true\n---\n", 5, "settings in the middle of a page"),
    "a label on a cell": ("```{python}\n#| label: fig-x\nx = 1\n```\n", 4, "cannot be labelled"),
    "two cells with one label": ("```{python}\n#| label: a\n```\n\n```{python}\n#| label: a\n```\n", 7, "line 3"),
    "an indented cell": ("- item\n\n  ```{python}\n  x = 1\n  ```\n", 5, "inside a list"),
    "raw LaTeX": ("```{=latex}\n\\newpage\n```\n", 3, "raw latex"),
    "raw inline Typst": ("A `#x`{=typst} B.\n", 3, "raw typst"),
    "an unknown callout": ("::: {.callout-danger}\nText.\n:::\n", 3, ".callout-note"),
    "an unknown kind of div": ("::: {.panel-tabset}\nText.\n:::\n", 3, "unknown kind of div .panel-tabset"),
    "a layout": ("::: {#fig-a layout-ncol=2}\nText.\n\nCaption.\n:::\n", 3, "unknown attribute layout-ncol"),
    "alt text on a div": ('::: {#fig-a fig-alt="A."}\n![](a.svg)\n\nCaption.\n:::\n', 3, "#| fig-alt: ..."),
    "a listing": ("::: {#lst-a}\nText.\n\nCaption.\n:::\n", 3, "cannot be labelled #lst-a"),
    "an underscore in a label": ("::: {#fig-a_b}\nText.\n\nCaption.\n:::\n", 3, "labels use hyphens"),
    "inline code without an engine": ("Text.\n\nOne is `{python} 1`.\n", 5, "engine: jupyter"),
    "a second chapter heading": ("Text.\n\n# Again\n", 5, "use ## for its sections"),
    "an unresolved reference": ("Text.\n\nSee @sec-tow.\n", 5, "did you mean sec-two"),
    "a reference to an unnumbered section": ("## A {#sec-a .unnumbered}\n\nSee @sec-a.\n", 5, "unnumbered heading"),
    "a duplicate label here": ("## A {#sec-a}\n\n## B {#sec-a}\n", 5, "duplicate label sec-a"),
    "a missing key": ("Text.\n\nSays @noether.\n", 5, "there is no noether in the bibliography"),
    "a missing image": ("Text.\n\n![](no.svg)\n", 5, "there is no image no.svg"),
    "an image from elsewhere": ("![](https://example.org/a.png)\n", 3, "nothing is fetched"),
    "a link to no file": ("Text.\n\nSee [it](data/no.csv).\n", 5, "there is no data/no.csv"),
    "a link to no chapter": ("See [it](three.qmd).\n", 3, "there is no three.qmd"),
    "a link to no section": ("See [it](two.qmd#sec-nowhere).\n", 3, "two.qmd has no #sec-nowhere"),
    "a link out of the book": ("See [it](../../secret.txt).\n", 3, "outside the book"),
    "a figure without a caption": ("::: {#fig-a}\n![](a.svg)\n:::\n", 3, "has no caption"),
    "a figure in a figure": ("::: {#fig-a}\n\n::: {#fig-b}\nX\n\nInner.\n:::\n\nOuter.\n:::\n", 3, "subfigures"),
    "a label without its equation": ("Text {#eq-a} here.\n", 3, "without its equation"),
    "a label out of place": ("Text. {#fig-a}\n", 3, "a label out of place"),
    "references mixed with citations": ("See [@sec-two; @euclid].\n", 0, "write two pairs"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_its_line(case: str, make_book: MakeBook) -> None:
    text, line, words = REFUSED[case]
    root = make_book({"one.qmd": HEAD + text})
    with pytest.raises(SourceError) as caught:
        pages_of(root)
    assert str(caught.value).startswith(f"one.qmd:{line}:" if line else "one.qmd:")
    assert words in str(caught.value)


def test_a_label_given_twice_in_the_book_is_refused(make_book: MakeBook) -> None:
    with pytest.raises(SourceError, match=r"two.qmd:1: duplicate label sec-two\n  it is also in one.qmd"):
        pages_of(make_book({"one.qmd": HEAD + "## A {#sec-two}\n"}))


def test_a_reference_that_quarto_words_differently_in_each_format_is_refused(make_book: MakeBook) -> None:
    with pytest.raises(SourceError, match=r"index.qmd:3: a reference to sec-two on an unnumbered page"):
        pages_of(make_book({"index.qmd": "# Preface {.unnumbered}\n\nSee @sec-two.\n"}))


def test_front_matter_that_press_does_not_know_is_refused(make_book: MakeBook) -> None:
    root = make_book({"one.qmd": "---\nengine: jupyter\nauthor: One\n---\n" + HEAD})
    with pytest.raises(SourceError, match=r"one.qmd:3: unknown setting author"):
        pages_of(root)


def test_front_matter_without_an_end_is_refused(make_book: MakeBook) -> None:
    root = make_book({"one.qmd": "---\nengine: jupyter\n" + HEAD})
    with pytest.raises(SourceError, match=r"one.qmd:1: the front matter is not closed"):
        pages_of(root)


def test_a_chapter_without_a_heading_is_refused(make_book: MakeBook) -> None:
    with pytest.raises(SourceError, match=r"one.qmd:1: there is no chapter heading"):
        pages_of(make_book({"one.qmd": "Text.\n\n```\n# no heading\n```\n"}))


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("  title: A book\n", "  title: A book\n  tilte: B\n", 6, "did you mean book.title"),
        ("mathml", "mathjax", 20, "it should be mathml"),
        ("  execute-dir: project\n", "  execute-dir: file\n", 3, "press cannot honour project.execute-dir"),
        ("  echo: false\n", "  echo: fenced\n", 17, "it should be true or false"),
        ("  echo: false\n", "  echo: [false\n", 18, "broken YAML"),
        ("    - two.qmd\n", "    - tow.qmd\n", 11, "there is no chapter tow.qmd"),
        ("    - two.qmd\n", "    - one.qmd\n", 11, "one.qmd is listed twice"),
        ("    - two.qmd\n", "    - two.md\n", 11, "not a chapter"),
        ("    - index.qmd\n", "", 8, "the first chapter is not index.qmd"),
        ("references.bib", "refs.bib", 15, "there is no file refs.bib"),
        ("  title: A book\n", "", 4, "book.title is missing"),
        ("  type: book\n", "  type: book\n  type: book\n", 3, "type is given twice"),
        ("  title: A book\n", "  title: A book\n  search: false\n", 6, "press cannot honour book.search"),
        ("  title: A book\n", "  title: &a [*a]\n", 5, "an alias (*name) in YAML"),
        ("  title: A book\n", "  title: !!int book\n", 5, "book is not a value of the kind int"),
        ("  title: A book\n", "  title: A book\n  ? [a]\n  : b\n", 6, "a name that is a list"),
        ("  output-file: a-book\n", "  output-file: a/book\n", 7, "it should be a name without /"),
        ("  type: book\n", "  type: book\n  output-dir: .\n", 3, "no folder for a rendered book"),
        ("  type: book\n", "  type: book\n  output-dir: theme\n", 3, "no folder for a rendered book"),  # of sources
        ("  type: book\n", "  type: book\n  output-dir: ../site\n", 3, "no folder for a rendered book"),
        ("    - two.qmd\n", "    - ../two.qmd\n", 11, "there is no chapter ../two.qmd"),
        ("book:\n", "book:\n  favicon: none.svg\n", 5, "there is no file none.svg"),
        ("mathml\n", "mathml\n    css: theme/none.css\n", 21, "there is no file theme/none.css"),
        ("mathml\n", "mathml\n    theme: [cosmo, theme/a.scss]\n", 21, "press cannot follow theme/a.scss"),
        ("mathml\n", "mathml\n    theme: [cosmo, theme/b.scss]\n", 21, "there is no file theme/b.scss"),
        ("execute:\n", "filters: theme/none.lua\nexecute:\n", 16, "there is no file theme/none.lua"),
        ("execute:\n", "filters: [theme/a.scss]\nexecute:\n", 16, "it should be a list of filters in Lua"),
        ("mathml\n", "mathml\n    theme: [cosmo, theme/a.less]\n", 21, "press has no theme 'theme/a.less'"),
        ("    citeproc: true\n", "    citeproc: true\n    toc-depth: deep\n", 23, "it should be a whole number"),
    ],
)
def test_a_setting_is_refused_with_its_line(make_book: MakeBook, old: str, new: str, line: int, words: str) -> None:
    assert old in SETTINGS
    with pytest.raises(SourceError) as caught:
        pages_of(
            make_book({"_quarto.yml": SETTINGS.replace(old, new), "theme/a.scss": "$size: 1px;\np { margin: 0; }\n"})
        )
    assert str(caught.value).startswith(f"_quarto.yml:{line}: ")
    assert words in str(caught.value)


def test_a_file_that_sets_variables_of_quartos_theme_passes(make_book: MakeBook) -> None:
    settings = SETTINGS.replace("mathml\n", "mathml\n    theme: [cosmo, theme/a.scss]\n")
    variables = "/*-- scss:defaults --*/\n// Two: p { }\n$font-path: false;\n$font-size-base: 1.1rem; /* { */\n"
    pages_of(make_book({"_quarto.yml": settings, "theme/a.scss": variables}))


@pytest.mark.parametrize("file", ["_quarto.yml", "one.qmd", "references.bib"])
def test_a_file_that_is_not_utf_8_is_refused_with_its_line(make_book: MakeBook, file: str) -> None:
    root = make_book({"one.qmd": HEAD + "Says @euclid.\n"})
    text = (root / file).read_bytes()
    (root / file).write_bytes(text + "caf\u00e9\n".encode("latin-1"))
    with pytest.raises(SourceError, match=f"{file}:{text.count(10) + 1}: byte 0xe9 is not UTF-8"):
        pages_of(root)


def test_a_broken_bibliography_is_refused_with_its_line(make_book: MakeBook) -> None:
    broken = CHAPTERS["references.bib"] + "@book{noether, title=\n"
    with pytest.raises(SourceError, match=r"references\.bib:4: broken bibliography: unexpected end of input"):
        pages_of(make_book({"one.qmd": HEAD + "Says @euclid.\n", "references.bib": broken}))


def test_a_broken_citation_style_names_its_file(make_book: MakeBook) -> None:
    settings = SETTINGS.replace("execute:\n", "csl: a.csl\nexecute:\n")
    with pytest.raises(SourceError, match=r"^a\.csl: pandoc fails"):
        pages_of(make_book({"_quarto.yml": settings, "a.csl": "<style", "one.qmd": HEAD + "Says @euclid.\n"}))


def test_a_folder_without_a_book_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"_quarto.yml: there is none in"):
        pages_of(tmp_path)


def test_an_error_says_where_what_and_what_to_do() -> None:
    error = SourceError("book/x.qmd", 12, "nothing is labelled fig-a", "did you mean fig-b?\nor fig-c?")
    assert str(error) == "book/x.qmd:12: nothing is labelled fig-a\n  did you mean fig-b?\n  or fig-c?"
    assert str(SourceError("book/x.qmd", 0, "what")) == "book/x.qmd: what"
