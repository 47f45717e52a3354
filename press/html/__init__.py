"""The book as a web site: a page per chapter with Quarto's anchors and words, and everything the pages need around them.

`site` writes it all.  `body` turns one chapter into HTML by way of pandoc: it uses `boxes` for figures, tables, theorems and
callouts, `maths` for what pandoc leaves out in formulas, `paths` for what leads where; `page` puts a chapter into the site's frame,
page.html.j2; assets/ has the style sheet and the scripts.  Nothing is numbered or resolved here: pages come as they are to be read.
"""

from press.html.site import write_site

__all__ = ["write_site"]
