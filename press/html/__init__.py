"""The book as a web site: a page per chapter with Quarto's anchors and words, and everything the pages need around them.

`site` writes it all, each page in the frame page.html.j2.  `body` turns one chapter into HTML by way of pandoc: it uses `boxes` for
figures, tables, theorems and callouts, and `maths` for what pandoc leaves out in formulas; `outward` has what a page says to other
sites; assets/ has the style sheet and the scripts.  Nothing is numbered or resolved here: pages come as they are to be read.
"""

from press.html.site import write_site

__all__ = ["write_site"]
