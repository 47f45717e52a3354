"""The PDF of a small book, read back with pdfium: words, numbers, links, outline, look."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from pdf_pages import blocks, page, text

from press import pdf
from press.book import Book, Chapter
from press.errors import SourceError
from press.pdf import tables
from tests.press import reading

Sample = tuple[Book, dict[Path, str]]


def test_numbers_and_words_are_those_of_the_document(built: Path) -> None:
    words = text(built)
    for expected in (
        "Chapter 1 What gain keeps a signal alive?",
        "1.1 What the notes say",
        "Table 1.1: The claims of the notes",
        "Figure 1.1: The spread of the activations settles at 0.6512 ± 0.0004 with gain 5/3",
        "see Figure 1.1 and Table 1.1.",
        "(1.1) and Equation 1.1 has a solution",
        "Exercise 1.1 (The slope at zero) Show that the map",
        "Exercise 1.2 Do the same",
        "Takeaway The right gain",
        "Appendix A Ledger",
        "Part I Starting weights",
        "Part II Optimisers",
        "“quotes” and ‘single ones’ — with dashes – stay",
        "gain 1.667: 0.6512 after 50 layers",
        "Glorot, Xavier, and Yoshua Bengio. 2010.",
    ):
        assert expected in words.replace("\u00a0", " ")


def test_solutions_stand_at_the_chapters_end(built: Path) -> None:
    words = text(built).replace("\u00a0", " ")
    chapter = words[words.index("Exercise 1.1 (The slope at zero)") :]
    question, last, end = (
        chapter.index(piece) for piece in ("Exercise 1.2 Do the same", "Rerun it", "Solutions Exercise 1.1 For small")
    )
    assert question < last < end < chapter.index("Exercise 1.2 𝔼")
    assert "Solution " not in chapter[:end]
    outline = [entry.get_title() for entry in pypdfium2.PdfDocument(built).get_toc()]
    assert outline.index("Solutions") == outline.index("1.5 Rerun it") + 1


def test_an_exercise_that_goes_on_with_code_begins_beside_its_name(set_chapter: Callable[[str], Path]) -> None:
    exercise = '::: {#exr-a .theorem .exercise number="1.1" label="Exercise"}\nPredict, then run:\n\n```\nlab run a\n```\n:::\n'
    sheets = [sheet.get_textpage().get_text_range() for sheet in pypdfium2.PdfDocument(set_chapter(exercise))]
    lines = "\n".join(sheets).replace("\u00a0", " ").splitlines()
    assert any(line.split() == ["Exercise", "1.1", "Predict,", "then", "run:"] for line in lines), lines


def test_a_verdict_has_its_mark_and_its_colour_in_a_link_too(set_chapter: Callable[[str], Path]) -> None:
    verdicts = {
        "holds": (0x1D, 0x6F, 0x42),
        "caveat": (0x94, 0x60, 0x0A),
        "fails": (0xA3, 0x26, 0x2F),
        "undecided": (0x5C, 0x54, 0x70),
    }
    written = "\n\n".join(f"[[{kind}]{{.verdict-{kind}}}](#there)" for kind in verdicts)
    file = set_chapter(f"## There {{#there}}\n\n{written}")
    words = text(file).replace("\u202f", " ")
    for mark, kind in zip("✓◐×?", verdicts, strict=True):
        assert f"{mark} {kind}" in words
    colours = _colours(pypdfium2.PdfDocument(file))
    assert set(verdicts.values()) <= colours


def _colours(document: pypdfium2.PdfDocument) -> set[tuple[int, ...]]:
    """Return the colours of the letters."""
    found = set()
    for sheet in document:
        for piece in sheet.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT]):
            red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
            pdfium.FPDFPageObj_GetFillColor(piece, red, green, blue, alpha)
            found.add((red.value, green.value, blue.value))
    return found


def test_raw_html_is_left_out(built: Path) -> None:
    assert "only on the site" not in text(built)


def test_outline_nests_sections_in_chapters_in_parts(built: Path) -> None:
    outline = [(entry.level, entry.get_title()) for entry in pypdfium2.PdfDocument(built).get_toc()]
    assert outline[:5] == [
        (0, "Contents"),
        (0, "Preface"),
        (0, "Part I Starting weights"),
        (1, "1 What gain keeps a signal alive?"),
        (2, "1.1 What the notes say"),
    ]
    assert (3, "1.3.1 Forward and backward") in outline
    assert (2, "Exercises") in outline
    assert outline[-4:] == [(0, "References"), (0, "Appendices"), (1, "A Ledger"), (2, "A.1 Sorted")]


def test_document_says_what_it_is(built: Path) -> None:
    metadata = pypdfium2.PdfDocument(built).get_metadata_dict()
    assert (metadata["Title"], metadata["Author"], metadata["Subject"]) == ("Notes, Measured", "Ada Author", "A book.")
    assert b"/Lang (en-GB)" in built.read_bytes() or "en-GB" in _catalog_language(built)


def _catalog_language(path: Path) -> str:
    document = pypdfium2.PdfDocument(path)
    size = pdfium.FPDFCatalog_GetLanguage(document, None, 0)
    buffer = ctypes.create_string_buffer(size)
    pdfium.FPDFCatalog_GetLanguage(document, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return buffer.raw.decode("utf-16-le").rstrip("\0")


def _links(path: Path) -> Iterator[tuple[int, int]]:
    """Links inside the document: (page they are on, page they lead to)."""
    document = pypdfium2.PdfDocument(path)
    for number in range(len(document)):
        position, link = ctypes.c_int(0), pdfium.FPDF_LINK()
        while pdfium.FPDFLink_Enumerate(document[number], ctypes.byref(position), ctypes.byref(link)):
            if target := pdfium.FPDFLink_GetDest(document, link):
                yield number, pdfium.FPDFDest_GetDestPageIndex(document, target)


def _page_with(path: Path, words: str) -> int:
    document = pypdfium2.PdfDocument(path)
    return next(i for i in range(2, len(document)) if words in document[i].get_textpage().get_text_range())


def test_references_citations_and_contents_lead_to_their_pages(built: Path) -> None:
    links = set(_links(built))
    zero, refs = _page_with(built, "With all weights at zero"), _page_with(built, "Glorot, Xavier")
    ledger, table = _page_with(built, "Nothing yet"), _page_with(built, "Where the line is")
    assert (zero, _page_with(built, "The spread of the activations settles")) in links  # figure of another chapter
    assert (_page_with(built, "saw the same in 2010"), refs) in links
    assert (_page_with(built, "What this is"), ledger) in links
    assert (ledger, table) in links  # an anchor in a table
    assert (zero, zero) in links  # a heading that another chapter has too
    assert {(1, zero), (1, ledger), (1, refs)} <= links  # contents


def test_a_link_to_a_file_is_its_path_or_its_address_on_the_site(set_chapter: Callable[[str], Path]) -> None:
    words = "Data: [spread.csv (4 rows)](results/x/spread.csv){.file} and [a *test*](tests/t.py){.file}."
    path = set_chapter(words)
    assert "Data: results/x/spread.csv (4 rows) and a test (tests/t.py)." in text(path)
    assert reading.addresses(path) == set()
    assert {page for _, page in _links(path)} == {2}  # from the contents to the chapter
    (path.parent / "_quarto.yml").write_text("book:\n  site-url: https://example.org/notes\n", encoding="utf-8")
    path = set_chapter(words)
    assert "Data: spread.csv (4 rows) and a test." in text(path)
    site = "https://example.org/notes/"
    assert reading.addresses(path) == {f"{site}results/x/spread.csv", f"{site}tests/t.py"}


def test_in_a_table_a_file_is_its_path_alone_or_left_to_the_chapters(set_chapter: Callable[[str], Path]) -> None:
    row = "One[: [code](results/x.py){.file}]{.to-files} | [test](tests/t.py){.file}"
    path = set_chapter(f"| a | b |\n|---|---|\n| {row} |\n\nThe [end](tests/t.py){{.file}}.")
    assert "One tests/t.py" in text(path) and "The end (tests/t.py)." in text(path)
    (path.parent / "_quarto.yml").write_text("book:\n  site-url: https://example.org\n", encoding="utf-8")
    assert "One: code test" in text(set_chapter(f"| a | b |\n|---|---|\n| {row} |\n"))


def test_footnotes_begin_at_one_in_each_chapter(built: Path) -> None:
    assert "1Notes begin at one in each chapter." in text(built).replace("1 Notes begin", "1Notes begin")


def test_figures_stay_vectors_and_say_what_they_show(built: Path) -> None:
    document = pypdfium2.PdfDocument(built)
    kinds = {item.type for page in document for item in page.get_objects(max_depth=8)}
    assert pdfium.FPDF_PAGEOBJ_IMAGE not in kinds
    assert "Spread against layer: flat for gain 1.59, falling for gain 1." in set(_alternatives(document))


def _alternatives(document: pypdfium2.PdfDocument) -> Iterator[str]:
    def walk(element: object) -> Iterator[str]:
        if size := pdfium.FPDF_StructElement_GetAltText(element, None, 0):
            buffer = ctypes.create_string_buffer(size)
            pdfium.FPDF_StructElement_GetAltText(element, buffer, size)
            yield buffer.raw.decode("utf-16-le").rstrip("\0")
        for i in range(pdfium.FPDF_StructElement_CountChildren(element)):
            if child := pdfium.FPDF_StructElement_GetChildAtIndex(element, i):
                yield from walk(child)

    for sheet in document:
        tree = pdfium.FPDF_StructTree_GetForPage(sheet)
        for i in range(pdfium.FPDF_StructTree_CountChildren(tree)):
            yield from walk(pdfium.FPDF_StructTree_GetChildAtIndex(tree, i))


def test_nothing_sticks_out_of_the_text(built: Path) -> None:
    document = pypdfium2.PdfDocument(built)
    left, right = 297.6 - 2.8 * 72 - 1, 297.6 + 2.8 * 72 + 3  # 5.6 in on A4; punctuation may hang by a point or two
    for number in range(len(document)):
        words = document[number].get_textpage()
        boxes = [(words.get_charbox(i), words.get_text_range(i, 1)) for i in range(words.count_chars())]
        out = "".join(char for (x0, _, x1, _), char in boxes if char.strip() and (x0 < left or x1 > right))
        assert not out, f"page {number + 1}"


def test_only_typsts_own_fonts_are_used(built: Path) -> None:
    names = set()
    document = pypdfium2.PdfDocument(built)
    for item in (item for sheet in document for item in sheet.get_objects(max_depth=8)):
        if item.type == pdfium.FPDF_PAGEOBJ_TEXT:
            buffer = ctypes.create_string_buffer(100)
            pdfium.FPDFFont_GetBaseFontName(pdfium.FPDFTextObj_GetFont(item), buffer, 100)
            names.add(buffer.value.decode().split("+")[-1].split("-")[0])
    assert {name.removesuffix("Math").removesuffix("Mono") for name in names} <= {
        "LibertinusSerif",
        "NewCM",
        "NewCM10",
        "DejaVuSans",
    }, names


def test_same_sources_give_the_same_bytes(sample: Sample, built: Path, tmp_path: Path) -> None:
    book, texts = sample
    pdf.typeset(book, texts, tmp_path / "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes() == built.read_bytes()


def test_chapters_may_be_left_out(sample: Sample, tmp_path: Path) -> None:
    """References to what is not there print, and lead nowhere."""
    book, texts = sample
    pdf.typeset(book, {Path("book/tanh.qmd"): texts[Path("book/tanh.qmd")]}, tmp_path / "one.pdf")
    assert "and Chapter 2 goes on" in text(tmp_path / "one.pdf").replace("\u00a0", " ")


def test_a_formula_that_typst_cannot_set_names_the_chapter_and_keeps_the_old_pdf(tmp_path: Path) -> None:
    chapter = Chapter(Path("book/one.qmd"), None, "1")
    book = Book(tmp_path, "Title", (chapter,))
    source = pdf.typst_source(page(chapter, "One", "Fine.\n\n```{=typst}\n$nonsense$\n```\n"), book)
    out = tmp_path / "one.pdf"
    out.write_text("old")
    with pytest.raises(SourceError, match=r"^book/one\.qmd: .*unknown variable: nonsense"):
        pdf.typeset(book, {chapter.path: source}, out)
    assert out.read_text() == "old"


def test_long_tables_go_on_with_their_header(set_chapter: Callable[[str], Path]) -> None:
    prose = (
        "The spread changes by less than the line between the tenth layer and the last, as the histograms show. " * 2
    )
    rows = "".join(f"| claim {i} of many | {prose} | {prose} | 0.{i:03} ± 0.001 |\n" for i in range(30))
    path = set_chapter(f"| Name | Claim | Line | Number |\n|:--|:--|:--|--:|\n{rows}")
    document = pypdfium2.PdfDocument(path)
    pages = [document[i].get_textpage().get_text_range() for i in range(2, len(document))]
    assert len(pages) > 2
    assert all("Name Claim Line Number" in page for page in pages)
    assert all(text(path).count(f"0.{i:03} ± 0.001") == 1 for i in range(30))


def test_a_figure_without_room_goes_to_the_next_page_and_the_text_fills_the_page(
    set_chapter: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "tall.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="400pt" height="420pt"/>')
    before, after = "Before the figure. " * 130, "Told after the figure. " * 130
    figure = "::: {#fig-x .figure number=1.1 label=Figure}\n![Tall.](tall.svg)\\\n\n::: caption\nTall.\n:::\n:::"
    path = set_chapter(f"{before}\n\n{figure}\n\n{after}")
    document = pypdfium2.PdfDocument(path)
    opening, following = (document[i].get_textpage().get_text_range() for i in (2, 3))
    assert opening.startswith("Chapter 1")
    assert "Told after" in opening
    assert "Tall." not in opening
    assert following.index("Figure\u00a01.1: Tall.") < following.index("Told after")


def _widths(rows: list[str], given: tuple[int, ...], align: str = ":") -> list[str]:
    """The widths of the columns that a pipe table of these rows gets: `given` dashes, which pandoc takes for widths."""
    rule = "|".join(f":{'-' * width}" if align == ":" else f"{'-' * width}:" for width in given)
    [table] = blocks("\n".join([rows[0], f"|{rule}|", *rows[1:]]))
    code = tables.table_call(table, lambda cell: cell)[0]["c"][0]["c"][1]
    return re.findall(r"columns: \((.*?),\)", code)[0].split(", ")


def _characters(widths: list[str]) -> list[float]:
    """The characters for which each column has room, of columns with shares alone."""
    shares = [float(width.removesuffix("fr")) for width in widths]
    return [share / sum(shares) * (tables.LINE - 3 * len(shares)) for share in shares]


def test_a_number_with_its_interval_never_sticks_out_of_its_column() -> None:
    """By its share alone the column would be four characters too narrow for it."""
    prose = "what is claimed here, and for which of the networks it was found to hold, " * 4
    rows = ["|Claim|Line|Number|", f"|{prose}|{prose}|0.6512 ± 0.0004|"]
    assert _characters(_widths(rows, (30, 30, 30)))[2] >= len("0.6512 ± 0.0004")


def test_a_table_of_paragraphs_gives_room_where_the_words_are() -> None:
    """Sized by its longest cell, or by dashes alone, the verdict would take a third and squeeze the claims."""
    long, short = "a claim that is stated at some length here " * 2, "and where the line is, and why, " * 6
    rows = ["|Claim|Line|Verdict|", f"|{long}|{short}|holds with a caveat|", f"|{long}|{short}|undecided|"]
    claim, line, verdict = _characters(_widths(rows, (30, 30, 30)))
    assert line > claim > 1.5 * verdict
    assert verdict >= len("undecided") + tables.BOLD - 0.1  # no word is parted


def test_a_path_in_a_table_breaks_at_its_signs_alone_and_a_word_without_any_where_it_must(
    set_chapter: Callable[[str], Path],
) -> None:
    path = "`experiments/normalization_family/gradients.csv`"
    found = text(
        set_chapter(f"|File|Says|\n|:----|:---------------|\n|{path}|{'what it says ' * 12}|\n|{'x' * 60}|long|\n")
    )
    broken = "".join(found.split())
    assert path.strip("`") in broken and "x" * 24 + "\u200b" in broken


def test_tables_of_one_kind_keep_the_widths_that_they_were_given() -> None:
    few = ["|symbol|meaning|", "|x|input|"]
    many = ["|symbol|meaning|", f"|x|{'what goes in, ' * 9}|"]
    assert _widths(few, (30, 60)) == _widths(many, (30, 60)) == ["33.7fr", "66.3fr"]
    assert _widths(["|x|y|", "|1|2|"], (30, 60), align="right") == [
        "auto",
        "auto",
    ]  # numbers have the widths of numbers
