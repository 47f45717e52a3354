"""What TeX does in formulas and pandoc's MathML leaves out: thin spaces, and the height of roots."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as Tree

_XMLNS = ' xmlns="http://www.w3.org/1998/Math/MathML"'
_FORMULA = re.compile(r"<math .*?</math>", re.DOTALL)
_ROWS = {"mrow", "semantics", "mstyle", "msqrt", "mtd", "math"}
_SCRIPTS = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}
_ORDINARY = {"mi", "mn", "mfrac", "msqrt", "mroot"} | _SCRIPTS
_APPLIED = "\u2061"  # pandoc's mark after a function's name
_RELATIONS = set("=<>≈≠≤≥≪≫∼≃≡∝∈→")


def spaced(html: str) -> str:
    """Return HTML with thin spaces around functions, as in `2 tanh x`, and none beside a relation that ends a formula."""
    return _FORMULA.sub(lambda found: _formula(found[0]), html)


def _formula(text: str) -> str:
    formula = Tree.fromstring(text.replace(_XMLNS, ""))
    for row in list(formula.iter()):
        if row.tag in _ROWS:
            _thin_spaces(row)
        if row.tag == "msqrt" and formula.get("display") == "inline":
            _stand(row)
    top = formula.find("semantics/mrow")
    if top is not None and len(top):
        for child, side in ((top[0], "lspace"), (top[-1], "rspace")):
            if child.tag == "mo" and (child.text or "") in _RELATIONS:
                child.set(side, "0")
    return Tree.tostring(formula, encoding="unicode", short_empty_elements=False).replace("<math", f"<math{_XMLNS}", 1)


def _thin_spaces(row: Tree.Element) -> None:
    children = list(row)
    for place, (left, right) in reversed(list(enumerate(pairwise(children), 1))):
        if (_function(left) and (_function(right) or _ordinary(right))) or (_ordinary(left) and _function(right)):
            row.insert(place, Tree.Element("mspace", width="0.167em"))


def _stand(root: Tree.Element) -> None:
    """Make a root as tall as its sign at least: browsers let the sign of a lower one hang below the line, TeX does not.

    In a line only: a displayed root has more air under its bar, and made taller it would get the next larger sign.
    """
    inside = Tree.Element("mrow")
    inside.extend(root)
    raised = any(part.tag == "msup" and part[0].tag == "mo" for part in inside.iter())  # [..]² gets a larger sign
    root[:] = [inside, Tree.Element("mspace", height="1.15em" if raised else "0.78em")]


def _function(element: Tree.Element) -> bool:
    if element.tag in _SCRIPTS:
        return _function(element[0])
    return element.tag == "mrow" and len(element) == 2 and element[1].text == _APPLIED


def _ordinary(element: Tree.Element) -> bool:
    return element.tag in _ORDINARY and not _function(element)
