"""Maths: where pandoc's Typst is not what today's Typst wants, or not what TeX would print.

- Symbols by names that Typst has dropped or will drop become the characters themselves.
- An operator's name (a bare string: text is wrapped in `upright`) becomes `op`, which spaces it as TeX does.
- TeX's \\big brackets, which pandoc sets as scaled text, become stretched symbols.
- The two columns of `cases` get TeX's space between them.
The writer puts each formula between two marks, so that nothing else is touched.
"""

from __future__ import annotations

import re

MARK = "\x01"  # around every formula while it is text; never in a document

_OLD: dict[str, str] = dict(
    re.findall(
        r"(\S+) (\S)",
        """
    quote.angle.l.double «  quote.angle.r.double »  planck.reduce ħ  Kai Ϗ  kai ϗ  quote.angle.l.single ‹
    quote.angle.r.single ›  sect ∩  sect.sq ⊓  minus.circle ⊖  times.circle ⊗  dot.circle ⊙  eq.circle ⊜
    dash.circle ⊝  tack.r.double ⊨  tack.r.double.not ⊭  lt.tri ⊲  gt.tri ⊳  lt.tri.eq ⊴  gt.tri.eq ⊵  sect.big ⋂
    sect.double ⋒  lt.tri.not ⋪  gt.tri.not ⋫  lt.tri.eq.not ⋬  gt.tri.eq.not ⋭  join.l ⟕  join.r ⟖  join.l.r ⟗
    bracket.l.double ⟦  bracket.r.double ⟧  shell.l.double ⟬  shell.r.double ⟭  plus.circle.arrow ⟴
    brace.l.double ⦃  brace.r.double ⦄  paren.l.double ⦅  paren.r.double ⦆  angle.right.sq ⦜  angle.spheric.top ⦡
    angle.oblique ⦦  bar.v.circle ⦶  parallel.circle ⦷  backslash.circle ⦸  perp.circle ⦹  lt.circle ⧀  gt.circle ⧁
    dot.circle.big ⨀  times.circle.big ⨂  sect.sq.big ⨅  integral.sect ⨙  join ⨝  div.circle ⨸  sect.dot ⩀
    sect.and ⩄  sect.sq.double ⩎  tack.l.double ⫤  tack.b.double ⫪  tack.t.double ⫫
""",
    )
)
_STYLES = {f"{style}(" for style in ("upright", "italic", "bold", "mono", "sans", "serif", "cal", "frak", "bb")}
_FORMULA = re.compile(f"{MARK}(.*?){MARK}", re.DOTALL)
_BIG = re.compile(r"#scale\(x: (\d+)%, y: \d+%\)\[(\\?.|[a-z.]+)\]")
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\\.|[A-Za-z]+(?:\.[A-Za-z]+)*\(?|[()&]')


def modern(typst: str) -> str:
    """The text without the marks, and with the formulas between them put right."""
    return _FORMULA.sub(lambda formula: _mend(formula[1]), typst)


def _mend(formula: str) -> str:
    calls: list[str] = []  # what each bracket still open belongs to: "cases(", or "(" for none

    def mend(match: re.Match[str]) -> str:
        token, inside = match[0], calls[-1] if calls else ""
        if token.endswith("(") and not token.startswith(("\\", '"')):
            calls.append(token)
        elif token == ")" and calls:
            calls.pop()
        elif token == "&" and inside == "cases(":
            return "& quad"
        elif re.fullmatch(r'"[A-Za-z ]+"', token) and inside not in _STYLES:
            return f"op({token})"
        return _OLD.get(token, token)

    return _TOKEN.sub(mend, _BIG.sub(_stretch, formula))


def _stretch(match: re.Match[str]) -> str:
    size, symbol = match.groups()
    return f"stretch({symbol if len(symbol) > 1 else chr(92) + symbol}, size: #{size}%)"
