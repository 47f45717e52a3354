"""Make the fonts of site and figures: only the letters, weights and forms that the book uses, so that a page loads fast.

    python book/theme/make_fonts.py FOLDER       FOLDER: where these files of npm packages lie
        source-serif-4-latin-standard-{normal,italic}.woff2    @fontsource-variable/source-serif-4 5.3.1
        source-code-pro-latin-wght-normal.woff2                @fontsource-variable/source-code-pro 5.3.1
        stix-two-math-latin-400-normal.woff2                   @fontsource/stix-two-math 5.3.0

Needs fonttools (matplotlib brings it) and brotli.  The text fonts keep weights 400 to 700 at their design size for reading;
they have names of their own, as the licence asks of what was changed.
STIX Two Math is tuned for the way browsers set MathML.  What is changed there, and why:

- A browser leaves room for the widest form of a root or bracket, whatever form it draws, so that a gap stands after each.
  The taller forms are made nearly as narrow as the plain ones.
- A browser lifts and lowers scripts with the height of their base even where TeX does not, after a single letter.
- Primes are raised twice, by the font and by being superscripts: they are enlarged and put on the line.
- Letters that no formula has (Cyrillic, accented Latin, sans serif and other alphabets) are left out: a test asks whether
  the fonts have every character of every formula.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fontTools.misc.transform import Transform
from fontTools.pens.transformPen import TransformPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

FONTS = Path(__file__).parent / "fonts"
TEXT = {  # name here: name there, and which part of each axis is kept
    "notes-serif": ("source-serif-4-latin-standard-normal", {"wght": (400, 700), "opsz": 20}),
    "notes-serif-italic": ("source-serif-4-latin-standard-italic", {"wght": (400, 700), "opsz": 20}),
    "notes-code": ("source-code-pro-latin-wght-normal", {"wght": 400}),
}
KEPT = [
    (0x20, 0x7E), (0xA0, 0xFF), (0x131, 0x131), (0x237, 0x237), (0x2C6, 0x2DD), (0x300, 0x338), (0x391, 0x3F6),
    (0x2000, 0x22FF), (0x2308, 0x230B), (0x2329, 0x232A), (0x23B4, 0x23B5), (0x23DC, 0x23DF), (0x25A0, 0x25FF),
    (0x2713, 0x2713), (0x27E6, 0x27EF), (0x1D400, 0x1D467), (0x1D49C, 0x1D4CF), (0x1D538, 0x1D56B), (0x1D5B3, 0x1D5B3), (0x1D6A4, 0x1D71B),
]  # fmt: skip
WIDER = 1.06  # how much wider than the plain form a taller one may be; the gap is then too small to see
PRIMES = (0x2032, 0x2033, 0x2034)
RAISE, LOWER = 1.35, -250  # of primes: scale, and shift in thousandths of an em
FIGURES = (
    Path(__file__).parents[2] / "figures/fonts/notes-serif.ttf"
)  # matplotlib reads no woff2, and draws small letters


def _redraw(font: TTFont, name: str, transform: Transform, advance: int) -> None:
    pen = TTGlyphPen(font.getGlyphSet())
    font.getGlyphSet()[name].draw(TransformPen(pen, transform))
    glyph = pen.glyph()
    glyph.recalcBounds(font["glyf"])
    font["glyf"][name] = glyph
    font["hmtx"][name] = (advance, getattr(glyph, "xMin", 0))


def _narrow(font: TTFont) -> None:
    variants: Any = font["MATH"].table.MathVariants
    done = set()
    for plain, construction in zip(variants.VertGlyphCoverage.glyphs, variants.VertGlyphConstruction, strict=True):
        widest = round(WIDER * font["hmtx"][plain][0])
        names = [record.VariantGlyph for record in construction.MathGlyphVariantRecord]
        names += [part.glyph for part in construction.GlyphAssembly.PartRecords] if construction.GlyphAssembly else []
        if len(names) < 4:  # sums and integrals: their forms are chosen, not stretched
            continue
        for name in names:
            width = font["hmtx"][name][0]
            if width > widest and name not in done:
                _redraw(font, name, Transform(widest / width, 0, 0, 1, 0, 0), widest)
                done.add(name)


def maths(source: Path) -> None:
    """Write the tuned font."""
    font = TTFont(source)
    for table in ("fpgm", "prep", "cvt "):  # hints for outlines that are drawn anew
        del font[table]
    constants: Any = font["MATH"].table.MathConstants
    constants.SubscriptBaselineDropMin.Value = 0
    constants.SuperscriptBaselineDropMax.Value = 386  # as TeX has it for boxes
    _narrow(font)
    for name in (font.getBestCmap()[code] for code in PRIMES):
        transform = Transform(RAISE, 0, 0, RAISE, 0, LOWER - 400 * (RAISE - 1))
        _redraw(font, name, transform, round(RAISE * font["hmtx"][name][0]))
    options = Options()
    options.layout_features, options.hinting, options.notdef_outline = ["*"], False, True
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[code for first, last in KEPT for code in range(first, last + 1)])
    subsetter.subset(font)
    _save(font, "stix-two-math")


def in_pages(source: Path) -> None:
    """Write the letters of figures for their words in pages: as wide there as where matplotlib placed them."""
    font = TTFont(source)
    options = Options()
    options.hinting = False
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[*range(0x20, 0x7F), *range(0xA0, 0x100), *map(ord, "ı–—‘’“”…−")])
    subsetter.subset(font)
    _save(_renamed(font, "notes-serif-small"), "notes-serif-small")


def _renamed(font: TTFont, name: str) -> TTFont:
    """Give a font a family name of its own: "Source" is reserved for fonts that nobody changed."""
    family = name.removesuffix("-italic").replace("-", " ").title()
    for record in font["name"].names:
        if record.nameID in (1, 3, 4, 6, 16, 25):
            record.string = family.replace(" ", "") if record.nameID in (6, 25) else family
    return font


def _save(font: TTFont, name: str) -> None:
    font.flavor = "woff2"
    font.save(FONTS / f"{name}.woff2")
    print(f"{name}: {(FONTS / f'{name}.woff2').stat().st_size // 1000} KB, {len(font.getGlyphOrder())} glyphs")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, (there, axes) in TEXT.items():
        _save(_renamed(instancer.instantiateVariableFont(TTFont(folder / f"{there}.woff2"), axes), name), name)
    small = instancer.instantiateVariableFont(
        TTFont(folder / f"{TEXT['notes-serif'][0]}.woff2"), {"wght": 400, "opsz": 10}
    )
    small.flavor = None
    _renamed(small, "notes-serif").save(FIGURES)
    in_pages(FIGURES)
    maths(folder / "stix-two-math-latin-400-normal.woff2")
