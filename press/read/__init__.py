"""The book's sources, read as they are written: nothing is run, and pandoc is not asked.

Begin with `project`, which reads _quarto.yml into a Book, and `qmd`, which reads a chapter into its cells and the text between
them.  The settings that they accept, of the book, of a page and of a cell, are listed in `settings`, which reads YAML with its line
numbers; all else is refused here, with file and line.
"""
