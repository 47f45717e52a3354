"""A render does what is needed and no more, and what it cannot finish leaves the old site as it was."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import press
from press import SourceError
from tests.press.conftest import SETTINGS, MakeBook
from tests.press.pdf.pdf_pages import text

# It counts its runs where nothing is an input: what a cell appends to, it depends on.
CELL = "# One {#sec-one}\n\n```{python}\nopen('.press/runs', 'a').write('x')\nprint('a number:', 1 + 1)\n```\n\nText.\n"


class Events(list[tuple[str, str, str]]):
    """What a render told about itself."""

    def __call__(self, event: str, what: str, detail: str) -> None:
        self.append((event, what, detail))

    def of(self, event: str) -> set[str]:
        return {what for name, what, _ in self if name == event}


def render(root: Path, formats: tuple[str, ...] = ("html",), key: str = "key", only: list[str] | None = None) -> Events:
    events = Events()
    press.render(root, formats, only=only, keys=lambda path: key, progress=events)
    return events


def files(root: Path) -> dict[str, bytes]:
    """Return the output folder's files."""
    return {str(path.relative_to(root)): path.read_bytes() for path in (root / "_book").rglob("*") if path.is_file()}


def test_a_render_gives_the_files_to_open(make_book: MakeBook) -> None:
    root = make_book({})
    opened = press.render(root, keys=lambda path: "key")
    assert opened == {"html": root / "_book/index.html", "pdf": root / "_book/a-book.pdf"}
    assert opened["html"].read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert opened["pdf"].read_bytes().startswith(b"%PDF")
    assert {"_book/one.html", "_book/extra.html"} <= set(files(root))


def test_nothing_changed_means_nothing_is_done(make_book: MakeBook) -> None:
    root = make_book({"one.qmd": CELL})
    render(root, ("html", "pdf"))
    before = files(root)
    assert list(render(root, ("html", "pdf"))) == [("fresh", "", "")]
    assert files(root) == before and (root / ".press/runs").read_text() == "x"


def test_changed_prose_runs_no_cell_and_reads_one_chapter(make_book: MakeBook, monkeypatch: pytest.MonkeyPatch) -> None:
    from press import pandoc

    root = make_book({"one.qmd": CELL})
    render(root)
    read = []
    markdown = pandoc.read
    monkeypatch.setattr(pandoc, "read", lambda text, *more: read.append(text) or markdown(text, *more))
    make_book({"one.qmd": CELL.replace("Text.", "Other text.")})
    assert not render(root).of("execute")
    assert len(read) == 1 and "Other text." in read[0] and (root / ".press/runs").read_text() == "x"
    assert b"Other text." in files(root)["_book/one.html"]


def test_changed_code_or_a_changed_key_runs_the_chapter_again(make_book: MakeBook) -> None:
    root = make_book({"one.qmd": CELL})
    render(root)
    make_book({"one.qmd": CELL.replace("1 + 1", "2 + 2")})
    assert render(root).of("executed") == {"one.qmd"}
    assert b"a number: 4" in files(root)["_book/one.html"]
    assert render(root, key="another").of("executed") == {"one.qmd"}
    assert not render(root, key="key").of("executed")  # back again: its outputs are still there


def test_without_keys_every_chapter_runs_after_the_pre_render_script(make_book: MakeBook) -> None:
    settings = (
        (make_book({}) / "_quarto.yml").read_text().replace("type: book\n", "type: book\n  pre-render: before.py\n")
    )
    script = "import os\nopen('.press/runs', 'a').write('before ' + os.environ['QUARTO_PROJECT_RENDER_ALL'] + ' ')\n"
    root = make_book({"one.qmd": CELL, "_quarto.yml": settings, "before.py": script})
    for _ in range(2):
        press.render(root, ("html",))
    assert (root / ".press/runs").read_text() == "before 1 xbefore 1 x"
    (root / "before.py").write_text("raise SystemExit(1)\n")
    with pytest.raises(SourceError, match=r"the pre-render script before\.py failed"):
        press.render(root, ("html",))
    (root / "_quarto.yml").write_text(settings.replace("before.py", "no-such-program --now"))
    with pytest.raises(SourceError, match=r"the pre-render script no-such-program --now cannot be run"):
        press.render(root, ("html",))


@pytest.mark.parametrize(
    "broken",
    [
        {"one.qmd": "# One\n\n```{python}\n1 / 0\n```\n"},
        {"one.qmd": "# One\n\nSee @fig-nowhere.\n"},
        {"_quarto.yml": "project:\n  type: website\n"},
        {"one.qmd": "# One\n\n$\\nosuchcommand{x}$\n"},
        {"references.bib": "@book{euclid, title=\n", "one.qmd": "# One\n\nSays @euclid.\n"},
    ],
)
def test_a_render_that_fails_leaves_the_old_site_as_it_was(make_book: MakeBook, broken: dict[str, str]) -> None:
    root = make_book({})
    render(root, ("html", "pdf"))
    before = files(root)
    make_book(broken)
    with pytest.raises(SourceError):
        render(root, ("html", "pdf"))
    assert files(root) == before
    assert [path.name for path in root.iterdir() if path.name.startswith("_book")] == ["_book"]


def test_a_lost_or_damaged_output_is_made_again(make_book: MakeBook) -> None:
    root = make_book({})
    render(root)
    (root / "_book/one.html").write_text("damaged")
    render(root)
    assert b"<!DOCTYPE" in files(root)["_book/one.html"]
    (root / ".press/made.json").write_text("{")
    assert ("fresh", "", "") not in render(root)


def test_one_format_keeps_the_other_only_while_it_is_fresh(make_book: MakeBook) -> None:
    root = make_book({})
    render(root, ("html", "pdf"))
    pdf = files(root)["_book/a-book.pdf"]
    (root / "_book/one.html").unlink()
    render(root, ("html",))
    assert files(root)["_book/a-book.pdf"] == pdf and "_book/one.html" in files(root)
    make_book({"one.qmd": "# One {#sec-one}\n\nOther text.\n"})
    render(root, ("html",))
    assert "_book/a-book.pdf" not in files(root)


def test_a_changed_file_that_a_chapter_links_to_is_copied_again(make_book: MakeBook) -> None:
    root = make_book({"one.qmd": "# One {#sec-one}\n\n[data](data/a.csv)\n", "data/a.csv": "1"})
    render(root)
    assert files(root)["_book/data/a.csv"] == b"1"
    make_book({"one.qmd": "# One {#sec-one}\n\n[data](data/a.csv)\n", "data/a.csv": "2"})
    render(root)
    assert files(root)["_book/data/a.csv"] == b"2"


def test_a_chapter_moved_into_a_part_is_set_as_in_a_fresh_book(make_book: MakeBook) -> None:
    root = make_book({"one.qmd": "# One {#sec-one}\n\n## A section\n\nText.\n"})
    render(root, ("pdf",))
    moved = SETTINGS.replace("    - one.qmd\n", "    - part: First\n      chapters:\n        - one.qmd\n")
    (root / "_quarto.yml").write_text(moved)
    render(root, ("pdf",))
    found = files(root)["_book/a-book.pdf"]
    shutil.rmtree(root / ".press")
    render(root, ("pdf",))
    assert found == files(root)["_book/a-book.pdf"]


def test_a_heading_stands_in_the_contents_without_its_links_and_notes(make_book: MakeBook) -> None:
    heading = "## See [*two*](two.qmd), `x`{.python}^[A note.] and [there]{#there} {#sec-a}"
    root = make_book({"one.qmd": f"# One {{#sec-one}}\n\n{heading}\n\nText.\n"})
    render(root)
    page = files(root)["_book/one.html"].decode()
    contents = page.partition('<nav id="TOC"')[2].partition("</nav>")[0]
    code = '<code class="sourceCode python">x</code>'
    entry = f'<span class="header-section-number">1.1</span> See <em>two</em>, {code} and <span>there</span></a>'
    assert f'<a href="#sec-a">{entry}' in contents
    assert 'href="two.html"><em>two</em></a>' in page and page.count('id="there"') == 1


def test_a_chapter_that_is_left_alone_shows_its_newest_outputs(make_book: MakeBook) -> None:
    root = make_book({"one.qmd": CELL.replace("1 + 1", "len(open('.press/runs').read())")})
    for number, key in enumerate(("first", "second", "first", "third"), 1):
        render(root, key=key)
        outputs = sorted((root / ".press/cells/one").iterdir(), key=lambda file: file.stat().st_mtime_ns)
        for age, file in enumerate(reversed(outputs)):  # a file's time may be coarse
            os.utime(file, (file.stat().st_atime, file.stat().st_mtime - age))
        assert len(outputs) == min(number, 2 if number < 4 else 3)
    render(root, key="fourth", only=["two.qmd"])
    assert b"a number: 3" in files(root)["_book/one.html"]


def test_a_chapter_with_another_name_keeps_its_outputs(make_book: MakeBook) -> None:
    figure = "import io\nfrom IPython.display import SVG\nSVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')"
    root = make_book({"one.qmd": CELL + f"\n```{{python}}\n{figure}\n```\n"})
    render(root)
    (root / "one.qmd").rename(root / "three.qmd")
    (root / "_quarto.yml").write_text(SETTINGS.replace("one.qmd", "three.qmd"))
    assert not render(root).of("execute")
    assert (root / ".press/runs").read_text() == "x" and b"a number: 2" in files(root)["_book/three.html"]
    assert "_book/three_files/cell-2-1.svg" in files(root)


def test_html_that_comes_with_a_picture_stands_in_pages_under_its_alternative_text_and_the_picture_in_the_pdf(
    make_book: MakeBook,
) -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text y="9">{}</text></svg>'
    both = {"text/html": f'<div role="img">{svg.format("Inline.")}</div>', "image/svg+xml": svg.format("In a file.")}
    cell = f"#| fig-alt: 'At \"5\" < 6.'\nfrom IPython.display import display\ndisplay({both}, raw=True)"
    root = make_book({"one.qmd": f"{CELL}\n::: {{#fig-a}}\n\n```{{python}}\n{cell}\n```\n\nA figure.\n:::\n\n@fig-a\n"})
    render(root, ("html", "pdf"))
    page = files(root)["_book/one.html"].decode()
    assert '<div role="img" aria-label="At &quot;5&quot; &lt; 6."><svg' in page
    assert "Inline." in page and "<img" not in page.partition("<main")[2]
    assert b"In a file." in files(root)["_book/one_files/cell-2-1.svg"]  # cards and other sites show it
    words = text(root / "_book/a-book.pdf")
    assert "In a file." in words and "Inline." not in words


def test_only_some_chapters_run_while_the_others_keep_their_outputs(make_book: MakeBook) -> None:
    two = CELL.replace("One", "Two").replace("sec-one", "sec-two").replace("1 + 1", "2 + 2")
    root = make_book({"one.qmd": CELL, "two.qmd": two})
    render(root)
    assert render(root, key="new", only=["two.qmd"]).of("executed") == {"two.qmd"}
    assert render(root, key="new").of("executed") == {"one.qmd"}  # the whole book misses nothing afterwards
    with pytest.raises(SourceError, match="not a chapter of the book"):
        render(root, only=["three.qmd"])


def test_the_same_sources_give_the_same_bytes(make_book: MakeBook) -> None:
    root = make_book({"one.qmd": CELL})
    render(root, ("html", "pdf"))
    before = files(root)
    shutil.rmtree(root / "_book")
    shutil.rmtree(root / ".press")
    render(root, ("html", "pdf"))
    assert files(root) == before


def test_an_unknown_format_is_named(make_book: MakeBook) -> None:
    with pytest.raises(ValueError, match="formats are html and pdf, not epub"):
        render(make_book({}), ("epub",))


def test_what_was_made_is_on_record(make_book: MakeBook) -> None:
    root = make_book({})
    render(root)
    made = json.loads((root / ".press/made.json").read_text())
    assert set(made["outputs"]["html"]) == {name.removeprefix("_book/") for name in files(root)}


FILTER = 'function Str(text)\n  if text.text == "four" then return pandoc.Str("FOUR") end\nend\n'


def test_the_books_own_filters_are_run_and_what_they_change_is_written_again(make_book: MakeBook) -> None:
    settings = SETTINGS.replace("execute:\n", "filters: [four.lua]\nexecute:\n")
    root = make_book({"_quarto.yml": settings, "four.lua": FILTER, "one.qmd": "# One {#sec-one}\n\nAll four here.\n"})
    for word in ("FOUR", "FIVE"):
        (root / "four.lua").write_text(FILTER.replace("FOUR", word))
        press.render(root, keys=lambda path: "key")
        assert f"All {word} here." in (root / "_book/one.html").read_text()
        assert f"All {word} here." in text(root / "_book/a-book.pdf")
    (root / "four.lua").write_text(FILTER.replace("pandoc.Str(", "nothing.at("))
    with pytest.raises(press.SourceError, match=r"(?s)four\.lua:2: the filter fails: attempt to index.*one\.qmd"):
        press.render(root, keys=lambda path: "key")
