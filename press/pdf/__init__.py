"""The book as a PDF: each chapter to Typst through pandoc, then one compilation of the whole book.

`writer` turns a chapter into calls of the template book.typ, with `tables` for the widths of tables, `markup` for the way that code
and content alternate in such a call, and `maths` for formulas that pandoc gets wrong; `compiler` has Typst set them all.  Numbers and
words come from the pages, never from Typst's counters, so that the PDF says what the site says.
"""

from press.pdf.compiler import typeset, write_pdf
from press.pdf.writer import typst_source

__all__ = ["typeset", "typst_source", "write_pdf"]
