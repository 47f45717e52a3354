"""Numbers for everything that has one: sections, figures, tables, equations, theorems; then the references to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from press import pandoc_ast
from press.book import Book, Chapter, Node, Page
from press.read.project import site_files
from press.read.qmd import KINDS, Source, prefix
from press.resolve.document import NO_IDENT
from press.resolve.references import Label, Resolver

_NUMBERED = {"figure", "table", "equation", "theorem"}  # classes
_ELSEWHERE = {"Note": "a footnote", "Link": "a link", "Image": "a picture", "Cite": "a citation"}  # not in a title
LEFT_OUT = "This chapter has not been rendered here."


def pages(
    book: Book, documents: Mapping[str, list[Node]], sources: Mapping[str, Source], left_out: Collection[str] = ()
) -> tuple[Page, ...]:
    """Return the book's pages: numbered, with every reference, link and image resolved or refused.

    Those left out, whose cells have not been run, give their labels to the others and say no more of themselves than that.
    """
    published = set(site_files(book))
    labels: dict[str, Label] = {}
    numbered = {c.source: _number(c, documents[c.source], sources[c.source], labels) for c in book.chapters}
    for page in (numbered[file] for file in left_out):
        page.left_out, page.description = True, ""
        page.blocks = [{"t": "Para", "c": [pandoc_ast.text(LEFT_OUT)]}]
    for file, page in numbered.items():
        page.blocks = pandoc_ast.change(page.blocks, Resolver(book, numbered, labels, published, sources[file]).rule)
    return tuple(numbered.values())


def _number(chapter: Chapter, blocks: list[Node], source: Source, labels: dict[str, Label]) -> Page:
    """Number a chapter's sections, figures, tables, equations and theorems, each in the order of the text."""
    title = next((block for block in blocks if block["t"] == "Header" and block["c"][0] == 1), None)
    if title is None:
        raise source.error(source.title_line, "the chapter's heading is not read as one", "check its line")
    for node in pandoc_ast.every(title["c"][2]):
        own, classes, _ = pandoc_ast.triple(node)
        what = "a reference" if "press-references" in classes else "an anchor" if own else _ELSEWHERE.get(node["t"])
        if what:
            hint = "put it into the first paragraph: a title also stands in the contents and above other pages"
            raise source.error(source.title_line, f"{what} in a chapter's heading", hint)
    ident = "" if pandoc_ast.triple(title)[0] == NO_IDENT else pandoc_ast.triple(title)[0]
    blocks = [block for block in blocks if block is not title]
    page = Page(chapter, title["c"][2], pandoc_ast.words(title), ident, blocks, pandoc_ast.get(title, "description"))
    if ident:
        page.ids.add(ident)
        if prefix(ident) == "sec" and chapter.number:
            word = "Appendix" if chapter.appendix else "Chapter"
            _add(labels, ident, Label(source.file, word, chapter.number), source)
    counts: dict[str, int] = {}
    sections = [0] * 7
    for node in pandoc_ast.every(page.blocks):
        name, classes, _ = pandoc_ast.triple(node)
        if name and name in page.ids:
            hint = "every label and every id of a page is given once"
            raise source.error(source.line_of(f"#{name}", 2), f"duplicate label {name}", hint)
        page.ids |= {name} if name else set()
        kind, number = prefix(name), ""
        if header := node["t"] == "Header":
            number = _section(node, sections, chapter, source)
        elif kind and _NUMBERED & set(classes) and node["t"] in ("Div", "Span"):
            counts[kind] = counts.get(kind, 0) + 1
            number = f"{chapter.number}.{counts[kind]}" if chapter.number else str(counts[kind])
        if number:
            pandoc_ast.put(node, "number", number)
            if header == (kind == "sec"):
                _add(labels, name, Label(source.file, KINDS[kind], number), source)
    return page


def _section(header: Node, sections: list[int], chapter: Chapter, source: Source) -> str:
    """Return a section's number, "" where it has none."""
    level = header["c"][0]
    if level == 1:
        place = "# " + pandoc_ast.words(header["c"][2])
        raise source.error(place, "a second chapter heading", "a file is one chapter; use ## for its sections")
    if "unnumbered" in pandoc_ast.triple(header)[1] or not chapter.number:
        return ""
    sections[level] += 1
    sections[level + 1 :] = [0] * (6 - level)
    return ".".join([chapter.number, *(str(count) for count in sections[2 : level + 1])])


def _add(labels: dict[str, Label], name: str, label: Label, source: Source) -> None:
    if name in labels:
        hint = f"it is also in {labels[name].page}; labels are unique in the book"
        raise source.error(f"#{name}", f"duplicate label {name}", hint)
    labels[name] = label
