"""The book's sources, read as they are written: nothing is run, and pandoc is not asked.

Begin with `project`, which reads _quarto.yml into a Book, and `qmd`, which reads a chapter into its cells and the text between
them.  What they accept is listed in `settings` (of the book and of a page) and in `supported` (in a chapter); all else is refused
here, with file and line.  `yaml_lines` reads YAML with its line numbers; `css` checks style sheets.
"""
