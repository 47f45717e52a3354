"""What users of other tools have reported of references, names, pictures, formulas and letters, tried on press.  README.md has the threads."""

from __future__ import annotations

import base64
import re
import shutil
from pathlib import Path

import matplotlib
import pypdfium2
import pytest

import press
from press import pandoc_ast
from press.pdf.compiler import missing_letters
from press.read.project import read_project
from tests.press.conftest import SETTINGS, MakeBook, found, pages_of

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><rect width="20" height="20"/></svg>'
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HEAD = "# One {#sec-one}\n\n"  # every text below starts on line 3
# What stands in the chapter; the line, and words of the message.
REFUSED = {
    "a reference glued to a word": ("如图见@sec-one，是。\n", 3, "glued to the word before it: @sec-one"),
    "words after a label in its brackets": ("See [@sec-one, left].\n", 3, "words after the label sec-one: , left"),
    "words in brackets after a reference": ("See @sec-one [left].\n", 3, "words after the label sec-one: left"),
    "a labelled picture in a line": ("Text ![Cap](sq.svg){#fig-a} text.\n\nSee @fig-a.\n", 5, "a paragraph of its own"),
    "a labelled picture without caption": ("![](sq.svg){#fig-a}\n\nSee @fig-a.\n", 5, "a caption in its brackets"),
    "an address with an @": ("See https://e.org/@inbo there.\n", 3, "write <https://e.org/@inbo>"),
    "a footnote without a text": ("Text.\n\nA[^nope] mark.\n", 5, r"there is no footnote \[\^nope\]"),
    "a footnote that is not used": ("Text.\n\n[^un]: Never.\n", 5, r"the footnote \[\^un\] is not used"),
    "a footnote given twice": ("A[^1].\n\n[^1]: One.\n\n[^1]: Two.\n", 5, r"the footnote \[\^1\] is given twice"),
    "a link to a folder": ("A [folder](data).\n", 3, "data is a folder"),
    "a picture under raw HTML": ('Text.\n\n<img src="sq.svg">\n', 5, "raw HTML names sq.svg"),
    "a link under raw HTML": ('Text <a href="data/x.csv">x</a>.\n', 3, "raw HTML names data/x.csv"),
    "a JPEG called PNG": ("![A.](jpeg.png)\n", 3, "jpeg.png: it is a jpg, not the png"),
    "an empty PNG": ("![A.](empty.png)\n", 3, "empty.png: it is no picture"),
    "a bitmap": ("![A.](a.bmp)\n", 3, "no bmp picture"),
    "a PDF as a picture": ("![A.](a.pdf)\n", 3, "no pdf picture"),
    "a broken SVG": ("![A.](broken.svg)\n", 3, "broken.svg: it is no SVG"),
    "an SVG that holds HTML": ("![A.](html.svg)\n", 3, "html.svg: it holds HTML"),
    "an array with lines": ("$$\n\\begin{array}{c|c} a & b \\end{array}\n$$\n", 4, "lines in an array"),
    "an array with a rule": ("$$\n\\begin{array}{cc} a & b \\\\ \\hline c & d \\end{array}\n$$\n", 4, "lines in an array"),
    "a colour in a formula": ("Text $\\color{blue} x$.\n", 3, "a colour in a formula"),
    "an indented div mark": ("::: {.a}\n\n    code\n    :::\n\n:::\n", 6, "an indented :::"),
    "a cell under a comment's fences": (
        "<!--```{python}\n```\n```\n```\n-->\n\n```{python}\nprint(1)\n```\n", 0, "read as text and not run|not closed|fence",
    ),
}  # fmt: skip
FILES = {
    "sq.svg": SVG,
    "data/x.csv": "x\n1\n",
    "empty.png": "",
    "a.bmp": "BM",
    "a.pdf": "%PDF-1.4",
    "broken.svg": "<svg",
    "html.svg": SVG.replace(
        "<rect", '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">x</p></foreignObject><rect'
    ),
}


def write_book(make_book: MakeBook, files: dict[str, str]) -> Path:
    root = make_book({**FILES, **files})
    (root / "jpeg.png").write_bytes(b"\xff\xd8\xff\xe0 not much")
    (root / "tiny.png").write_bytes(PNG)
    return root


@pytest.mark.parametrize(("text", "line", "said"), REFUSED.values(), ids=REFUSED)
def test_what_would_be_wrong_without_a_word_is_refused_with_its_line(
    make_book: MakeBook, text: str, line: int, said: str
) -> None:
    with pytest.raises(press.SourceError, match=said) as caught:
        pages_of(write_book(make_book, {"one.qmd": HEAD + text}))
    assert caught.value.file == "one.qmd" and (not line or caught.value.line == line), caught.value


@pytest.mark.parametrize(
    ("heading", "what"),
    [
        ("One^[Note.]", "a footnote"),
        ("[One](two.qmd)", "a link"),
        ("After @sec-two", "a reference"),
        ("One, by @euclid", "a citation"),
        ("One ![](sq.svg)", "a picture"),
        ("[One]{#here}", "an anchor"),
    ],
)
def test_what_cannot_stand_in_a_link_is_refused_in_a_chapters_heading(
    make_book: MakeBook, heading: str, what: str
) -> None:
    with pytest.raises(press.SourceError, match=rf"one.qmd:1: {what} in a chapter's heading"):
        pages_of(make_book({"one.qmd": f"# {heading} {{#sec-one}}\n"}))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (SETTINGS + "lang: de\n", "_quarto.yml:2[0-9]: press cannot honour lang: de"),
        (SETTINGS + "lang: ar\n", "cannot honour lang: ar"),
        (SETTINGS + "lang: zh-Hans-CN\n", "cannot honour lang: zh-Hans-CN"),
        (SETTINGS + "lang: pt_BR\n", "cannot honour lang: pt_BR"),
        (SETTINGS.replace("one.qmd", "q?.qmd"), r"a chapter whose name has \? in it: q\?.qmd"),
        (SETTINGS.replace("one.qmd", "50%.qmd"), "a chapter whose name has % in it"),
        (SETTINGS.replace("one.qmd", "'c#.qmd'"), "a chapter whose name has # in it"),
    ],
)
def test_a_setting_that_would_be_half_honoured_is_refused(make_book: MakeBook, settings: str, said: str) -> None:
    names = dict.fromkeys(("q?.qmd", "50%.qmd", "c#.qmd"), "# Odd\n\nText.\n")
    with pytest.raises(press.SourceError, match=said):
        read_project(make_book({**names, "_quarto.yml": settings}))


def test_english_of_any_country_is_honoured(make_book: MakeBook) -> None:
    assert read_project(make_book({"_quarto.yml": SETTINGS + "lang: en-GB\n"})).lang == "en-GB"


def test_pictures_files_and_the_pdf_may_have_odd_names_and_links_lead_to_them(make_book: MakeBook) -> None:
    names = ("a#b", "a?b", "a%20b", "100%", "mit räum")
    written = [name.replace("%", "%25").replace("#", "%23").replace("?", "%3F").replace(" ", "%20") for name in names]
    text = "".join(f"![A picture.]({name}.svg)\n\nA [file]({name}.csv).\n\n" for name in written)
    files = {f"{name}.svg": SVG for name in names} | {f"{name}.csv": "x\n1\n" for name in names}
    settings = SETTINGS.replace("output-file: a-book", "output-file: '50% #1'\n  downloads: [pdf]")
    root = make_book({**files, "_quarto.yml": settings, "one.qmd": f"{HEAD}{text}"})
    press.render(root)
    html = (root / "_book/one.html").read_text(encoding="utf-8")
    from urllib.parse import unquote

    leads = {unquote(re.split("[?#]", target)[0]) for target in re.findall(r'(?:src|href)="([^"]+)"', html)}
    for name in names:
        assert {f"{name}.svg", f"{name}.csv"} <= leads and (root / f"_book/{name}.csv").is_file(), name
    assert "50% #1.pdf" in leads and (root / "_book/50% #1.pdf").is_file()


def test_places_are_the_same_written_in_letters_or_in_codes(make_book: MakeBook) -> None:
    text = "## Über {#über}\n\nSee [a](#%C3%BCber), [b](#über), [c](HTTPS://e.org/x) and <HTTP://E.org>.\n"
    page = pages_of(make_book({"one.qmd": HEAD + text}))["one.qmd"]
    targets = [link["c"][2][0] for link in found(page, "Link")]
    assert targets == ["#über", "#über", "HTTPS://e.org/x", "HTTP://E.org"]


def test_what_stands_around_tables_that_a_cell_shows_is_shown_too(make_book: MakeBook) -> None:
    html = "<h3>Results of run 7</h3><table><tr><td>1</td></tr></table><p>between</p><table><tr><td>2</td></tr></table><p>n = 30</p>"
    code = f"from IPython.display import HTML\nHTML('{html}')"
    page = pages_of(make_book({"one.qmd": f"{HEAD}```{{python}}\n{code}\n```\n"}))["one.qmd"]
    words = [pandoc_ast.words(block) for block in found(page, "Div", "output-display")[0]["c"][1]]
    assert words == ["Results of run 7", "1", "between", "2", "n = 30"] and len(found(page, "Table")) == 2
    assert not found(page, "Header")


def test_inline_code_that_is_shown_and_not_run_has_one_pair_of_braces(make_book: MakeBook) -> None:
    page = pages_of(make_book({"one.qmd": HEAD + "Write `{{python}} 1 + 1` there.\n"}))["one.qmd"]
    assert [node["c"][1] for node in found(page, "Code")] == ["{python} 1 + 1"]


@pytest.mark.parametrize(
    ("heading", "title", "ident"),
    [
        ("# The set {a, b}", "The set {a, b}", ""),
        ("# About C {sharp #1}", "About C {sharp #1}", ""),
        ("# Kept {#sec-x .wide}", "Kept", "sec-x"),
        ("# Kept {-}", "Kept", ""),
        ('# Kept {.wide data-a="b {c}"}', "Kept", ""),
    ],
)
def test_braces_at_a_headings_end_are_attributes_or_words(
    make_book: MakeBook, heading: str, title: str, ident: str
) -> None:
    page = pages_of(make_book({"one.qmd": f"{heading}\n\nText.\n"}))["one.qmd"]
    assert (page.title_text, page.ident) == (title, ident)


def test_two_pairs_of_columns_stand_apart(make_book: MakeBook) -> None:
    text = (
        "$$\\begin{aligned}x &= 5&y &= 10 \\\\ u &= 1\\end{aligned}$$\n\n$$\\begin{cases}1 & x\\\\2 & y\\end{cases}$$\n"
    )
    page = pages_of(make_book({"one.qmd": HEAD + text}))["one.qmd"]
    first, second = [node["c"][1] for node in found(page, "Math")]
    assert "x &= 5&\\quad y &= 10" in first and "quad" not in second


def test_the_alt_text_of_a_figure_says_the_references_in_its_caption(make_book: MakeBook) -> None:
    text = "![Same as @sec-two shows.](sq.svg){#fig-a}\n"
    page = pages_of(write_book(make_book, {"one.qmd": HEAD + text}))["one.qmd"]
    [figure] = found(page, "Div", "fig-a")
    [image] = [node for node in pandoc_ast.every(figure) if node["t"] == "Image"]
    assert pandoc_ast.words(image["c"][1]) == "Same as Chapter 2 shows."


def test_a_picture_that_typst_cannot_read_is_named_with_its_chapter(make_book: MakeBook) -> None:
    root = write_book(make_book, {"one.qmd": HEAD + "![A.](tiny.png)\n\n![B.](cut.png)\n"})
    (root / "cut.png").write_bytes(PNG[:40])
    with pytest.raises(press.SourceError, match=r"one.qmd:5: cut.png: failed to decode"):
        press.render(root, ("pdf",))


def test_letters_that_no_font_has_are_refused_with_their_line_and_fonts_can_be_given(make_book: MakeBook) -> None:
    root = make_book({"one.qmd": "# One\n\nGood: größe, Ж, ∑, ℝ.\n\nThe sign ⌖ and 中文 and 😀.\n"})
    with pytest.raises(press.SourceError, match=r"one.qmd:5: the PDF has no letter for 中 \(U\+4E2D\), nor for 文 😀"):
        press.render(root, ("pdf",))
    assert "中文" in press.render(root, ("html",))["html"].with_name("one.html").read_text(encoding="utf-8")
    assert missing_letters(["Жג∑ℝ→"], (), root) == [] and missing_letters(["عربي"], (), root) == sorted("عربي")
    (root / "fonts").mkdir()
    family = Path(matplotlib.get_data_path()) / "fonts/ttf"
    lost = missing_letters(map(chr, range(0x1D00, 0x2C00)), (), root)
    for file in family.glob("*.ttf"):
        shutil.copy(file, root / "fonts")
    less = missing_letters(map(chr, range(0x1D00, 0x2C00)), (Path("fonts"),), root)
    assert less != lost
    given = next(sign for sign in lost if sign not in less)
    settings = SETTINGS.replace("citeproc: true", "citeproc: true\n    font-paths: fonts")
    (root / "_quarto.yml").write_text(settings)
    (root / "one.qmd").write_text(f"# One\n\nThe sign {given}.\n")
    press.render(root, ("pdf",))


def test_lines_without_a_space_stay_on_the_page(make_book: MakeBook) -> None:
    text = f"`{'y' * 240}`\n\n| a | b |\n|---|---|\n| {'w' * 200} | next |\n\n```{{python}}\nprint('x' * 3000)\n```\n"
    root = make_book({"one.qmd": HEAD + text})
    press.render(root, ("pdf",))
    rights, counts = [], dict.fromkeys("xyw", 0)
    with pypdfium2.PdfDocument(root / "_book/a-book.pdf") as pdf:
        for sheet in pdf:
            page = sheet.get_textpage()
            for index in range(page.count_chars()):
                sign = page.get_text_range(index, 1)
                if sign in counts:
                    counts[sign] += 1
                    rights.append(page.get_charbox(index)[2] / sheet.get_width())
    assert counts["x"] >= 3000 and counts["y"] >= 240 and counts["w"] >= 200
    assert max(rights) < 0.9, "nothing is cut off at the margin"
