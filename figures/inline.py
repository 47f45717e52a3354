"""How a figure gets into a page: SVG within the HTML, whose words are words, once for wide pages and once for phones.

A chapter's cell ends in a figure, and IPython asks here for all its forms.  HTML takes the inline form: words can be selected, searched
for and read in the book's typeface.  The PDF takes the file, in which they are outlines.  The renderer adds the alternative text.
"""

from __future__ import annotations

import re
from copy import deepcopy
from hashlib import sha256
from io import BytesIO
from itertools import groupby
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

from figures.phone import WIDTH, fit_phone
from lab.pages import data_shown, offer_html

HALO = "halo"  # class of words that stand clear of the lines behind them: book.css draws it
_SIZES = ("width", "height")
_USUAL = {"fill": "#1b1f24", "font-size": "9.5"}  # what the whole figure says once: the ink and the size of most words
_PLAIN = {"stroke": "none", "opacity": "1", "text-anchor": "start"} | _USUAL
_SHARED = (
    "clip-path",
    "fill",
    "fill-opacity",
    "stroke",
    "stroke-dasharray",
    "stroke-dashoffset",
    "stroke-linecap",
    "stroke-opacity",
    "stroke-width",
)
_FONT = ("font", "font-family", "font-stretch", "font-variant")  # book.css has the typeface
LINE, AREA = 0.1, 0.5  # points by which a curve and the edge of an area may be moved where that saves places on the way
LONG = 400  # letters of a path of which so much is asked: not a dot that is drawn many times
ROOM = 0.19  # inches by which a drawing for phones may be wider than the page and have words of 9 points still
_GREEK = {code: code - 0x3B1 + 0x1D6FC for code in range(0x3B1, 0x3CA)}  # upright small letters to those of formulas


def show_inline() -> None:
    """Have every figure that a cell ends in shown in its inline form."""
    offer_html(Figure, inline)


def inline(figure: Figure) -> str:
    """Return a figure as HTML, and under it links to the data that were looked at for it; the figure stays as it is."""
    figure = deepcopy(figure)
    wide = compact(_drawn(figure), "wide")
    fit_phone(figure)
    narrow = _drawn(figure)
    wider = _width(narrow) / 72 - WIDTH
    if wider > ROOM:  # words reach far beyond the panels: these give way, or all would be shown too small
        figure.set_figwidth(WIDTH - wider)
        narrow = _drawn(figure)
    links = ", ".join(f'<a href="../{file}">{file.rpartition("/")[2]}</a>' for file in data_shown())
    data = f'<p class="figure-data" data-pagefind-ignore="all">data: {links}</p>' if links else ""
    return f'<div class="drawing" role="img">{wide}{compact(narrow, "narrow")}</div>{data}'


def _width(svg: str) -> float:
    """Return how wide a drawing is, in points."""
    return float(ElementTree.fromstring(svg).attrib["viewBox"].split()[2])


def _drawn(figure: Figure) -> str:
    """Return the figure as SVG with text; matplotlib would make outlines of what has an effect."""
    for words in figure.findobj(Text):
        if words.get_path_effects():
            words.set_path_effects([])
            words.set_gid(HALO)
    file = BytesIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
    return file.getvalue().decode()


def compact(svg: str, name: str) -> str:
    """Return matplotlib's SVG as it can stand in a page, with a class: no style sheet, ids of its own, nothing needless."""
    root = ElementTree.fromstring(svg)
    for part in root.iter():
        part.tag = part.tag.rpartition("}")[2]
        part.attrib = {key.rpartition("}")[2]: value for key, value in part.attrib.items()}
        part.text, part.tail = (part.text or "").strip() if part.tag in ("text", "tspan") else None, None
    used = set(re.findall(r'(?:href="#|url\(#)([\w-]+)', svg))
    own = f"f{sha256(svg.encode()).hexdigest()[:6]}-"  # no other figure, of this page or one shown beside it, has the same ids
    _tidy(root, {ident: f"{own}{number}" for number, ident in enumerate(sorted(used))})
    size = {side: root.attrib[side] for side in _SIZES}
    root.attrib = {"class": name, **size, "viewBox": root.attrib["viewBox"], "stroke-linejoin": "round"} | _USUAL
    return ElementTree.tostring(root, encoding="unicode")


def _tidy(part: Element, ids: dict[str, str]) -> None:
    """Give what is within a part its short form."""
    for child in list(part):
        if child.tag in ("metadata", "style"):
            part.remove(child)
            continue
        _tidy(child, ids)
        _short(child, ids)
        if child.tag == "text":
            _join(child)
        if child.tag in ("g", "defs") and not child.attrib:
            index = list(part).index(child)
            part[index : index + 1] = list(child) if child.tag == "g" or not len(child) else [child]
    _share(part)


def _short(part: Element, ids: dict[str, str]) -> None:
    """Shorten the attributes of one part."""
    found = part.attrib
    ident, style = found.pop("id", ""), found.pop("style", "")
    if ident in ids:
        found["id"] = ids[ident]
    elif ident == HALO:
        found["class"] = HALO
    for pair in style.split(";"):
        key, _, value = (word.strip() for word in pair.partition(":"))
        if key and key not in _FONT and _PLAIN.get(key) != value:
            found[key] = value.removesuffix("px")
    for key, value in found.items():
        if key == "href" or value.startswith("url("):
            found[key] = re.sub(r"#([\w-]+)", lambda name: "#" + ids[name[1]], value)
    if "d" in found:
        found["d"] = _path(found["d"], LINE if "stroke" in found else AREA)
    for key in ("x", "y", "x1", "x2", "y1", "y2", "width", "height", "cx", "cy", "r"):
        if key in found:
            found[key] = _rounded(found[key])
    if transform := re.sub(r"rotate\(-?0( [^)]*)?\)", "", found.pop("transform", "")).strip():
        found["transform"] = _rounded(transform)


def _share(part: Element) -> None:
    """Say once for neighbours what all of them say: the dots and bars of a curve."""
    runs = [
        list(run)
        for _, run in groupby(list(part), key=lambda child: (child.tag, *(child.get(name) for name in _SHARED)))
    ]
    for run in runs:
        said = {name: run[0].attrib[name] for name in _SHARED if name in run[0].attrib}
        if len(run) > 2 and said and run[0].tag in ("path", "use"):
            group = Element("g", said)
            index = list(part).index(run[0])
            for child in run:
                part.remove(child)
                child.attrib = {name: value for name, value in child.attrib.items() if name not in said}
                group.append(child)
            part.insert(index, group)


def _rounded(text: str, places: int = 2) -> str:
    """Round the numbers in a text to hundredths of a point."""

    def short(number: re.Match[str]) -> str:
        return f"{float(number[0]):.{places}f}".rstrip("0").rstrip(".")

    return re.sub(r"-?\d+\.\d+(e-?\d+)?", short, text)


def _path(path: str, tolerance: float) -> str:
    """Return a path in fewer letters: rounded, without needless places, and without repeating the command of a line."""
    if len(path) > LONG:
        path = re.sub(r"L [^A-Za-z]+(?:L [^A-Za-z]+)+", lambda lines: _straightened(lines[0], tolerance), path)
    short = re.sub(r"\s*([A-Za-z])\s*", r"\1", _rounded(path.strip(), 1 if len(path) > LONG else 2).replace("\n", " "))
    return re.sub(r"(?<=L)([^A-Za-z]*(?:L[^A-Za-z]*)+)", lambda lines: lines[1].replace("L", " "), short)


def _straightened(lines: str, tolerance: float) -> str:
    """Leave out the places that lie on the straight line between others (the method of Douglas and Peucker)."""
    places = np.array(lines.replace("L", " ").split(), dtype=float).reshape(-1, 2)
    kept, open_ = {0, len(places) - 1}, [(0, len(places) - 1)]
    while open_:
        first, last = open_.pop()
        along, across = places[last] - places[first], places[first + 1 : last] - places[first]
        if not len(across):
            continue
        length = np.hypot(*along)
        off = abs(along[0] * across[:, 1] - along[1] * across[:, 0]) / length if length else np.hypot(*across.T)
        if off.max() > tolerance:
            middle = first + 1 + int(off.argmax())
            kept.add(middle)
            open_ += [(first, middle), (middle, last)]
    return "\n".join(f"L {x} {y}" for x, y in places[sorted(kept)]) + "\n"


def _join(text: Element) -> None:
    """Turn the single letters that matplotlib makes of a formula into runs of one style, in the order in which they are read."""
    runs: list[Element] = []
    for letter in sorted(text, key=lambda letter: float(letter.attrib["x"])):
        letter.text = (letter.text or "").replace("\N{NO-BREAK SPACE}", " ") or " "
        if letter.attrib.get("font-style") == "italic":
            letter.text = letter.text.translate(_GREEK)
        if runs and all(runs[-1].get(key) == letter.get(key) for key in ("y", "font-size", "font-style")):
            runs[-1].text = (runs[-1].text or "") + letter.text
        else:
            runs.append(letter)
    text[:] = runs
