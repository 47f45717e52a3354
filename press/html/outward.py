"""What a page says to the world around it: where its source is, who may show it how, and lists of all pages for machines.

Quarto's settings under `book:`: site-url, repo-url, repo-branch, repo-actions, issue-url, open-graph and twitter-card.
"""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from press.addresses import figure_path
from press.book import Book, Page
from press.files import cached, code_hash, digest
from press.resolve.references import images

CARD = Path("site/cards")  # where the pictures of the cards lie
WIDTH, HEIGHT = 1200, 630  # pixels, as the networks ask for


def site_address(book: Book) -> str:
    """Return the site's address with a slash at its end; "" as long as nobody has published it."""
    address = str(book.settings.get("site-url") or "")
    return address.rstrip("/") + "/" if address else ""


def description(page: Page, book: Book) -> str:
    """Return what a page is about, in plain text: the home page has the book's own description."""
    home = page.chapter == book.chapters[0]
    return (home and " ".join(book.description.split())) or page.description or page.title_text


def actions(page: Page, book: Book) -> dict[str, str]:
    """Return the links that repo-actions asks for, by their words."""
    settings = book.settings
    wanted = settings.get("repo-actions") or []
    repo, branch = str(settings.get("repo-url") or "").rstrip("/"), settings.get("repo-branch", "main")
    found = {
        "edit": ("Edit this page", repo and f"{repo}/edit/{branch}/{page.chapter.source}"),
        "source": ("View source", repo and f"{repo}/blob/{branch}/{page.chapter.source}"),
        "issue": ("Report an issue", settings.get("issue-url") or (repo and f"{repo}/issues/new")),
    }
    names = [wanted] if isinstance(wanted, str) else wanted
    return {words: address for words, address in (found[name] for name in names) if address}


def card_picture(page: Page, book: Book) -> str:
    """Return the address of the picture by which other sites show a link to the page; "" where there is none."""
    site = site_address(book)
    return f"{site}{_card(page).as_posix()}" if site and _first(page) else ""


def write_lists(book: Book, pages: tuple[Page, ...], out: Path) -> None:
    """Write llms.txt, and once the site has an address sitemap.xml and the pictures of the cards."""
    site = site_address(book)
    lines = [f"# {book.title}", "", f"> {' '.join(book.description.split())}", ""]
    for page in pages:
        lines.append(f"- [{page.title_text}]({site}{page.chapter.html}): {description(page, book)}".removesuffix(": "))
    (out / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if not site:
        return
    entries = "".join(f"<url><loc>{escape(site + page.chapter.html)}</loc></url>\n" for page in pages)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    (out / "sitemap.xml").write_text(f"{head}{entries}</urlset>\n", encoding="utf-8")
    if not (book.settings.get("open-graph") or book.settings.get("twitter-card")):
        return
    for page in pages:
        if first := _first(page):
            kept = book.root / ".press/cards" / page.chapter.path.with_suffix("")
            made_of = [code_hash("html"), digest(out / figure_path(first, page.chapter))]
            picture = cached(kept, made_of, partial(_drawn, figure_path(first, page.chapter), out))
            (out / _card(page)).parent.mkdir(parents=True, exist_ok=True)
            (out / _card(page)).write_bytes(picture)


def _first(page: Page) -> str:
    """Return the page's first figure."""
    return next((source for source in images([page]) if source.endswith(".svg")), "")


def _card(page: Page) -> Path:
    return CARD / Path(page.chapter.html).with_suffix(".png")


def _drawn(figure: str, site: Path) -> bytes:
    """Draw a figure on a card: networks show no SVG, and Typst can turn one into a picture."""
    import typst

    page = f"#set page(width: {WIDTH}pt, height: {HEIGHT}pt, margin: 40pt)\n"
    picture = f'#align(center + horizon, image("/{figure}", width: 100%, height: 100%, fit: "contain"))\n'
    text: Any = (page + picture).encode()
    return bytes(typst.compile(text, root=site, format="png", ppi=72.0, ignore_system_fonts=True))
