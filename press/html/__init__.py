"""The book as a web site: a page per chapter with Quarto's anchors and words, and everything the pages need around them."""

from press.html.page import write
from press.html.site import site

__all__ = ["site", "write"]
