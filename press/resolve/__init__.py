"""From a chapter's text and what its cells showed to a page: cited, numbered, every reference leading somewhere.

In the order of work: `document` puts outputs into the text, has pandoc read it, and fills the list of references; `quarto_ast` turns
divs and labels in pandoc's syntax tree into figures, tables, theorems and callouts; `numbers` counts all that has a number;
`references` makes references, links and images lead where they should, or refuses them.  Nothing here knows of a format: both
writers get the same pages.
"""
