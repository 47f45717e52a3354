"""The PDF: each chapter to Typst through pandoc (`write`), then one compilation of the whole book (`compile`)."""

from press.pdf.compiler import compile
from press.pdf.writer import write

__all__ = ["compile", "write"]
